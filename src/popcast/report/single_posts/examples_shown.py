"""The examples of a bundle in words and places on a line: what ``single_posts.html.j2`` shows.

Values stand on the scale of the labels; where labels are counts, counts stand beside them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from popcast.core import paths
from popcast.core.errors import bad_input, cut
from popcast.report.pictured.told_tables import figure
from popcast.report.standard import read_json

KINDS = {"best": "Best forecasts", "typical": "Typical forecasts", "worst": "Worst forecasts"}
REASONS, SIMILAR, SLIGHT = 6, 3, 0.005
"""Reasons and similar posts that are shown, and the value below which a reason is not worth a line."""


@dataclass(frozen=True)
class Reason:
    """``width``: share of the half line in percent, ``up``: to the right."""

    name: str
    value: str
    width: int
    up: bool


@dataclass(frozen=True)
class ShownPost:
    """``low``, ``wide``, ``at``, ``real``: interval, forecast and outcome on a line, in percent of its length."""

    kind: str
    title: str
    about: list[str]
    forecast: str
    outcome: str
    between: str
    off: str
    low: float | None
    wide: float | None
    at: float
    real: float
    told: str
    baseline: str
    reasons: list[Reason]
    others: str
    similar: list[tuple[str, str]]


@dataclass(frozen=True)
class Examples:
    """Of one dataset. ``posts``: how many the test part has. ``counts``: labels are counts, not scores."""

    posts: int
    groups: dict[str, list[ShownPost]]
    generated: bool
    counts: bool


def collect(generated: Mapping[str, bool]) -> dict[str, Examples]:
    """Dataset -> its examples; one without a bundle, or whose bundle is older than examples, has none.

    generated: dataset -> are its posts generated?
    """
    found = {}
    for name, made in generated.items():
        path = paths.example_posts(name)
        if not path.exists():
            continue
        content = read_json(path)
        if content.get("version") != 1:
            raise bad_input("another format", file=path, field="version", value=content.get("version"), expected="1")
        groups: dict[str, list[ShownPost]] = {}
        for one in content["examples"]:
            groups.setdefault(KINDS[one["kind"]], []).append(_shown(one))
        if groups:
            found[name] = Examples(content["posts"], groups, made, "outcome_count" in content["examples"][0])
    return found


def _shown(one: dict[str, Any]) -> ShownPost:
    values = [one[name] for name in ("prediction", "lower", "upper", "outcome") if one[name] is not None]
    least, most = min(values), max(values)
    room = max(most - least, 0.5) * 0.08
    start, length = least - room, max(most - least, 0.5) + 2 * room

    def place(value: float) -> float:
        return round(100 * (value - start) / length, 2)

    low = None if one["lower"] is None else place(one["lower"])
    wide = None if low is None else round(place(one["upper"]) - low, 2)
    reasons = one["reasons"]
    between = "" if low is None else f"{_value(one, 'lower')} to {_value(one, 'upper')}"
    off = one["prediction"] - one["outcome"]
    how = "too high" if off > 0 else "too low"
    told = f"forecast {_value(one, 'prediction')}" + (f", interval {between}" if between else "")
    shown, others = _reasons(reasons["contributions"])
    return ShownPost(
        kind=one["kind"],
        title=one["title"] or "(no text)",
        about=_about(one),
        forecast=_value(one, "prediction"),
        outcome=_value(one, "outcome"),
        between=between,
        off=f"{figure(abs(off))} {how}",
        low=low,
        wide=wide,
        at=place(one["prediction"]),
        real=place(one["outcome"]),
        told=f"A line: {told}, outcome {_value(one, 'outcome')}.",
        baseline=figure(reasons["baseline"]),
        reasons=shown,
        others=others,
        similar=[_similar(other) for other in reasons["similar"][:SIMILAR]],
    )


def _value(one: dict[str, Any], name: str) -> str:
    """``5.64``, or ``5.64 (49)`` where labels are counts."""
    count = one.get(f"{name}_count")
    return figure(one[name]) + ("" if count is None else f" ({count:,.0f})")


def _about(one: dict[str, Any]) -> list[str]:
    said = [] if one["author"] is None else [f"by {cut(one['author'], 60)}"]
    said += [] if one["posted_at"] is None else [f"{one['posted_at'][:16].replace('T', ' ')} UTC"]
    said += [] if one["category"] is None else [cut(one["category"], 60)]
    return said + ([cut("#" + " #".join(one["tags"]), 160)] if one["tags"] else [])


def _reasons(contributions: list[dict[str, Any]]) -> tuple[list[Reason], str]:
    """The largest ones, and in words what the others add together."""
    largest = [of for of in contributions if abs(of["value"]) >= SLIGHT][:REASONS]
    most = max((abs(of["value"]) for of in largest), default=1.0)
    shown = [
        Reason(of["name"], _signed(of), max(2, round(100 * abs(of["value"]) / most)), of["value"] > 0) for of in largest
    ]
    rest = sum(of["value"] for of in contributions) - sum(of["value"] for of in largest)
    left = len(contributions) - len(largest)
    if not left:
        return shown, ""
    return (
        shown,
        f"{left} {'other' if left == 1 else 'others together'} {_plus(rest) if abs(rest) >= SLIGHT else 'nearly 0'}",
    )


def _plus(value: float) -> str:
    return ("+" if value > 0 else "") + figure(value)


def _signed(of: dict[str, Any]) -> str:
    return _plus(of["value"]) + ("" if of["factor"] is None else f" ×{of['factor']:.2f}")


def _similar(other: dict[str, Any]) -> tuple[str, str]:
    got = figure(other["popularity"]) + ("" if other["count"] is None else f" ({other['count']:,.0f})")
    return cut(other["title"] or "(no text)", 100), got

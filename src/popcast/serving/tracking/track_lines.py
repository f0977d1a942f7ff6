"""What is tracked in a few lines for a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

MOST_INPUTS = 6


def lines_of(found: Mapping[str, Any]) -> Iterator[str]:
    """found: of :func:`popcast.serving.tracking.tracked_forecasts.tracked`."""
    counts = found["counts"]
    numbers = f"{found['kept']} forecasts kept, {counts['compared']} compared, {counts['waiting']} waiting"
    yield f"{found['dataset']}: {numbers}"
    if found["figures"] is not None:
        yield ""
        yield from _table(found["figures"], found["test"], found["against"])
    for name, one in found["drift"].items():
        said = "moved" if one["moved"] else "does not move"
        what, form = {"level": ("outcome minus forecast", "+.3f"), "error": ("size of the error", ".3f")}[name]
        before, after = format(one["before"], form), format(one["after"], form)
        yield f"{what} {said}: {before} before {one['since'][:10]}, {after} after (p = {one['p']:.3g})"
    if found["inputs"]:
        yield "inputs against the posts learned from (PSI, .25 is much; in brackets: by chance): " + ", ".join(
            f"{one['input']} {one['psi']:.2f} ({one['limit']:.2f}){' moved' if one['moved'] else ''}"
            for one in found["inputs"][:MOST_INPUTS]
        )
    yield from (f"note: {note}" for note in found["notes"])
    yield ""
    yield found["verdict"]["line"]


def _table(kept: Mapping[str, Any], test: Mapping[str, Any], against: str) -> Iterator[str]:
    yield f"{'':10}{'kept':>26}{against:>26}"
    for name, title in (("mae", "MAE"), ("bias", "bias"), ("src", "SRC"), ("coverage", "coverage")):
        yield f"{title:10}{cell(kept, name):>26}{cell(test, name):>26}"


def cell(figures: Mapping[str, Any], name: str) -> str:
    """A figure with its interval.

    >>> cell({"mae": 1.25, "mae_low": 1.0, "mae_high": 1.5}, "mae"), cell({"src": None}, "src")
    ('1.250 (1.000 to 1.500)', '–')
    """
    value, low, high = (figures.get(key) for key in (name, f"{name}_low", f"{name}_high"))
    if value is None:
        return "–"
    return f"{value:.3f}" if low is None else f"{value:.3f} ({low:.3f} to {high:.3f})"

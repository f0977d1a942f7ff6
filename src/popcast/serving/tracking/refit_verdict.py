"""Is it time to refit? One line, and why.

Errors decide, not inputs: a model may be right about posts that look different. Widths that no longer hold are no
reason either, for they follow the outcomes that are observed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from popcast.serving.tracking.residual_drift import LEAST

NOTICEABLE = 0.2
"""A level that is off by less than this share of the error is not worth a refit."""


def verdict(
    found: Mapping[str, Any], test: Mapping[str, Any], drift: Mapping[str, Mapping[str, Any]],
    inputs: Sequence[Mapping[str, Any]] | None, part: str = "test part",
) -> dict[str, Any]:  # fmt: skip
    """``refit`` (true, false, or null: too few outcomes) and ``line``.

    found: of :func:`popcast.serving.tracking.track_figures.figures`. test: ``mae`` with its interval on the
    ``part`` that is compared with.
    """
    count = found.get("posts", 0)
    if count < LEAST:
        return {"refit": None, "line": f"Too early to say: {count} outcomes, {LEAST} are needed."}
    reasons = [*_grown(found, test, part), *_moved(drift, found["mae"]), *_off(found)]
    aside = [*_narrow(found), *_inputs(inputs)]
    if reasons:
        also = f". Beside it {'; '.join(aside)}" if aside else ""
        return {"refit": True, "line": f"Refit: {'; '.join(reasons)}{also}."}
    told = "; ".join([_same(found["mae"], test.get("mae"), part), "residuals do not move", *aside])
    return {"refit": False, "line": f"No refit: {told}."}


def _same(error: float, before: float | None, part: str) -> str:
    if before is None:
        return f"the error is {error:.3f}"
    if error <= before:
        return f"the error ({error:.3f}) is not above that of the {part} ({before:.3f})"
    return f"the error ({error:.3f}) is above that of the {part} ({before:.3f}) by no more than chance"


def _grown(found: Mapping[str, Any], test: Mapping[str, Any], part: str) -> list[str]:
    """The error is larger than on ``part`` by more than both intervals allow."""
    low, high = found.get("mae_low"), test.get("mae_high")
    if low is None or high is None:
        return []
    reach = ((found["mae"] - low) ** 2 + (high - test["mae"]) ** 2) ** 0.5
    if found["mae"] - test["mae"] <= reach:
        return []
    return [f"the error grew from {test['mae']:.3f} on the {part} to {found['mae']:.3f}"]


def _moved(drift: Mapping[str, Mapping[str, Any]], error: float) -> list[str]:
    said = []
    level, size = drift.get("level"), drift.get("error")
    if level is not None and level["moved"] and abs(level["after"] - level["before"]) > NOTICEABLE * error:
        before, after = (f"{level[side]:+.2f}".replace("-", "−") for side in ("before", "after"))
        said.append(f"outcomes moved from {before} to {after} against forecasts{_since(level)}")
    if size is not None and size["moved"] and size["after"] > size["before"] * (1 + NOTICEABLE):
        said.append(f"the error moved from {size['before']:.2f} to {size['after']:.2f}{_since(size)}")
    return said


def _since(one: Mapping[str, Any]) -> str:
    p = "p < .001" if one["p"] < 0.001 else f"p = {one['p']:.3f}".replace("0.", ".")
    return f" about {one['since'][:10]} ({p})"


def _off(found: Mapping[str, Any]) -> list[str]:
    """The level is off, throughout."""
    low, high, error = found.get("bias_low"), found.get("bias_high"), found["mae"]
    if low is None or low <= 0 <= high or abs(found["bias"]) <= NOTICEABLE * error:
        return []
    return [f"forecasts are {abs(found['bias']):.2f} too {'high' if found['bias'] > 0 else 'low'} on average"]


def _narrow(found: Mapping[str, Any]) -> list[str]:
    low, high, nominal = found.get("coverage_low"), found.get("coverage_high"), found.get("nominal")
    if low is None or low <= nominal <= high:
        return []
    return [f"intervals hold {found['coverage']:.0%} of outcomes instead of {nominal:.0%}"]


def _inputs(inputs: Sequence[Mapping[str, Any]] | None) -> list[str]:
    moved = [one["input"] for one in inputs or () if one["moved"]]
    if not moved:
        return []
    shown = ", ".join(moved[:3]) + (f" and {len(moved) - 3} more" if len(moved) > 3 else "")
    return [f"posts differ from those learned from in {shown}"]

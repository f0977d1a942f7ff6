"""What ``popcast track`` and a server say of the forecasts that were kept: all figures, drift, and whether to refit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl

from popcast.serving.tracking.kept_forecasts import kept_rows
from popcast.serving.tracking.kept_outcomes import OUTCOMES, Matched, matched
from popcast.serving.tracking.post_inputs import FILE as INPUTS
from popcast.serving.tracking.post_inputs import authors_of, read_inputs
from popcast.serving.tracking.refit_verdict import verdict
from popcast.serving.tracking.stability_index import moved_inputs
from popcast.serving.tracking.track_figures import by_week, drift_of, figures

if TYPE_CHECKING:
    from popcast.serving.forecast import Forecast

TEST = ("mae", "mae_low", "mae_high", "src", "src_low", "src_high", "coverage", "half_width", "interval_score", "posts")
NO_INPUTS = "the bundle does not say how inputs lay in the posts learned from: save it again with this version"


def tracked(
    forecast: Forecast, outcomes: pl.DataFrame | None = None, counted_at: pl.Series | None = None
) -> dict[str, Any]:
    """Plain JSON about the forecasts kept in the bundle's folder.

    outcomes: ``post_id`` (of the post or of the kept forecast), ``user_id`` and ``popularity``; None: those observed.
    counted_at [n]: when they were counted; None: they are mature. Keys: ``kept``, ``counts``, ``figures`` (None:
    nothing to compare), ``test`` (the same of
    ``against``, the bundle's test part), ``adapted`` (None), ``weeks``, ``drift``, ``inputs``, ``verdict``,
    ``notes``.
    """
    kept, inputs = kept_rows(forecast.kept.all())
    if outcomes is None:
        outcomes = forecast.observed.posts.select(list(OUTCOMES)).drop_nulls("popularity")
    found = matched(kept, outcomes, forecast.maturity_days, counted_at)
    reference = read_inputs(forecast.files.get(INPUTS))
    moved = None
    if reference is not None and kept.height:
        latest = kept.with_row_index("place").select(
            (pl.col("place") == pl.col("place").max().over(pl.coalesce("post_id", "kept"))) & ~pl.col("settled")
        )
        chosen = latest.to_series()
        moved = moved_inputs(reference, inputs.filter(chosen), authors_of(kept.filter(chosen)["user_id"]))
    test = test_figures(forecast)
    numbers, weeks, drift = compared(forecast, found.rows)
    said = verdict(numbers or {}, test, drift, moved)
    return {
        "dataset": forecast.contents.dataset, "kept": kept.height, "against": "test part", "counts": counts_of(found),
        "figures": numbers, "test": test, "weeks": weeks, "drift": drift, "inputs": moved, "adapted": None,
        "verdict": said, "notes": [*notes_of(found), *([NO_INPUTS] if reference is None else [])],
    }  # fmt: skip


def compared(forecast: Forecast, rows: pl.DataFrame) -> tuple[dict[str, Any] | None, list[dict], dict[str, dict]]:
    """Figures, weeks and drift of forecasts beside their outcomes."""
    if not rows.height:
        return None, [], {}
    contents, rows = forecast.contents, rows.with_columns(post_id=pl.coalesce("post_id", "kept"))
    numbers = figures(rows, forecast.blend.nominal, contents.seed)
    return numbers, by_week(rows, contents.zone), drift_of(rows)


def test_figures(forecast: Forecast) -> dict[str, float | None]:
    """What the blend scored on the test part, under the names of :func:`figures`."""
    scores = forecast.scores.get("blend", {})
    return {name: scores.get(f"test.{name}") for name in TEST}


def counts_of(found: Matched) -> dict[str, int]:
    """How many posts were compared, and what was not."""
    return {"compared": found.rows.height} | {name: getattr(found, name) for name in found._fields if name != "rows"}


def notes_of(found: Matched) -> list[str]:
    """A line for everything that was left out."""
    said = {
        "outcomes of posts without a kept forecast": found.unknown,
        "outcomes counted too early": found.young,
        "forecasts that a later one of the same post replaces": found.older,
        "forecasts kept after the outcome was known, which are none": found.settled,
    }
    return [f"{count} {what}" for what, count in said.items() if count]

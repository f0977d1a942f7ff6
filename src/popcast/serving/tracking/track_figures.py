"""How forecasts did: error, bias, rank correlation and coverage with bootstrap intervals, week by week, and drift.

The same figures are made of forecasts that were kept and of the test part played once more; all on the scale of labels.
Intervals draw whole authors where there are enough, as those of the report do (``popcast.scoring.bootstrap``).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl

from popcast.blend.intervals import measured_coverage
from popcast.blend.widths.winkler_score import interval_scores
from popcast.scoring import bootstrap
from popcast.scoring.metrics import score
from popcast.serving.tracking.residual_drift import shift_in

RESAMPLES = 1000
CONFIDENCE = 0.95
LEAST_WEEK = 3
"""Posts of a week that is shown."""
LEVEL = 0.01
"""Chance that drift is seen where there is none, in either of the two series."""


def figures(rows: pl.DataFrame, coverage: float, seed: int) -> dict[str, Any]:
    """Of forecasts and outcomes: ``posts``, ``mae``, ``bias`` (forecast minus outcome), ``src``, ``coverage``,
    ``half_width``, ``interval_score``, each of the first four with ``_low`` and ``_high``. Null where not defined.

    rows: ``post_id``, ``user_id``, ``posted_at``, ``popularity``, ``prediction``, ``lower``, ``upper``.
    """
    y, p = rows["popularity"].to_numpy(), rows["prediction"].to_numpy()
    plain = score(y, p)
    found: dict[str, Any] = {"posts": rows.height, "mae": plain["mae"], "bias": float((p - y).mean())}
    found |= {"src": plain["src"], "coverage": None, "half_width": None, "interval_score": None, "nominal": coverage}
    inside = _inside(rows)
    ends = rows.select("popularity", "lower", "upper").drop_nulls()
    if ends.height:
        label, lower, upper = (ends[name].to_numpy() for name in ends.columns)
        found["coverage"] = measured_coverage(label, lower, upper)
        found["half_width"] = float((upper - lower).mean() / 2)
        found["interval_score"] = float(interval_scores(label, lower, upper, coverage).mean())
    found |= _intervals(rows, y, p, inside, seed)
    return {name: round(value, 6) if isinstance(value, float) else value for name, value in found.items()}


def _inside(rows: pl.DataFrame) -> np.ndarray:
    """1 inside, 0 outside, NaN without interval [n]."""
    inside = rows.select(pl.col("popularity").is_between("lower", "upper").cast(pl.Float64)).to_series()
    return inside.to_numpy().astype(np.float64)


def _intervals(rows: pl.DataFrame, y: np.ndarray, p: np.ndarray, inside: np.ndarray, seed: int) -> dict[str, Any]:
    names = ("mae", "bias", "src", "coverage")
    found: dict[str, Any] = {f"{name}_{end}": None for name in names for end in ("low", "high")}
    clusters = bootstrap.clusters_of(rows)
    found["drawn"] = None if clusters is None else clusters.unit
    if clusters is None:
        return found
    draws = bootstrap.bootstrap(y, {"kept": p}, clusters.codes, RESAMPLES, seed)["kept"]
    held = ~np.isnan(inside)
    sums = [np.ones(len(y)), p - y, held.astype(np.float64), np.where(held, inside, 0.0)]
    each = np.column_stack([np.bincount(clusters.codes, weights=of, minlength=clusters.count) for of in sums])
    drawn = np.concatenate([part @ each for part in bootstrap.draw_counts(clusters.count, RESAMPLES, seed)])
    with np.errstate(invalid="ignore", divide="ignore"):
        told = {"mae": draws["mae"], "src": draws["src"], "bias": drawn[:, 1] / drawn[:, 0],
                "coverage": drawn[:, 3] / drawn[:, 2]}  # fmt: skip
    for name, values in told.items():
        ends = bootstrap.interval(values, CONFIDENCE)
        if ends is not None:
            found |= {f"{name}_low": ends[0], f"{name}_high": ends[1]}
    return found


def by_week(rows: pl.DataFrame, zone: str) -> list[dict[str, Any]]:
    """Per week (its Monday, in ``zone``) ``posts``, ``mae``, ``bias``, ``coverage``, ``half_width`` and, where ``rows``
    have ``adapted``, the share inside the interval that would have followed outcomes. Weeks of fewer than
    ``LEAST_WEEK`` posts are left out."""
    error, width = pl.col("prediction") - pl.col("popularity"), (pl.col("upper") - pl.col("lower")) / 2
    week = pl.col("posted_at").dt.convert_time_zone(zone).dt.truncate("1w").dt.strftime("%Y-%m-%d")
    table = rows.drop_nulls("posted_at").with_columns(
        week=week, error=error, width=width, inside=pl.col("popularity").is_between("lower", "upper").cast(pl.Float64)
    )
    further = [pl.col("adapted").cast(pl.Float64).mean()] if "adapted" in rows.columns else []
    table = table.group_by("week").agg(
        *further, posts=pl.len(), mae=pl.col("error").abs().mean(), bias=pl.col("error").mean(),
        coverage=pl.col("inside").mean(), half_width=pl.col("width").mean(),
    )  # fmt: skip
    table = table.filter(pl.col("posts") >= LEAST_WEEK).sort("week")
    return table.with_columns(pl.selectors.float().round(6)).to_dicts()


def drift_of(rows: pl.DataFrame) -> dict[str, dict[str, Any]]:
    """What moves in the order of time, see :mod:`popcast.serving.tracking.residual_drift`: ``level`` (residual: outcome
    minus forecast) and ``error`` (its size). Each with ``p``, ``since``, ``before``, ``after`` and ``moved``; none
    where posts have no times, or are too few."""
    timed = rows.drop_nulls("posted_at").sort("posted_at", "post_id")
    residual = (timed["popularity"] - timed["prediction"]).to_numpy()
    found = {}
    for name, values in (("level", residual), ("error", np.abs(residual))):
        if (shift := shift_in(values)) is not None:
            found[name] = {
                "statistic": shift.statistic, "p": shift.p, "since": timed["posted_at"][shift.place].isoformat(),
                "before": round(shift.before, 6), "after": round(shift.after, 6), "moved": shift.p < LEVEL / 2,
            }  # fmt: skip
    return found

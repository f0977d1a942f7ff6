"""Forecasts as JSON has them: the three numbers, quantiles, the author's own past, and chances of beating a number."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from popcast.blend.count_scale import as_counts
from popcast.blend.widths.spread import Spread
from popcast.core.errors import bad_input
from popcast.serving.forecast import Forecast
from popcast.serving.outlook.author_past import AuthorPast, count_of, past_rows, score_of

LEVELS = (0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95)
MOST_PASTS = 20
"""Posts of one call up to which each tells the author's past, post by post."""


def outlooks(
    forecast: Forecast, prepared: pl.DataFrame, media: Path | None = None, above: float | None = None,
    together: bool = False, past: AuthorPast | None = None,
) -> list[dict[str, Any]]:  # fmt: skip
    """One outlook per row of what ``Forecast.prepared`` returned, in their order.

    above: a number to beat, a count or a score as labels are. past: of this forecast, None: made here. Each has
    ``prediction``, ``lower`` and ``upper`` as ``Forecast.predict`` gives them (with counts where labels are counts),
    ``quantiles`` and ``quantile_counts`` (level -> value), ``author`` and ``chance_above``. What no interval model was
    fitted for is null. BadInput, one line: ``above`` is no such number.
    """
    transform = forecast.contents.transform
    threshold = None if above is None else _threshold(above, transform)
    past = AuthorPast.of(forecast) if past is None else past
    blended, spread = forecast.spread_of(prepared, media, together)
    table = forecast.told(prepared, blended, spread).drop("post_id")
    quantiles = _quantiles(spread, transform, prepared.height)
    owns = _authors(prepared, spread, past)
    with np.errstate(over="ignore"):  # of a number far beyond the chance is 0
        chances = None if threshold is None or spread is None else spread.chance(threshold)
    found = []
    for row, numbers in enumerate(table.iter_rows(named=True)):
        chance = None if chances is None else float(chances[row])
        beat = None if above is None else {"value": above, "chance": chance}
        found.append({**numbers, **quantiles[row], "author": owns[row], "chance_above": beat})
    return found


def _threshold(above: float, transform: str) -> float:
    least = {"log2(x)": "above 0", "log2(x+1)": "from 0 on"}.get(transform)
    if not np.isfinite(above) or (least and above < 0) or (transform == "log2(x)" and above == 0):
        raise bad_input("no number to beat", field="above", value=above, expected=f"a count {least}")
    return score_of(above, transform)


def _quantiles(spread: Spread | None, transform: str, height: int) -> list[dict[str, Any]]:
    """``quantiles`` and ``quantile_counts`` of each post."""
    if spread is None:
        return [{"quantiles": None, "quantile_counts": None} for _ in range(height)]
    names = [f"{level:g}" for level in LEVELS]
    fitted = dict(zip(spread.levels, spread.quantiles.T, strict=True))
    columns = [fitted[level] if level in fitted else spread.quantile(level) for level in LEVELS]
    values = np.column_stack(columns).round(6)
    counts = None
    if transform != "none":
        flat = as_counts(pl.Series(values.ravel()), transform).round(3).to_numpy()
        counts = flat.reshape(values.shape).tolist()
    return [
        {
            "quantiles": dict(zip(names, row, strict=True)),
            "quantile_counts": None if counts is None else dict(zip(names, counts[i], strict=True)),
        }
        for i, row in enumerate(values.tolist())
    ]


def _authors(prepared: pl.DataFrame, spread: Spread | None, past: AuthorPast) -> list[dict[str, Any] | None]:
    """What is known of each post's author, and the chance of beating the median of the author's older posts."""
    medians = np.full(prepared.height, np.nan)
    found: list[dict[str, Any] | None] = []
    for row, (author, moment) in enumerate(zip(prepared["user_id"], prepared["posted_at"], strict=True)):
        if author is None:
            found.append(None)
            continue
        older = past.before(author, moment)
        median = older.median
        medians[row] = np.nan if median is None else median
        found.append(
            {
                "known": past.knows(author),
                "posts": len(older.outcomes),
                "median": median,
                "median_count": count_of(median, past.transform),
                "chance_above_median": None,
                "past": past_rows(older, past.transform) if prepared.height <= MOST_PASTS else None,
            }
        )
    if spread is not None:
        chances = spread.chance(np.where(np.isnan(medians), 0.0, medians))
        for own, median, chance in zip(found, medians, chances, strict=True):
            if own is not None and not np.isnan(median):
                own["chance_above_median"] = float(chance)
    return found

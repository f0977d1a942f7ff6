"""Do the named reasons matter? Taking a post's top group away must move its forecast more than taking away another.

Reasons are found against one half of the background and taken away against the other, so that the test is of the
reasons and not of the sample that they were found with.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from popcast.serving.reasons.background import POSTS, background
from popcast.serving.reasons.explaining import coalition_values
from popcast.serving.reasons.mixed_posts import Forecasting, Seen, mixed, predicted, seen, stacked
from popcast.serving.reasons.mixed_predictions import predicted_mixed
from popcast.serving.reasons.shapley import shapley_values

DRAWS = 2000


@dataclass(frozen=True)
class Deletion:
    """Mean absolute change of forecasts, log2 scale: without the top group, without another group (each of the others
    as likely), and their difference with its 95 % interval over posts. top: group -> how often it was the top one."""

    posts: int
    without_top: float
    without_other: float
    difference: float
    lower: float
    upper: float
    top: dict[str, int]


def deletion_test(forecast: Forecasting, posts: pl.DataFrame, seed: int, media: Path | None = None) -> Deletion:
    """Measure on ``posts`` (columns of the ``posts`` table), those with two groups at least. ValueError: none has."""
    some = background(forecast)
    half = POSTS // 2
    order = np.arange(len(some.segment))
    naming, taking = mixed(some, order[:half], {}), mixed(some, order[half:], {})
    prepared = forecast.prepared(posts)
    asked = seen(forecast, prepared, media)
    found, named = [], []
    for number in range(posts.height):
        rows = stacked(asked.row(number), naming)
        groups = rows.groups()
        if len(groups) < 2:
            continue
        values = shapley_values(coalition_values(forecast, rows, groups))
        top = int(np.argmax(np.abs(values)))
        moves = without_each(forecast, stacked(asked.row(number), taking), groups)
        found.append((moves[top], np.delete(moves, top).mean()))
        named.append(groups[top])
    if not found:
        raise ValueError("no post differs from the background in two groups")
    pairs = np.array(found)
    gap = pairs[:, 0] - pairs[:, 1]
    drawn = np.random.default_rng(seed).integers(0, len(gap), (DRAWS, len(gap)))
    lower, upper = np.quantile(gap[drawn].mean(axis=1), [0.025, 0.975])
    counts = {group: named.count(group) for group in sorted(set(named), key=lambda one: (-named.count(one), one))}
    top, other = pairs.mean(axis=0)
    return Deletion(len(gap), float(top), float(other), float(gap.mean()), float(lower), float(upper), counts)


def without_each(forecast: Forecasting, rows: Seen, groups: list[str]) -> np.ndarray:
    """|change| [groups] of the forecast of the first row when one group after the other comes from the other rows."""
    count = len(rows.segment) - 1
    base = np.zeros(len(groups) * count, np.int64)
    others = np.arange(1, count + 1)
    taken = {}
    for place, group in enumerate(groups):
        own = base.copy()
        own[place * count : (place + 1) * count] = others
        taken[group] = own
    whole = predicted(forecast, rows.row(0))[0]
    return np.abs(predicted_mixed(forecast, rows, base, taken).reshape(len(groups), count).mean(axis=1) - whole)

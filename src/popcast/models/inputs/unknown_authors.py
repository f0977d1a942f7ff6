"""Posts of authors without a past, in an ensemble that starts from what an author usually gets.

Such posts start from the mean of everybody, and what trees add was learned from the first posts of authors that are
known by now: by the hour they post at or how often, trees tell those authors apart, which says nothing of a new one.
On 759 posts of pages that nobody had seen (docs/results.md) a regression on words alone erred by 1.92, the trees by
2.37. So with ``text.levels`` the trees do not learn from such posts, and words forecast them.
"""

from __future__ import annotations

import numpy as np
import polars as pl

from popcast.models.inputs.matrix import numbers
from popcast.models.inputs.text_scores import TextScores

LEAST = 100
"""Rows of known authors that an ensemble needs to learn from them alone."""


def known_authors(features: pl.DataFrame, baseline: str | None) -> np.ndarray:
    """Whether the baseline is about the author [n]: not null, and its block counts labels of the author.

    >>> history = {"history.smoothed_mean": [6.1, 7.5, None], "history.count": [3.0, 0.0, None]}
    >>> known_authors(pl.DataFrame(history), "history.smoothed_mean").tolist()
    [True, False, False]
    """
    if baseline is None:
        return np.ones(features.height, bool)
    known = ~np.isnan(numbers(features[baseline]))
    count = f"{baseline.partition('.')[0]}.count"
    return known & (numbers(features[count]) > 0) if count in features.columns else known


def rows_to_learn(scores: TextScores | None, features: pl.DataFrame, baseline: str | None) -> np.ndarray:
    """Rows [n] bool that trees learn from: all, or with ``levels`` those of known authors. Too few of these: all, and
    words forecast nobody.
    """
    everything = np.ones(features.height, bool)
    if scores is None or scores.level is None:
        return everything
    known = known_authors(features, baseline)
    if known.all() or known.sum() < LEAST:
        scores.level = None if known.sum() < LEAST else scores.level
        return everything
    return known


def by_words(
    found: np.ndarray, scores: TextScores | None, posts: pl.DataFrame, features: pl.DataFrame, baseline: str | None,
    center: float,
) -> np.ndarray:  # fmt: skip
    """Predictions [n, ...] with those of unknown authors replaced by what their words say."""
    if scores is None or scores.level is None:
        return found
    unknown = np.flatnonzero(~known_authors(features, baseline))
    if len(unknown):
        found = found.copy()
        levels = scores.levels(posts[unknown], center)
        found[unknown] = levels.reshape(-1, *[1] * (found.ndim - 1))
    return found

"""Conformal offsets per level and segment: what brings quantiles of a model to the share of outcomes they promise.

Romano, Patterson and Candes, "Conformalized quantile regression", 2019, theorem 2: each level has an offset of its own,
the conformal quantile of held-out scores (residual minus the model's quantile, over the post's scale). Segments are
calibrated apart (Vovk, "Conditional validity of inductive conformal predictors", 2012), small ones lean on all posts.
"""

from __future__ import annotations

import math

import numpy as np

SHRINK = 300
"""A segment with this many posts is trusted half, as the blend's weights are."""
POSTS_PER_AUTHOR = 10
"""Posts of one author err alike: of more than this per author, a segment counts no more."""

COLD, WARM = "cold", "warm"


def levels_for(coverage: float) -> tuple[float, ...]:
    """Both ends of the nominal interval, and 5, 10, 25, 50, 75, 90, 95 %.

    >>> levels_for(0.8)
    (0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95)
    """
    tail = round((1 - coverage) / 2, 9)
    return tuple(sorted({0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, tail, round(1 - tail, 9)}))


def conformal_quantile(scores: np.ndarray, level: float) -> float | None:
    """The quantile of ``scores`` [n] that a new score stays below (level > .5: at or below) with probability
    ``level``, on the safe side: outward from the median. None where n is too small for that level.

    >>> conformal_quantile(np.arange(1.0, 20.0), 0.95), conformal_quantile(np.arange(1.0, 20.0), 0.05)
    (19.0, 1.0)
    """
    count = len(scores)
    if level == 0.5:
        return float(np.median(scores)) if count else None
    place = round((count + 1) * level, 9)
    rank = math.ceil(place) if level > 0.5 else math.floor(place)
    if not 1 <= rank <= count:
        return None
    return float(np.partition(scores, rank - 1)[rank - 1])


def offsets(
    scores: np.ndarray, warm: np.ndarray, author: np.ndarray, levels: tuple[float, ...], least_segment: int
) -> dict[str, list[float]] | None:
    """Segment -> offset of each level. scores: float64 [n, k] held out. warm: bool [n]. author: whole numbers [n].
    None: n is too small. A segment that counts fewer than ``least_segment`` posts gets the offsets of all posts."""
    shared = [conformal_quantile(scores[:, place], level) for place, level in enumerate(levels)]
    if None in shared:
        return None
    found = {}
    for name, rows in ((COLD, ~warm), (WARM, warm)):
        count = min(int(rows.sum()), POSTS_PER_AUTHOR * len(np.unique(author[rows])))
        own = [conformal_quantile(scores[rows, place], level) for place, level in enumerate(levels)]
        trust = count / (count + SHRINK) if count >= least_segment and None not in own else 0.0
        found[name] = [
            round(float(common if not trust else trust * mine + (1 - trust) * common), 6)
            for mine, common in zip(own, shared, strict=True)
        ]
    return found


def offset_rows(found: dict[str, list[float]], warm: np.ndarray) -> np.ndarray:
    """Offsets [n, k] of posts of ``warm`` (True) and cold authors."""
    return np.where(warm[:, None], np.array(found[WARM]), np.array(found[COLD]))

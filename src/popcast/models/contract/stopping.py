"""Losses by name, and the window on which boosting stops.

Early stopping and the reported score never share a window (sheet smp2025.md section 9, defect 2): boosting stops on
the last fold of its own training rows, scores are taken on later posts.

A burst of posts goes whole to the fold of its first post, so an earlier fold may hold posts newer than the first one of
a later fold. Whoever learns from earlier folds to be judged on a later one leaves those out (:func:`older`). Folds that
a predictor gets say so with ``ASIDE``.
"""

from __future__ import annotations

import os
from typing import NamedTuple

import numpy as np

SMALLEST_WINDOW = 20
"""Rows below which a window says nothing about the right number of rounds."""


ASIDE = -1
"""Fold of rows that take no part in choosing: not learned before the number of rounds is known, and not watched."""


class Window(NamedTuple):
    """Which rows choose the number of rounds. Both bool [n]; rows in neither are learned in the refit only."""

    watch: np.ndarray
    learn: np.ndarray


def older(folds: np.ndarray, moments: np.ndarray, fold: int) -> np.ndarray:
    """bool [n]: rows of earlier folds than ``fold`` that were posted before its first post.

    folds: int [n]. moments: posting times int64 [n], in any unit.
    """
    held_out = folds == fold
    return (folds >= 0) & (folds < fold) & (moments < moments[held_out].min(initial=np.iinfo(np.int64).max))


def set_aside(folds: np.ndarray, moments: np.ndarray) -> np.ndarray:
    """``folds`` [n] with ``ASIDE`` for rows of earlier folds that are not older than the first row of the last fold."""
    last = folds.max(initial=ASIDE)
    return np.where((folds == last) | older(folds, moments, last), folds, ASIDE)


def from_the_oldest(folds: np.ndarray, loose: bool) -> np.ndarray:
    """Folds int [n] of training posts, in which those of no fold (``ASIDE``) become the oldest one where there are any.

    loose: whether some post has no fold. They are learned by every model and never decide when it stops.

    >>> from_the_oldest(np.array([-1, 0, 1]), loose=True).tolist()
    [0, 1, 2]
    """
    return folds + 1 if loose else folds


def stopping_window(folds: np.ndarray | None, rows: int) -> Window | None:
    """The posts that decide when to stop and those learned before; None where there are too few to afford a window.

    The last fold; the last fifth of the rows (they are in time order) where there is only one fold.
    """
    taking_part = np.ones(rows, bool) if folds is None else folds != ASIDE
    known = None if folds is None else folds[taking_part]
    if known is not None and len(known) and known.min() < known.max():
        watch = folds == known.max()
    else:
        count = int(taking_part.sum())
        watch = taking_part & (np.cumsum(taking_part) > count - count // 5)
    learn = taking_part & ~watch
    return Window(watch, learn) if min(watch.sum(), learn.sum()) >= SMALLEST_WINDOW else None


def loss_weights(target: np.ndarray, loss: str) -> np.ndarray | None:
    """Row weights [n] of mean 1 that turn the absolute error into MAPE: 1 / max(abs(y), 1); None for other losses.

    Popularity can be 0, so the weight is clipped as LightGBM and CatBoost clip it in their own MAPE. Written as
    weights it stays right when the target is shifted or a residual; mean 1 keeps the regularisation what it is.
    """
    if loss != "mape":
        return None
    weights = 1.0 / np.maximum(np.abs(target), 1.0)
    return weights / weights.mean()


def threads() -> int:
    """Threads of the boosting libraries: a fixed number, because sums in another order give other bytes."""
    return int(os.environ.get("OMP_NUM_THREADS", "2"))


def sample_rows(rows: int, seed: int, size: int = 500) -> np.ndarray:
    """Row numbers of the fixed sample on which SHAP values are averaged, sorted."""
    return np.sort(np.random.default_rng(seed).choice(rows, size=min(size, rows), replace=False))

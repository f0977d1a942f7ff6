"""Losses by name, and the window on which boosting stops.

Early stopping and the reported score never share a window (sheet smp2025.md section 9, defect 2): boosting stops on
the last fold of its own training rows, scores are taken on later posts.
"""

from __future__ import annotations

import os

import numpy as np

SMALLEST_WINDOW = 20
"""Rows below which a window says nothing about the right number of rounds."""


def stopping_window(folds: np.ndarray | None, rows: int) -> np.ndarray | None:
    """Mask [rows] of the posts that decide when to stop; None where there are too few posts to afford one.

    The last fold; the last fifth of the rows (they are in time order) where there is only one fold.
    """
    if folds is not None and folds.min() < folds.max():
        window = folds == folds.max()
    else:
        window = np.arange(rows) >= rows - rows // 5
    return window if min(window.sum(), (~window).sum()) >= SMALLEST_WINDOW else None


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

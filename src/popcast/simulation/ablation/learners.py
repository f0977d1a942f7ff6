"""The two learners of the ablation: standardised ridge regression and boosted trees, both small and deterministic.

They learn from the training rows, choose on the valid rows, and predict all rows.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from popcast.models.contract.stopping import threads
from popcast.models.trees.lightgbm_trees import same_bytes, stopped

PENALTIES = tuple(10.0 ** (step / 2) for step in range(12))
"""Ridge penalties to choose from: 1 to 316,000, times the squared length of a standardised weight vector."""
FAR = 5.0
"""Standardised values beyond this many standard deviations count as this: counts and spans of time have long tails."""
PATIENCE = 15
"""Trees without gain on the valid rows before boosting stops."""

Learner = Callable[[np.ndarray, np.ndarray, np.ndarray, np.ndarray, int, int], np.ndarray]
"""(x [n, p] with NaN for missing, y [n], training rows, valid rows, trees at most, seed) -> predictions [n]."""


def completed(x: np.ndarray, train: np.ndarray) -> np.ndarray:
    """Columns without gaps, standardised on the training rows [n, q].

    A missing value becomes the median of the training rows, and an indicator column says so (one for columns that are
    missing together). Columns that do not vary over the training rows are left out.
    """
    missing = np.isnan(x)
    known = (~missing[train]).any(axis=0)
    x, missing = x[:, known], missing[:, known]
    medians = np.nanmedian(x[train], axis=0) if x.shape[1] else np.empty(0)
    gaps = np.unique(missing, axis=1) if x.shape[1] else missing
    full = np.hstack([np.where(missing, medians, x), gaps.astype(np.float64)])
    mean, scale = full[train].mean(axis=0), full[train].std(axis=0)
    varies = scale > 1e-9
    return np.clip((full[:, varies] - mean[varies]) / scale[varies], -FAR, FAR)


def ridge(x: np.ndarray, y: np.ndarray, train: np.ndarray, valid: np.ndarray, rounds: int, seed: int) -> np.ndarray:
    """Ridge regression; the penalty with the smallest MAE on the valid rows is taken, the larger one of equals."""
    z, center = completed(x, train), y[train].mean()
    mean = z[train].mean(axis=0)  # clipping moves it off zero
    z = z - mean
    values, vectors = np.linalg.eigh(z[train].T @ z[train])
    rotated = vectors.T @ (z[train].T @ (y[train] - center))
    best, found = np.inf, np.full(len(y), center)
    for penalty in sorted(PENALTIES, reverse=True):
        predictions = center + z @ (vectors @ (rotated / (np.maximum(values, 0) + penalty)))
        error = np.abs(predictions - y)[valid].mean()
        if error < best:
            best, found = error, predictions
    return found


def boosted(x: np.ndarray, y: np.ndarray, train: np.ndarray, valid: np.ndarray, rounds: int, seed: int) -> np.ndarray:
    """LightGBM with small trees; the number of trees is that with the smallest MAE on the valid rows."""
    import lightgbm

    settings = {
        "objective": "l2",
        "metric": "l1",
        "learning_rate": 0.1,
        "num_leaves": 15,
        "min_child_samples": min(20, max(int(train.sum()) // 10, 1)),
        "feature_fraction": 0.5,
        "lambda_l2": 1.0,
        "max_bin": 63,
        **same_bytes(seed),
    }
    learn = lightgbm.Dataset(x[train], label=y[train], params=settings)
    watch = lightgbm.Dataset(x[valid], label=y[valid], reference=learn, params=settings)
    booster, best = stopped(settings, learn, watch, rounds, PATIENCE)
    return booster.predict(x, num_iteration=best, num_threads=threads())


LEARNERS: dict[str, Learner] = {"ridge": ridge, "lightgbm": boosted}

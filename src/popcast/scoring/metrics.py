"""The field's measures of a popularity forecast: MAE, RMSE, nMSE, SRC and MAPE, each over the whole set of posts.

Definitions: MMRA (SIGIR 2024) section 4.1 for nMSE and SRC, the SMP Challenge for MAE, SRC and MAPE. All but SRC are
functions of a few sums over posts, which is what makes the bootstrap cheap (see popcast.scoring.bootstrap).
"""

from __future__ import annotations

import numpy as np

METRICS = ("mae", "src", "nmse", "rmse", "mape")
BATCHES = {"full": None, "batch256": 256}
"""Posts per batch of each ``evaluation.metric_mode``; None: the whole set at once."""
SUMS = ("n", "absolute", "squared", "label", "label_squared", "relative", "relative_n")
"""Columns of :func:`error_sums`."""


def error_sums(y: np.ndarray, p: np.ndarray) -> np.ndarray:
    """What each post adds to the sums from which MAE, RMSE, nMSE and MAPE follow: float64 [n, 7], columns ``SUMS``.

    Posts with label 0 have no relative error: they add nothing to the last two columns.
    """
    error = p - y
    nonzero = np.abs(y) > 0
    relative = np.divide(np.abs(error), np.abs(y), out=np.zeros_like(error), where=nonzero)
    return np.column_stack((np.ones_like(y), np.abs(error), error**2, y, y**2, relative, nonzero.astype(np.float64)))


def from_sums(sums: np.ndarray) -> dict[str, np.ndarray]:
    """Metrics from summed rows of :func:`error_sums` [..., 7]: arrays [...]; NaN where a metric is not defined."""
    n, absolute, squared, label, label_squared, relative, relative_n = np.moveaxis(sums, -1, 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        mse = squared / n
        variance = np.maximum(label_squared / n - (label / n) ** 2, 0.0)
        return {
            "mae": absolute / n,
            "rmse": np.sqrt(mse),
            "nmse": np.where(variance > 1e-12, mse / variance, np.nan),
            "mape": np.where(relative_n > 0, relative / relative_n, np.nan),
        }


def average_ranks(values: np.ndarray, weights: np.ndarray | None = None) -> np.ndarray:
    """Ranks from 1 with ties averaged, [..., n]; ``weights`` [..., n] count how often each value occurs.

    >>> average_ranks(np.array([3.0, 1.0, 3.0]))
    array([2.5, 1. , 2.5])
    """
    weights = np.ones_like(values, dtype=np.float64) if weights is None else weights
    order = np.argsort(values, kind="stable")
    ordered = values[order]
    starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])
    group = np.cumsum(np.r_[False, ordered[1:] != ordered[:-1]])
    tied = np.add.reduceat(weights[..., order], starts, axis=-1)
    rank_of_group = np.cumsum(tied, axis=-1) - tied + (tied + 1) / 2
    ranks = np.empty(weights.shape)
    ranks[..., order] = rank_of_group[..., group]
    return ranks


def centered_ranks(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """:func:`average_ranks` minus their weighted mean, which with averaged ties is always (total weight + 1) / 2."""
    return average_ranks(values, weights) - (weights.sum(axis=-1, keepdims=True) + 1) / 2


def correlation(ranks_y: np.ndarray, ranks_p: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Weighted correlation [...] of two arrays of centered ranks [..., n]; NaN where one of them is constant."""
    weighted = weights * ranks_p
    covariance = (weighted * ranks_y).sum(axis=-1)
    spread_p = (weighted * ranks_p).sum(axis=-1)
    spread_y = (weights * ranks_y**2).sum(axis=-1)
    defined = (spread_y > 0) & (spread_p > 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(defined, covariance / np.sqrt(spread_y * spread_p), np.nan)


def spearman(y: np.ndarray, p: np.ndarray, weights: np.ndarray | None = None) -> np.ndarray:
    """Spearman's rank correlation with average ranks; NaN where labels or predictions are constant.

    ``weights`` [..., n] repeat the posts, as a bootstrap resample does: the result [...] is exactly the correlation of
    the resampled posts, without sorting each resample again.
    """
    weights = np.ones(len(y)) if weights is None else weights
    return correlation(centered_ranks(y, weights), centered_ranks(p, weights), weights)


def batches(posts: int, mode: str) -> list[slice]:
    """Consecutive batches of ``posts`` rows in the mode ``full`` or ``batch256``; the last one may be shorter."""
    size = BATCHES[mode] or max(posts, 1)
    return [slice(start, min(start + size, posts)) for start in range(0, posts, size)]


def mean_of_defined(values: np.ndarray) -> np.ndarray:
    """Mean over the first axis [batches, ...] of what is defined there; NaN where nothing is."""
    defined = ~np.isnan(values)
    with np.errstate(invalid="ignore"):
        return np.where(defined, values, 0.0).sum(axis=0) / defined.sum(axis=0)


def score_in(mode: str, y: np.ndarray, p: np.ndarray) -> dict[str, float | int | bool | None]:
    """:func:`score` in a ``evaluation.metric_mode``. ``batch256``: the mean of each metric over consecutive batches of
    256 rows, every batch counting the same (sheet mmra.md section 4: what the reference code of MMRA reports)."""
    whole = score(y, p)
    if mode == "full":
        return whole
    parts = [score(y[rows], p[rows]) for rows in batches(len(y), mode)]
    for name in METRICS:
        mean = mean_of_defined(np.array([np.nan if of[name] is None else of[name] for of in parts]))
        whole[name] = None if np.isnan(mean) else float(mean)
    return whole


def score(y: np.ndarray, p: np.ndarray) -> dict[str, float | int | bool | None]:
    """All metrics of predictions ``p`` [n] against labels ``y`` [n], n > 0, on the labels' own (log2) scale.

    ``posts`` is n, ``mape_posts`` the rows with a label other than 0, ``constant`` says that SRC is not defined since
    all predictions or all labels are equal. A metric that is not defined is None, never 0.

    >>> round(score(np.array([1.0, 2.0, 4.0]), np.array([1.0, 3.0, 3.0]))["nmse"], 6)
    0.428571
    """
    y, p = np.asarray(y, dtype=np.float64), np.asarray(p, dtype=np.float64)
    if y.shape != p.shape or y.ndim != 1 or not len(y):
        raise ValueError(f"labels {y.shape} and predictions {p.shape}: expected two arrays [n] with n > 0")
    sums = error_sums(y, p).sum(axis=0)
    values = {name: float(value) for name, value in from_sums(sums).items()}
    # Unlike a bootstrap resample, the real thing can afford the variance about the mean (no cancellation).
    variance = float(np.var(y))
    values["nmse"] = float(np.mean((p - y) ** 2)) / variance if variance > 1e-12 else float("nan")
    values["src"] = float(spearman(y, p))
    shown = {name: None if np.isnan(values[name]) else values[name] for name in METRICS}
    return {**shown, "posts": len(y), "mape_posts": int(sums[-1]), "constant": bool(np.isnan(values["src"]))}

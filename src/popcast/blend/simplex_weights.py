"""Weights on the simplex that minimise the metric itself: ``blend.method: simplex``, beside least squares (``nnls``).

The mean (relative) absolute error has corners, at which a gradient says nothing; it is replaced by a smooth error
sqrt(r^2 + width^2), minimised by sequential quadratic programming over w >= 0, sum(w) = 1, and the width is made
smaller step by step. What is kept is never worse on the posts of the fit than the weights it started from.

[1] Kraft, "A software package for sequential quadratic programming", 1988 (scipy.optimize.minimize, SLSQP).
"""

from __future__ import annotations

import numpy as np

from popcast.models.contract.member_weights import LEAST_LABEL, PLACES, fit_weights

WIDTHS = (0.3, 0.03, 0.003)
"""Widths of the smooth error, in medians of the absolute error at the start."""


def fit_simplex(x: np.ndarray, y: np.ndarray, metric: str, intercept: bool = False) -> tuple[np.ndarray, float]:
    """Weights [members] >= 0 that sum to 1, and intercept, for predictions ``x`` [n, members] and labels ``y`` [n].

    metric ``mae`` or ``mape``: its mean over the posts is minimised, a relative error as if labels were at least 1.
    ``rmse`` and ``nmse`` are least squares, whose weights on the simplex :func:`fit_weights` has exactly.
    """
    start, constant = fit_weights(x, y, metric, sum_to_one=True, intercept=intercept)
    if metric in ("rmse", "nmse") or (x.shape[1] == 1 and not intercept):
        return start, constant
    scale = 1 / np.maximum(np.abs(y), LEAST_LABEL) if metric == "mape" else np.ones(len(y))
    best, least = (start, constant), metric_at(x, y, scale, start, constant)
    typical = max(float(np.median(np.abs(y - x @ start - constant))), 1e-9)
    values = np.append(start, constant) if intercept else start
    for width in WIDTHS:
        values = _minimised(x, y, scale, values, width * typical)
        weights, free = _kept(values[: x.shape[1]]), round(float(values[-1]), PLACES) if intercept else 0.0
        if (found := metric_at(x, y, scale, weights, free)) < least:
            best, least = (weights, free), found
    return best


def metric_at(x: np.ndarray, y: np.ndarray, scale: np.ndarray, weights: np.ndarray, constant: float) -> float:
    """Mean of ``scale`` * absolute error of the weighted predictions."""
    return float((scale * np.abs(y - x @ weights - constant)).mean())


def _minimised(x: np.ndarray, y: np.ndarray, scale: np.ndarray, values: np.ndarray, width: float) -> np.ndarray:
    """``values`` (weights, then the intercept where there is one) after minimising the smooth error from there."""
    from scipy.optimize import minimize

    members, rows = x.shape[1], np.hstack((x, np.ones((len(x), len(values) - x.shape[1]))))

    def smooth(at: np.ndarray) -> tuple[float, np.ndarray]:
        error = rows @ at - y
        length = np.sqrt(error**2 + width**2)
        return float((scale * length).mean()), rows.T @ (scale * error / length) / len(y)

    summed = (np.arange(len(values)) < members).astype(np.float64)
    limits = [(0.0, 1.0)] * members + [(None, None)] * (len(values) - members)
    sums_to_one = {"type": "eq", "fun": lambda at: at @ summed - 1, "jac": lambda at: summed}
    found = minimize(
        smooth, values, jac=True, method="SLSQP", bounds=limits, constraints=sums_to_one,
        options={"ftol": 1e-10, "maxiter": 300},
    )  # fmt: skip
    return found.x if np.isfinite(found.x).all() and found.x[:members].max() > 0 else values


def _kept(weights: np.ndarray) -> np.ndarray:
    """Weights as they are kept: none below 0, rounded, and still summing to 1."""
    weights = np.maximum(weights, 0)
    weights = np.round(weights / weights.sum(), PLACES)
    largest = int(np.argmax(weights))
    weights[largest] = round(weights[largest] + 1 - weights.sum(), PLACES)
    return weights

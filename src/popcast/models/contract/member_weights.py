"""Non-negative weights of blend members, least squares or least absolute error, on the simplex or free.

[1] Breiman, "Stacked regressions", 1996: non-negative least squares on held-out predictions.
[2] Lawson and Hanson, "Solving Least Squares Problems", 1974: the NNLS solver (scipy.optimize.nnls).
"""

from __future__ import annotations

import numpy as np

from popcast.models.contract.stopping import SMALLEST_WINDOW

PLACES = 6  # weights are kept to 6 places, and what is kept is what predicts
LEAST_LABEL = 1.0  # a relative error counts as if the label were at least 1, else a few posts near 0 decide everything
ROUNDS = 60


def fit_weights(
    x: np.ndarray, y: np.ndarray, metric: str, sum_to_one: bool = True, intercept: bool = False
) -> tuple[np.ndarray, float]:
    """Weights [members] >= 0 and intercept for held-out predictions ``x`` [n, members] and labels ``y`` [n].

    metric ``rmse`` or ``nmse``: the mean squared error is minimised; ``mae`` or ``mape``: the mean (relative) absolute
    error, by iteratively reweighted least squares. ``sum_to_one``: weights sum to 1. ``intercept``: a free constant.
    """
    if metric in ("rmse", "nmse"):
        weights, constant = _least_squares(x, y, np.ones(len(y)), sum_to_one, intercept)
    else:
        scale = 1 / np.maximum(np.abs(y), LEAST_LABEL) if metric == "mape" else np.ones(len(y))
        weights, constant = _least_absolute(x, y, scale, sum_to_one, intercept)
    weights, constant = np.round(weights, PLACES), round(float(constant), PLACES)
    if sum_to_one:  # rounding must not change the sum
        largest = int(np.argmax(weights))
        weights[largest] = round(weights[largest] + 1 - weights.sum(), PLACES)
    return weights, constant


def best_share(first: np.ndarray, second: np.ndarray, target: np.ndarray, otherwise: float) -> float:
    """Weight w in 0..1 with the smallest mean of (w * first + (1 - w) * second - target)^2, in closed form.

    first, second, target: float64 [n]. otherwise: the answer where ``first`` and ``second`` are the same.
    """
    apart = first - second
    length = float(apart @ apart)
    return float(np.clip(apart @ (target - second) / length, 0.0, 1.0)) if length else otherwise


def weighing_part(watch: np.ndarray | None) -> np.ndarray | None:
    """Mask [n] of the later half of a stopping window, on which members are weighed that stop on the earlier half.

    A member looks better than it is on the very posts on which it stopped. watch: bool [n], the window, in time order.
    None where there is no window or where it is too small for two.
    """
    if watch is None or watch.sum() < 2 * SMALLEST_WINDOW:
        return None
    return watch & (np.cumsum(watch) > watch.sum() // 2)


def _least_absolute(x, y, scale, sum_to_one, intercept):
    weights, constant = _least_squares(x, y, scale, sum_to_one, intercept)
    for _ in range(ROUNDS):
        residual = np.abs(y - x @ weights - constant)
        smallest = max(1e-2 * float(np.median(residual)), 1e-9)  # bounds the weight of posts that are almost exact
        before = np.append(weights, constant)
        weights, constant = _least_squares(x, y, scale / np.maximum(residual, smallest), sum_to_one, intercept)
        if np.abs(np.append(weights, constant) - before).max() < 10**-PLACES:
            break
    return weights, constant


def _least_squares(x, y, row_weight, sum_to_one, intercept):
    """Minimise sum(row_weight * (y - x w - b)^2) over w >= 0, with sum(w) = 1 and a free b where asked for."""
    row_weight = row_weight / row_weight.sum()
    center_x = row_weight @ x if intercept else np.zeros(x.shape[1])
    center_y = float(row_weight @ y) if intercept else 0.0
    x, y = x - center_x, y - center_y
    weights = _on_simplex(x, y, row_weight) if sum_to_one else _non_negative(x, y, row_weight)
    return weights, center_y - float(center_x @ weights)


def _on_simplex(x, y, row_weight):
    """With weights that sum to 1 the residual is E w, E = x - y: minimise w'Gw, G = E'E, on the simplex.

    For any c > 0 the minimum of w'Gw + c (sum(w) - 1)^2 over w >= 0 is a multiple of that solution (both terms are
    homogeneous along a ray, and the best multiple grows with w'Gw), so one NNLS and a division give it exactly.
    """
    from scipy.optimize import nnls

    errors = x - y[:, None]
    gram = _steady((errors * row_weight[:, None]).T @ errors)
    members = gram.shape[0]
    pull = np.sqrt(np.trace(gram) / members)
    system = np.vstack((np.linalg.cholesky(gram).T, np.full((1, members), pull)))
    weights = nnls(system, np.append(np.zeros(members), pull))[0]
    return weights / weights.sum()


def _non_negative(x, y, row_weight):
    from scipy.optimize import nnls

    weighted = x * row_weight[:, None]
    factor = np.linalg.cholesky(_steady(weighted.T @ x))
    return nnls(factor.T, np.linalg.solve(factor, weighted.T @ y))[0]


def _steady(gram):
    """A trace of ridge: two identical members share their weight instead of a coin toss in the last bit."""
    return gram + np.eye(len(gram)) * (1e-9 * np.trace(gram) / len(gram) + 1e-12)

"""Weights on the simplex for the metric itself: against a linear program, against least squares, and in a blend."""

import numpy as np
import pytest
from scipy.optimize import linprog

from popcast.blend import blending
from popcast.blend.params import Blend as BlendSection
from popcast.blend.simplex_weights import fit_simplex, metric_at
from popcast.models.contract.member_weights import fit_weights


def crooked(count: int = 300, members: int = 4, seed: int = 1):
    """Members with biases and labels with far outliers: absolute and squared errors part ways."""
    generator = np.random.default_rng(seed)
    y = generator.gamma(4, 1.5, count)
    x = y[:, None] + generator.standard_t(3, (count, members)) * np.linspace(0.6, 1.6, members) + [0.4, -0.5, 0, 1]
    y[::9] += 12
    return x, y


def exact(x, y, scale, intercept):
    """The least mean of scale * |y - x w - b| on the simplex, by a linear program: its value."""
    count, members = x.shape
    free = np.ones((count, 1)) if intercept else np.zeros((count, 0))
    rows = np.hstack((x, free))
    upper = np.vstack((np.hstack((rows, -np.eye(count))), np.hstack((-rows, -np.eye(count)))))
    cost = np.concatenate((np.zeros(rows.shape[1]), scale / count))
    sums = np.concatenate((np.ones(members), np.zeros(rows.shape[1] - members + count)))[None]
    bounds = [(0, None)] * members + [(None, None)] * (rows.shape[1] - members) + [(0, None)] * count
    return linprog(cost, upper, np.concatenate((y, -y)), sums, [1.0], bounds).fun


@pytest.mark.parametrize("intercept", [False, True])
@pytest.mark.parametrize("metric", ["mae", "mape"])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_metric_reaches_that_of_a_linear_program(metric, intercept, seed):
    x, y = crooked(seed=seed)
    scale = 1 / np.maximum(y, 1) if metric == "mape" else np.ones(len(y))
    weights, constant = fit_simplex(x, y, metric, intercept)
    found = metric_at(x, y, scale, weights, constant)
    assert found == pytest.approx(exact(x, y, scale, intercept), rel=2e-4)
    assert found <= metric_at(x, y, scale, *fit_weights(x, y, metric, True, intercept))
    assert weights.min() >= 0
    assert weights.sum() == pytest.approx(1, abs=1e-12)
    assert np.round(weights, 6).tolist() == weights.tolist()


@pytest.mark.parametrize("metric", ["rmse", "nmse"])
def test_squared_errors_are_those_of_least_squares(metric):
    x, y = crooked()
    assert fit_simplex(x, y, metric)[0].tolist() == fit_weights(x, y, metric)[0].tolist()


def test_one_member_has_all_and_an_exact_one_is_found():
    x, y = crooked()
    assert fit_simplex(x[:, :1], y, "mae") == (np.array([1.0]), 0.0)
    weights, _ = fit_simplex(np.column_stack((x, y)), y, "mae")
    assert weights[-1] == pytest.approx(1, abs=1e-4)


def test_a_blend_keeps_the_method_and_predicts_with_its_weights():
    x, y = crooked()
    names, segment = ["a", "b", "c", "d"], np.array(["all"] * len(y), dtype=object)
    found = blending.fit_blend(x, y, segment, y, names, BlendSection(method="simplex"), "mae")
    assert found.method == "simplex"
    assert found.weights["all"] == fit_simplex(x, y, "mae")[0].tolist()
    expected = np.maximum(x @ np.array(found.weights["all"]), y.min())
    np.testing.assert_allclose(found.predict(x, segment, np.zeros(len(y))), expected)


def test_weights_that_need_not_sum_to_one_are_refused():
    with pytest.raises(ValueError, match="method simplex: its weights sum to 1"):
        BlendSection(method="simplex", sum_to_one=False)

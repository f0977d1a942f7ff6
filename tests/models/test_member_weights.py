"""Weights and intercept of blend members against a plain solver, where members and labels are far from zero."""

import numpy as np
import pytest
from scipy.optimize import minimize

from popcast.models.contract.member_weights import _least_squares, best_share, fit_weights


def apart(count: int = 400, seed: int = 2):
    """Members with biases of their own, labels around 7, and row weights that are anything but equal."""
    generator = np.random.default_rng(seed)
    y = generator.normal(7, 2, count)
    x = 0.6 * y[:, None] + [4.0, -1.0, 9.0] + generator.normal(0, [1.0, 1.3, 0.7], (count, 3))
    return x, y, generator.exponential(1.0, count) ** 2


@pytest.mark.parametrize("intercept", [False, True])
@pytest.mark.parametrize("sum_to_one", [False, True])
def test_least_squares_with_row_weights_are_those_of_a_plain_solver(sum_to_one, intercept):
    x, y, row_weight = apart()

    def loss(values):
        return row_weight @ (y - x @ values[:3] - values[3] * intercept) ** 2 / row_weight.sum()

    limits = [{"type": "eq", "fun": lambda values: values[:3].sum() - 1}] if sum_to_one else []
    solved = minimize(
        loss, np.array([0.3, 0.3, 0.4, 0.0]), method="SLSQP", bounds=[(0, None)] * 3 + [(None, None)],
        constraints=limits, options={"ftol": 1e-15, "maxiter": 1000},
    )  # fmt: skip
    weights, constant = _least_squares(x, y, row_weight, sum_to_one, intercept)
    assert weights == pytest.approx(solved.x[:3], abs=2e-3)
    assert constant == pytest.approx(solved.x[3] if intercept else 0.0, abs=2e-2)
    assert loss(np.append(weights, constant)) <= solved.fun + 1e-8
    if intercept:
        assert row_weight @ (y - x @ weights - constant) == pytest.approx(0, abs=1e-8), "the weighted mean is met"
        assert abs(constant) > 0.5


def test_mae_with_intercept_is_the_least_absolute_error():
    x, y, _ = apart()
    y = y + np.where(np.arange(len(y)) % 7 == 0, 25.0, 0.0)
    weights, constant = fit_weights(x, y, "mae", sum_to_one=False, intercept=True)

    def loss(w, c):
        return np.abs(y - x @ w - c).mean()

    best = loss(weights, constant)
    for i in range(3):
        for step in (-0.03, 0.03):
            moved = weights.copy()
            moved[i] = max(moved[i] + step, 0)
            assert loss(moved, constant) > best - 1e-4
    assert min(loss(weights, constant + 0.2), loss(weights, constant - 0.2)) > best


def test_labels_below_one_count_as_one_in_a_relative_error():
    """An error of .3 or .45 at a label of .01 is one of 30 % or 45 %: less or more than 4 at a label of 10."""
    y = np.concatenate([np.full(50, 0.01), np.full(50, 10.0)])
    for off, share in ((0.3, 0.0), (0.45, 1.0)):
        x = np.column_stack([np.where(y < 1, 0.01, 14.0), np.where(y < 1, 0.01 + off, 10.0)])
        assert fit_weights(x, y, "mape")[0] == pytest.approx([share, 1 - share], abs=0.05)


def test_rounded_weights_still_sum_to_one_and_are_kept_to_six_places():
    x, y, _ = apart(seed=5)
    weights, constant = fit_weights(x, y, "rmse", intercept=True)
    assert weights.sum() == pytest.approx(1, abs=1e-15)
    assert np.round(weights, 6).tolist() == weights.tolist()
    assert constant == round(constant, 6)
    exact, free = _least_squares(x, y, np.ones(len(y)), True, True)
    assert weights == pytest.approx(exact, abs=2e-6)
    assert constant == pytest.approx(free, abs=1e-6)


def test_share_between_two_members_with_a_bias():
    first, second = np.array([5.0, 7.0, 8.0, 4.0]), np.array([1.0, 2.0, 2.0, 3.0])
    target = np.array([3.0, 4.0, 6.0, 3.0])
    shares = np.linspace(0, 1, 10_001)
    errors = [((w * first + (1 - w) * second - target) ** 2).mean() for w in shares]
    assert best_share(first, second, target, 0.0) == pytest.approx(shares[int(np.argmin(errors))], abs=1e-4)

"""The interval score against numbers worked out by hand."""

import numpy as np

from popcast.blend.widths.winkler_score import interval_scores


def test_golden_values():
    """alpha .2: width 4 inside; 1 above costs 2 / .2; 0.5 below costs half of that; an end is inside."""
    y = np.array([2.0, 5.0, -0.5, 4.0, 0.0])
    found = interval_scores(y, np.zeros(5), np.full(5, 4.0), 0.8)
    np.testing.assert_allclose(found, [4, 14, 9, 4, 4])


def test_the_true_quantiles_cost_least():
    y = np.random.default_rng(0).normal(size=20000)
    costs = {reach: interval_scores(y, np.full_like(y, -reach), np.full_like(y, reach), 0.9).mean()
             for reach in (1.2, 1.4, 1.645, 1.9, 2.2)}  # fmt: skip
    assert min(costs, key=costs.get) == 1.645

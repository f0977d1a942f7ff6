"""Quantiles read as a distribution: chances and quantiles are each other's inverse, and fall or rise as they should."""

import numpy as np
import pytest

from popcast.blend.widths.spread import Spread

LEVELS = (0.05, 0.25, 0.5, 0.75, 0.95)


@pytest.fixture(params=["wide", "one point", "ties"])
def spread(request):
    rows = {"wide": [[0.0, 2, 3, 4, 8]], "one point": [[1.0] * 5], "ties": [[0.0, 0, 3, 3, 8], [1.0, 2, 2, 2, 2]]}
    quantiles = np.array(rows[request.param], dtype=float)
    return Spread(LEVELS, quantiles, quantiles[:, 0], quantiles[:, -1])


def test_chances_fall_and_stay_within_0_and_1(spread):
    chances = np.array([spread.chance(x) for x in np.linspace(-3, 12, 301)])
    assert (np.diff(chances, axis=0) <= 0).all()
    assert (chances >= 0).all()
    assert (chances <= 1).all()


def test_chances_at_quantiles_are_their_levels():
    quantiles = np.array([[0.0, 2, 3, 4, 8]])
    spread = Spread(LEVELS, quantiles, quantiles[:, 0], quantiles[:, -1])
    for level, x in zip(LEVELS, quantiles[0], strict=True):
        assert spread.chance(x)[0] == pytest.approx(1 - level, abs=1e-5)
    assert spread.chance(3.5)[0] == pytest.approx(0.375, abs=1e-5)
    assert 0.95 < spread.chance(-1.0)[0] < 1
    assert 0 < spread.chance(9.0)[0] < 0.05


@pytest.mark.parametrize("level", [0.001, 0.05, 0.1, 0.5, 0.8, 0.95, 0.999])
def test_quantiles_are_the_inverse_of_chances(level):
    quantiles = np.array([[0.0, 2, 3, 4, 8], [-5.0, -1, 0, 2, 2.5]])
    spread = Spread(LEVELS, quantiles, quantiles[:, 0], quantiles[:, -1])
    np.testing.assert_allclose(spread.chance(spread.quantile(level)), 1 - level, atol=1e-9)


def test_a_threshold_per_post():
    quantiles = np.array([[0.0, 2, 3, 4, 8], [0.0, 2, 3, 4, 8]])
    spread = Spread(LEVELS, quantiles, quantiles[:, 0], quantiles[:, -1])
    assert spread.chance(np.array([2.0, 4.0])).round(4).tolist() == [0.75, 0.25]


def test_intervals_at_any_coverage():
    quantiles = np.array([[0.0, 2, 3, 4, 8]])
    spread = Spread(LEVELS, quantiles, quantiles[:, 0], quantiles[:, -1])
    low, high = spread.interval(0.9)
    assert (low[0], high[0]) == pytest.approx((0, 8), abs=1e-4)
    assert spread.interval(0.0)[0][0] == spread.interval(-0.3)[1][0] == pytest.approx(3, abs=1e-4)
    assert spread.interval(1.0)[0][0] == -np.inf
    assert spread.interval(1.2)[1][0] == np.inf

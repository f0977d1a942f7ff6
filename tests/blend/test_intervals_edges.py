"""The half width is an order statistic of the residuals, in whatever order they come."""

import math

import numpy as np
import pytest

from popcast.blend import intervals


@pytest.mark.parametrize("coverage", [0.5, 0.8, 0.9])
def test_half_width_is_the_kth_smallest_of_unsorted_residuals(coverage):
    generator = np.random.default_rng(1)
    for count in range(1, 60):
        residuals = generator.normal(size=count)
        rank = math.ceil(round((count + 1) * coverage, 6))
        expected = None if rank > count else sorted(np.abs(residuals))[rank - 1]
        assert intervals.half_width(residuals, coverage) == expected, count


def test_the_rank_of_all_is_the_largest_residual_and_one_more_is_none():
    """Five residuals promise 5 / 6 at most; .7 of ten is the seventh although (9 + 1) * .7 is a little more than 7."""
    residuals = np.array([3.0, -5.0, 1.0, 2.0, -4.0])
    assert intervals.half_width(residuals, 5 / 6) == 5.0
    assert intervals.half_width(residuals, 5 / 6 + 1e-3) is None
    assert intervals.half_width(np.array([9.0, 1, 8, 2, 7, 3, 6, 4, 5]), 0.7) == 7.0


def test_coverage_holds_both_ends():
    y, zero = np.array([-1.0, 0.0, 1.0, 1.5]), np.zeros(4)
    assert intervals.measured_coverage(y, zero - 1, zero + 1) == 0.75

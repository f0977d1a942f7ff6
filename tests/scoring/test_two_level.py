"""Clusters drawn with replacement, then rows within them."""

from __future__ import annotations

import numpy as np
import pytest

from popcast.scoring.bootstrap import two_level_draws

CODES = np.array([2, 0, 1, 0, 2, 2, 0, 1])


def segments(rows: np.ndarray, starts: np.ndarray) -> list[np.ndarray]:
    return np.split(rows, starts[1:])


def test_every_segment_holds_as_many_rows_of_one_cluster_as_it_has():
    sizes = np.bincount(CODES)
    for rows, starts in two_level_draws(CODES, 200, seed=3):
        parts = segments(rows, starts)
        assert len(parts) == 3
        for part in parts:
            cluster = set(CODES[part].tolist())
            assert len(cluster) == 1
            assert len(part) == sizes[cluster.pop()]


def test_same_seed_same_draws_and_fewer_resamples_are_the_first_ones():
    first, again = list(two_level_draws(CODES, 20, seed=1)), list(two_level_draws(CODES, 50, seed=1))
    for one, other in zip(first, again, strict=False):
        assert all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))
    others = list(two_level_draws(CODES, 20, seed=2))
    assert any(len(a[0]) != len(b[0]) or not np.array_equal(a[0], b[0]) for a, b in zip(first, others, strict=True))


def test_without_the_outer_level_every_cluster_stays_once():
    for rows, starts in two_level_draws(CODES, 50, seed=0, outer=False):
        assert [int(CODES[part[0]]) for part in segments(rows, starts)] == [0, 1, 2]
        assert len(rows) == len(CODES)


def test_rows_of_a_cluster_drawn_twice_are_drawn_independently():
    differ = 0
    for rows, starts in two_level_draws(np.repeat(np.arange(2), 30), 100, seed=0):
        one, other = segments(rows, starts)
        same_cluster = (one[0] < 30) == (other[0] < 30)
        differ += same_cluster and not np.array_equal(one, other)
    assert differ > 20


@pytest.mark.parametrize("outer", [True, False])
def test_variance_of_a_mean_is_that_of_both_levels(outer):
    """Equal clusters: variance of the mean = var between / clusters + var within / rows (the former only if outer)."""
    generator = np.random.default_rng(0)
    means, size = generator.normal(size=40), 25
    values = (means[:, None] + generator.normal(size=(40, size))).ravel()
    codes = np.repeat(np.arange(40), size)
    draws = np.array([values[rows].mean() for rows, _ in two_level_draws(codes, 4000, seed=1, outer=outer)])
    by_cluster = values.reshape(40, size)
    wanted = by_cluster.var(1).mean() / values.size + outer * by_cluster.mean(1).var() / 40
    assert draws.mean() == pytest.approx(values.mean(), abs=4 * np.sqrt(wanted / 4000))
    assert draws.var() == pytest.approx(wanted, rel=0.15)


def test_one_cluster_and_single_rows():
    rows, starts = next(two_level_draws(np.zeros(5, int), 1, seed=0))
    assert (len(rows), starts.tolist()) == (5, [0])
    rows, starts = next(two_level_draws(np.arange(6), 1, seed=0))
    assert (len(rows), starts.tolist()) == (6, [0, 1, 2, 3, 4, 5])

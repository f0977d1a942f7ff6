"""Shapley's axioms on games whose values are known."""

from __future__ import annotations

import numpy as np
import pytest

from popcast.serving.reasons.shapley import coalitions, shapley_values


@pytest.mark.parametrize("players", [0, 1, 2, 5, 8])
def test_values_add_up_to_the_whole(players):
    values = np.random.default_rng(players).normal(size=2**players)
    assert shapley_values(values).sum() == pytest.approx(values[-1] - values[0])


def test_an_additive_game_gives_each_its_own_and_a_dummy_nothing():
    own = np.array([1.0, -2.0, 0.0, 0.5])
    assert shapley_values(coalitions(4) @ own) == pytest.approx(own)


def test_the_glove_game():
    """One left glove, two right ones: 2/3, 1/6, 1/6 (Shapley 1953)."""
    inside = coalitions(3)
    pairs = (inside[:, 0] & (inside[:, 1] | inside[:, 2])).astype(float)
    assert shapley_values(pairs) == pytest.approx([2 / 3, 1 / 6, 1 / 6])

"""Shapley values over few players, by all coalitions: exact, whatever the game is (Shapley 1953; Lundberg and Lee 2017,
eq. 4; with the interventional value function of Janzing et al. 2020)."""

from __future__ import annotations

from math import factorial

import numpy as np


def coalitions(players: int) -> np.ndarray:
    """bool [2**players, players]: every coalition; row number ``sum(2**i for i in coalition)``."""
    return (np.arange(2**players)[:, None] >> np.arange(players)) % 2 == 1


def shapley_values(values: np.ndarray) -> np.ndarray:
    """Contributions [players] whose sum is ``values[-1] - values[0]``. values: [2**players], see :func:`coalitions`.

    >>> shapley_values(np.array([0.0, 1.0, 2.0, 5.0])).tolist()
    [2.0, 3.0]
    """
    players = len(values).bit_length() - 1
    inside = coalitions(players)
    size = inside.sum(axis=1)
    found = np.zeros(players)
    for player in range(players):
        without = np.flatnonzero(~inside[:, player])
        weights = np.array([factorial(s) * factorial(players - s - 1) for s in size[without]]) / factorial(players)
        found[player] = weights @ (values[without | (1 << player)] - values[without])
    return found

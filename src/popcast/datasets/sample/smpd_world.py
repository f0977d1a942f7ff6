"""What a generated SMPD is before it becomes files: users, posts, words and labels as arrays."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class World:
    """Generated posts in file order (``pid`` ascending), arrays [n], and users [m]."""

    pid: np.ndarray
    user: np.ndarray
    seconds: np.ndarray
    labelled: np.ndarray
    concept: np.ndarray
    looks: np.ndarray
    titles: list[str]
    tags: list[str]
    label: np.ndarray
    level: np.ndarray
    """Level of each user [m], standard score."""
    outcome: np.ndarray
    """Mean label of each user's posts, later ones included [m]; NaN for users without a post."""

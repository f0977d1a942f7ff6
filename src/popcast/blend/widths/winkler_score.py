"""The interval score: what an interval costs, in the unit of the labels (Winkler 1972; Gneiting and Raftery 2007).

Width, plus 2 / alpha times how far the label lies outside. It is lowest for the true quantiles, so it rewards neither
wide intervals that hold everything nor narrow ones that hold little.
"""

from __future__ import annotations

import numpy as np


def interval_scores(y: np.ndarray, lower: np.ndarray, upper: np.ndarray, coverage: float) -> np.ndarray:
    """Interval score [n] of labels ``y`` [n]; coverage: nominal, 1 - alpha.

    >>> interval_scores(np.array([2.0, 5.0]), np.array([1.0, 1.0]), np.array([4.0, 4.0]), 0.9).round(6).tolist()
    [3.0, 23.0]
    """
    outside = np.maximum(lower - y, 0) + np.maximum(y - upper, 0)
    return upper - lower + 2 / (1 - coverage) * outside

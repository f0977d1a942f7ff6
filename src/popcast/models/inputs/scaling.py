"""Columns brought to mean 0 and deviation 1 over the learning rows, whatever is missing in them.

Comes in: numbers [n, columns], NaN where missing. A column that does not vary keeps its unit; a missing value lies at
the mean.
"""

from __future__ import annotations

import numpy as np

STILL = 1e-9
"""A column whose deviation is not above this does not vary."""


def moments(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and population deviation [columns], float64, of the known values; 0 for a column without any."""
    values = values.astype(np.float64)
    known = ~np.isnan(values)
    count = np.maximum(known.sum(axis=0), 1)
    mean = np.where(known, values, 0.0).sum(axis=0) / count
    return mean, np.sqrt(np.where(known, (values - mean) ** 2, 0.0).sum(axis=0) / count)


def center_and_scale(values: np.ndarray, still: float = STILL) -> tuple[np.ndarray, np.ndarray]:
    """Mean and deviation [columns], float64; the deviation is 1 where it is not above ``still``."""
    center, deviation = moments(values)
    return center, np.where(deviation > still, deviation, 1.0)


def standardised(values: np.ndarray, center: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """``(values - center) / scale``, float64 [n, columns], 0 where a value is missing."""
    scaled = (values - center) / scale
    return np.where(np.isnan(scaled), 0.0, scaled)

"""Split-conformal intervals: prediction plus or minus a quantile of held-out absolute errors.

Lei, G'Sell, Rinaldo, Tibshirani and Wasserman, "Distribution-free predictive inference for regression", 2018, section
2.2. The promise of coverage holds for exchangeable posts; under drift it does not, so coverage is always measured on
the test part as well.
"""

from __future__ import annotations

import math

import numpy as np


def half_width(residuals: np.ndarray, coverage: float) -> float | None:
    """The ceil((n + 1) * coverage)-th smallest absolute residual [n]; None where n is too small for that coverage.

    >>> half_width(np.array([-1.0, 2.0, -3.0, 4.0]), 0.8)
    4.0
    """
    rank = math.ceil(round((len(residuals) + 1) * coverage, 9))
    if rank > len(residuals):
        return None
    return float(np.partition(np.abs(residuals), rank - 1)[rank - 1])


def measured_coverage(y: np.ndarray, lower: np.ndarray, upper: np.ndarray) -> float:
    """Share of labels [n] within their interval, bounds included."""
    return float(np.mean((y >= lower) & (y <= upper)))

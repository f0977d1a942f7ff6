"""Conformal intervals: prediction plus or minus a quantile of held-out absolute errors.

Lei, G'Sell, Rinaldo, Tibshirani and Wasserman, "Distribution-free predictive inference for regression", 2018, section
2.2. Weights, drift and width come from the same posts, the valid part; so the errors are cross-fitted: each block of
these posts is predicted by a blend fitted without it (Vovk, "Cross-conformal predictors", 2015). The promise of
coverage holds for exchangeable posts; under drift it does not, so coverage is always measured on the test part as well.
"""

from __future__ import annotations

import math

import numpy as np

BLOCKS = 5
"""Blocks of posts that are predicted without one another."""


def blocks(rows: np.ndarray, times: np.ndarray | None, authors: np.ndarray) -> list[np.ndarray]:
    """``rows`` (row numbers [m]) in at most ``BLOCKS`` blocks of about equal size, none of them empty.

    times: int64 of all rows: contiguous in time; None: by author, so that an author's rows stay near one another.
    authors: int of all rows.
    """
    order = np.lexsort((rows, authors[rows])) if times is None else np.lexsort((rows, times[rows]))
    return [block for block in np.array_split(rows[order], BLOCKS) if len(block)]


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

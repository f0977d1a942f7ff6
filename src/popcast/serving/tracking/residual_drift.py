"""Do errors move in time? The CUSUM test on residuals from their mean (Ploberger and Kraemer, "The CUSUM test with OLS
residuals", Econometrica 1992): the largest partial sum of centred residuals over sigma * sqrt(n) is, where nothing
moved, the largest value of a Brownian bridge, whose law is Kolmogorov's.

Errors that follow one another resemble one another; sigma is the long-run one (Newey and West 1987, Bartlett weights),
or every series of posts by the same few authors would count as drift. A shift makes it larger too: the test is careful.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

LEAST = 30
"""Fewer outcomes say nothing about time."""


@dataclass(frozen=True)
class Shift:
    """``place``: first row after the likeliest moment of change. ``before``, ``after``: means of both sides."""

    statistic: float
    p: float
    place: int
    before: float
    after: float


def shift_in(values: np.ndarray) -> Shift | None:
    """The likeliest change of the mean of ``values`` [n] in the order of time, and the chance ``p`` of one as large
    where there is none. None: fewer than ``LEAST``, or all the same."""
    from scipy.special import kolmogorov

    count = len(values)
    if count < LEAST or np.ptp(values) == 0:
        return None
    centred = values - values.mean()
    sums = np.cumsum(centred)[:-1]
    place = int(np.abs(sums).argmax()) + 1
    statistic = float(np.abs(sums).max() / (long_run_deviation(centred) * np.sqrt(count)))
    return Shift(
        round(statistic, 6), round(float(kolmogorov(statistic)), 6), place, float(values[:place].mean()),
        float(values[place:].mean()),
    )  # fmt: skip


def long_run_deviation(centred: np.ndarray) -> float:
    """Root of the long-run variance of a centred series [n]; lags up to the cube root of n, as far as they are positive
    in sum: a negative estimate would claim more than independent errors do."""
    count = len(centred)
    variance = own = float(centred @ centred / count)
    lags = int(np.floor(count ** (1 / 3)))
    for lag in range(1, lags + 1):
        variance += 2 * (1 - lag / (lags + 1)) * float(centred[lag:] @ centred[:-lag] / count)
    return float(np.sqrt(max(variance, own)))

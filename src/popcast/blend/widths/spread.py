"""What may become of posts: calibrated quantiles of each outcome, read as a distribution.

Between two quantiles the distribution function is a straight line; beyond the outermost ones both tails fall off
exponentially, with the density that the distribution has there. So every chance lies strictly between 0 and 1, and
it falls where the threshold rises.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

NARROWEST = 1e-6
"""Least distance of two quantiles, in the unit of labels: what tables are rounded to."""


@dataclass(frozen=True)
class Spread:
    """``quantiles``: float64 [n, k], ascending in each row, at ``levels`` (k probabilities, ascending).

    ``lower`` and ``upper`` [n]: the interval at the nominal coverage.
    """

    levels: tuple[float, ...]
    quantiles: np.ndarray
    lower: np.ndarray
    upper: np.ndarray

    def chance(self, threshold: float | np.ndarray) -> np.ndarray:
        """P(outcome > threshold) [n]. threshold: one number, or [n], on the scale of labels."""
        q, levels = self._steps(), np.array(self.levels)
        x = np.broadcast_to(np.asarray(threshold, dtype=np.float64), len(q))
        below = np.array([np.interp(at, row, levels) for at, row in zip(x, q, strict=True)])
        low, high = self._rates()
        under, over = x < q[:, 0], x > q[:, -1]
        below[under] = levels[0] * np.exp(-(q[:, 0] - x)[under] * low[under])
        chance = 1 - below
        chance[over] = (1 - levels[-1]) * np.exp(-(x - q[:, -1])[over] * high[over])
        return chance

    def quantile(self, level: float) -> np.ndarray:
        """The outcome [n] that is not exceeded with probability ``level``, the inverse of :meth:`chance`."""
        q, levels = self._steps(), self.levels
        low, high = self._rates()
        with np.errstate(divide="ignore"):
            if level < levels[0]:
                return q[:, 0] + np.log(level / levels[0]) / low
            if level > levels[-1]:
                return q[:, -1] - np.log((1 - level) / (1 - levels[-1])) / high
        return np.array([np.interp(level, levels, row) for row in q])

    def interval(self, coverage: float) -> tuple[np.ndarray, np.ndarray]:
        """Lower and upper end [n] at any coverage: 0 gives the median twice, 1 or more all numbers."""
        tail = float(np.clip((1 - coverage) / 2, 0, 0.5))
        return self.quantile(tail), self.quantile(1 - tail)

    def _steps(self) -> np.ndarray:
        """Quantiles that rise strictly."""
        return self.quantiles + NARROWEST * np.arange(len(self.levels))

    def _rates(self) -> tuple[np.ndarray, np.ndarray]:
        """Rate [n] at which the lower and the upper tail fall off: density at the end over the mass beyond it."""
        q, levels = self._steps(), self.levels
        low = (levels[1] - levels[0]) / (q[:, 1] - q[:, 0]) / levels[0]
        high = (levels[-1] - levels[-2]) / (q[:, -1] - q[:, -2]) / (1 - levels[-1])
        return low, high

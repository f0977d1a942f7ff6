"""How far two distributions over ordered classes lie apart (socialalign.md 10). All take shares [..., classes]."""

from __future__ import annotations

import numpy as np
from scipy.special import rel_entr

SMOOTHING = 0.5
"""Added to every class count on both sides of :func:`kl`."""


def normalised(counts: np.ndarray) -> np.ndarray:
    """Counts [..., classes] as shares; NaN where a row has none.

    >>> normalised(np.array([1.0, 3.0])).tolist()
    [0.25, 0.75]
    """
    counts = np.asarray(counts, np.float64)
    total = counts.sum(-1, keepdims=True)
    return np.divide(counts, total, out=np.full_like(counts, np.nan), where=total > 0)


def jsd(p: np.ndarray, q: np.ndarray) -> np.ndarray:
    """Jensen-Shannon divergence, base 2, in [0, 1]; exactly 0 where both are equal up to rounding.

    scipy's ``jensenshannon`` gives its root, which is NaN where rounding makes the sum a little negative.

    >>> float(jsd(np.array([1.0, 0.0]), np.array([0.0, 1.0])))
    1.0
    """
    mean = (p + q) / 2
    return np.clip((rel_entr(p, mean) + rel_entr(q, mean)).sum(-1) / (2 * np.log(2)), 0, 1)


def total_variation(p: np.ndarray, q: np.ndarray) -> np.ndarray:
    """Half the sum of absolute differences, in [0, 1]."""
    return 0.5 * np.abs(p - q).sum(-1)


def kl(real: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """Kullback-Leibler divergence of counts (not shares), in nats, ``SMOOTHING`` added to every count."""
    p, q = normalised(real + SMOOTHING), normalised(predicted + SMOOTHING)
    return (p * np.log(p / q)).sum(-1)


def wasserstein(p: np.ndarray, q: np.ndarray) -> np.ndarray:
    """Wasserstein-1 over ordered, equally distant classes, divided by the distance of the outermost: in [0, 1].

    scipy's ``wasserstein_distance`` takes one pair at a time; on equally distant points it is this sum.
    """
    return np.abs(np.cumsum(p - q, -1)[..., :-1]).sum(-1) / (p.shape[-1] - 1)


def net(shares: np.ndarray) -> np.ndarray:
    """Share of the last class minus share of the first: positive minus negative."""
    return shares[..., -1] - shares[..., 0]

"""Random draws of the generators: streams keyed by names, and the map from a normal score to measured quantiles.

Every part of a generated dataset has its own stream, keyed by (seed, dataset, part), so that drawing one part more or
less changes no other part.
"""

from __future__ import annotations

import zlib

import numpy as np
from scipy.special import ndtri


def stream(seed: int, *keys: str | int) -> np.random.Generator:
    """Generator of random numbers of the part named by ``keys``.

    >>> bool(stream(1, "smpd", "runs").random() == stream(1, "smpd", "runs").random())
    True
    """
    words = [key if isinstance(key, int) else zlib.crc32(key.encode()) for key in keys]
    return np.random.Generator(np.random.PCG64([seed, *words]))


def standardised(values: np.ndarray, over: np.ndarray | None = None) -> np.ndarray:
    """``values`` [n] with mean 0 and standard deviation 1 over the rows ``over`` (bool [n], default all)."""
    base = values if over is None else values[over]
    spread = base.std()
    return (values - base.mean()) / (spread if spread > 1e-12 else 1.0)


def mixed(parts: dict[str, np.ndarray], shares: dict[str, float], over: np.ndarray | None = None) -> np.ndarray:
    """Standard score [n] from component scores: each standardised, weighted by the root of its share of variance."""
    total = sum(np.sqrt(shares[name]) * standardised(part, over) for name, part in parts.items())
    return standardised(total, over)


def quantile_map(score: np.ndarray, shares: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Map a standard normal score [n] monotonely so that ``shares`` (in 0..1) of it lie below ``values``."""
    return np.interp(score, ndtri(shares), values)


def zipf_weights(n: int, exponent: float) -> np.ndarray:
    """Weights [n] proportional to rank ** -exponent, sum 1."""
    weights = np.arange(1, n + 1, dtype=float) ** -exponent
    return weights / weights.sum()

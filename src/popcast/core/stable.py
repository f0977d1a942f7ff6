"""Random numbers from stable keys: a post's draw depends on its id and the seed, not on the other posts."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import numpy as np


def stable_random(keys: Iterable[str], seed: int, purpose: str) -> np.ndarray:
    """Uniform numbers [n] in [0, 1), one per key, from SHA-256 of (seed, purpose, key).

    >>> stable_random(["a", "b"], 0, "demo").round(3).tolist() == stable_random(["a", "b"], 0, "demo").round(3).tolist()
    True
    """
    prefix = f"{seed}\x1f{purpose}\x1f".encode()
    numbers = (int.from_bytes(hashlib.sha256(prefix + key.encode()).digest()[:7], "big") for key in keys)
    return np.fromiter(numbers, dtype=np.float64) / 2**56

"""Threads that wait asleep while a forecaster works, as in every stage of the pipeline.

LightGBM and CatBoost start and join threads thousands of times a second. GNU's OpenMP lets those that wait spin; where
another program has the second core, they spin for the rest of their share of time, and a fit takes many times as long.
The library reads how to wait once, when it is loaded. So that is said for as long as models are fitted or read, which
is when it is loaded; the environment is then what it was. A caller who has loaded it before, or has said how to wait,
keeps what he has. What is computed is the same, and so is the number of threads.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

POLICY = "OMP_WAIT_POLICY"


@contextmanager
def waiting_passively() -> Iterator[None]:
    """Inside, an OpenMP that is loaded lets its threads wait asleep."""
    if POLICY in os.environ:
        yield
        return
    os.environ[POLICY] = "PASSIVE"
    try:
        yield
    finally:
        os.environ.pop(POLICY, None)

"""Work over a list of shards, one after the other or in several processes; the results come in the order of the shards.

The environment variable POPCAST_ENGINE chooses: ``process`` (default) or ``serial``. A shard's result depends on the
shard alone, so the choice changes the time and never the result.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import Any

from popcast.errors import BadInput

ENGINES = ("process", "serial")


def map_shards(function: Callable[[Any], Any], shards: Sequence[Any], label: str = "") -> list[Any]:
    """``[function(shard) for shard in shards]`` with a progress bar on stderr.

    function: at the top level of a module (or a ``functools.partial`` of such a one), so that a process can import it.
    A single shard runs in this process. The first exception in the order of the shards is raised here.
    """
    engine = os.environ.get("POPCAST_ENGINE", "process")
    if engine not in ENGINES:
        raise BadInput(f"POPCAST_ENGINE: unknown engine: got {engine!r}, expected one of {', '.join(ENGINES)}")
    workers = min(len(shards), int(os.environ.get("POPCAST_THREADS", "2")))
    if engine == "serial" or workers < 2:
        return list(progress(map(function, shards), len(shards), label))
    # spawn: a forked child would inherit locks of the thread pools of polars and torch
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        return list(progress(pool.map(function, shards), len(shards), label))


def progress(items, total: int, label: str):
    """``items`` with a progress bar on stderr, only where somebody looks at it or the work takes longer than 5 s."""
    from tqdm import tqdm

    return tqdm(items, total=total, desc=label or None, delay=5, mininterval=1, leave=False)

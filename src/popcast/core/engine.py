"""Work over a list of shards: one after the other, in several processes, or on a Ray cluster; results in their order.

The environment variable POPCAST_ENGINE chooses: ``process`` (default), ``serial`` or ``ray``. A shard's result depends
on the shard alone, so the choice changes the time and never the result.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from contextvars import ContextVar
from multiprocessing import get_context
from typing import Any

from popcast.core.errors import BadInput
from popcast.core.in_order import AHEAD, in_order
from popcast.core.safety.orphans import end_with_parent

ENGINES = ("process", "serial", "ray")

_serial: ContextVar[bool] = ContextVar("serial", default=False)


@contextmanager
def in_this_process() -> Iterator[None]:
    """Inside, all shards run in this process, whatever POPCAST_ENGINE says: for a caller whose own program would be
    started once more by every process that is spawned."""
    token = _serial.set(True)
    try:
        yield
    finally:
        _serial.reset(token)


def chosen_engine() -> str:
    """What POPCAST_ENGINE says; raises :class:`BadInput` for an unknown engine."""
    if _serial.get():
        return "serial"
    engine = os.environ.get("POPCAST_ENGINE", "process")
    if engine not in ENGINES:
        raise BadInput(f"POPCAST_ENGINE: unknown engine: got {engine!r}, expected one of {', '.join(ENGINES)}")
    return engine


def stays_here(shards: int, one_process: bool = False) -> bool:
    """Whether :func:`map_shards` runs that many shards in this process, one after the other."""
    engine = chosen_engine()
    return engine == "serial" or (engine == "process" and (one_process or _workers(shards) < 2))


def _workers(shards: int) -> int:
    return min(shards, int(os.environ.get("POPCAST_THREADS", "2")))


def map_shards(
    function: Callable[[Any], Any],
    shards: Sequence[Any],
    label: str | None = "",
    then: Callable[[int, Any], Any] | None = None,
    one_process: bool = False,
) -> list[Any]:
    """``[function(shard) for shard in shards]`` with a progress bar on stderr (``label`` None: without).

    function: at the top level of a module (or a ``functools.partial`` of such a one), so that a process can import it.
    then: called in this process with the number and the result of each shard, in their order, as soon as it is its
    turn; what it returns is kept in place of the result, so that large results need not pile up. one_process: the
    shards need something that exists once on this machine (a model on its GPU), so ``process`` means ``serial``.
    A single shard runs in this process, except on Ray. The first exception in the order of the shards is raised here.
    """
    if stays_here(len(shards), one_process):
        results = map(function, shards)
    elif chosen_engine() == "process":
        results = _in_processes(function, shards, _workers(len(shards)))
    else:
        from popcast.core import engine_ray

        results = engine_ray.results(function, shards)
    kept = results if then is None else (then(number, result) for number, result in enumerate(results))
    return list(kept if label is None else progress(kept, len(shards), label))


def _in_processes(function: Callable[[Any], Any], shards: Sequence[Any], workers: int) -> Iterator[Any]:
    # spawn: a forked child would inherit locks of the thread pools of polars and torch
    pool = ProcessPoolExecutor(workers, get_context("spawn"), initializer=end_with_parent, initargs=(os.getpid(),))
    try:
        submitted = (pool.submit(function, shard) for shard in shards)
        yield from in_order(submitted, AHEAD * workers, lambda future: future.result())
    except BrokenProcessPool:
        raise BadInput(
            "a worker process was killed, perhaps for want of memory: start again (finished pieces are kept) "
            "with POPCAST_ENGINE=serial, or with fewer POPCAST_THREADS"
        ) from None
    finally:
        pool.shutdown(cancel_futures=True)


def progress(items, total: int, label: str):
    """``items`` with a progress bar on stderr, only where somebody looks at it or the work takes longer than 5 s."""
    from tqdm import tqdm

    return tqdm(items, total=total, desc=label or None, delay=5, mininterval=1, leave=False)

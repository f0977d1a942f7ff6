"""Batches of a torch model side by side, each on one thread: the products are too small to be worth cutting up.

The threads stay for the next call and are those of all callers, who may be threads themselves: a server starts none per
request. Torch's own number of threads stays what it is for everybody else.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Given, Made = TypeVar("Given"), TypeVar("Made")

_pools: dict[int, ThreadPoolExecutor] = {}
_starting = threading.Lock()


def side_by_side(work: Callable[[Given], Made], items: Iterable[Given], on_gpu: bool = False) -> list[Made]:
    """``[work(item) for item in items]``, as many at once as torch has threads; on a GPU one after the other."""
    if on_gpu:
        return [work(item) for item in items]
    return list(_pool().map(work, items))


def _pool() -> ThreadPoolExecutor:
    import torch

    with _starting:
        count = torch.get_num_threads()
        if count not in _pools:
            started = threading.Barrier(count + 1)

            def start() -> None:
                torch.set_num_threads(1)  # of this thread, and of threads that are new to torch: put right below
                started.wait()

            pool = ThreadPoolExecutor(count, "batches", initializer=start)
            for _ in range(count):
                pool.submit(int)
            started.wait()
            torch.set_num_threads(count)
            _pools[count] = pool
        return _pools[count]

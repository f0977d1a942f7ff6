"""Results of tasks under way in the order in which they were submitted, a few at a time."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

AHEAD = 2
"""Shards submitted per worker: enough to keep it busy, few enough that results waiting for their turn stay few."""


def in_order(submitted: Iterator[Any], ahead: int, result: Callable[[Any], Any]) -> Iterator[Any]:
    """Results of the tasks that ``submitted`` submits as it is drawn from, ``ahead`` at a time, in their order."""
    waiting: deque[Any] = deque()
    for task in submitted:
        waiting.append(task)
        if len(waiting) == ahead:
            yield result(waiting.popleft())
    while waiting:
        yield result(waiting.popleft())

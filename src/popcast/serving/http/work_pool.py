"""A bounded pool of threads for what takes time, so that the loop of the server is free to answer at once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from fastapi.exceptions import HTTPException

from popcast.core.engine import in_this_process

Result = TypeVar("Result")
BUSY = {"retry-after": "5"}


class WorkPool:
    """``threads`` pieces of work at once and ``waiting`` behind them; more are refused with 503.

    A piece that takes longer than ``seconds``, waiting included, is answered with 503. It is dropped if it has not
    begun; one that has keeps its thread to its end, and its place among the waiting.
    """

    def __init__(self, threads: int, waiting: int, seconds: float) -> None:
        self.most, self.seconds, self.taken = threads + waiting, seconds, 0
        self._threads = ThreadPoolExecutor(threads, "popcast-work")

    async def run(self, work: Callable[..., Result], *given: object) -> Result:
        """What ``work(*given)`` returns. HTTPException 503 where there is no room or no time."""
        if self.taken >= self.most:
            raise HTTPException(503, "too many requests are waiting: try again in some seconds", BUSY)
        loop = asyncio.get_running_loop()
        future: Future = self._threads.submit(_here, work, given)
        self.taken += 1
        future.add_done_callback(lambda _: self._done(loop))
        try:
            return await asyncio.wait_for(asyncio.wrap_future(future), self.seconds)
        except TimeoutError:
            raise HTTPException(503, f"it took longer than {self.seconds:g} seconds: send less at once", BUSY) from None

    def _done(self, loop: asyncio.AbstractEventLoop) -> None:
        if not loop.is_closed():
            loop.call_soon_threadsafe(self._free)

    def _free(self) -> None:
        self.taken -= 1

    def close(self) -> None:
        """Take no more, and drop what has not begun. What has goes on; nobody waits for it."""
        self._threads.shutdown(wait=False, cancel_futures=True)


def _here(work: Callable[..., Result], given: tuple) -> Result:
    with in_this_process():
        return work(*given)

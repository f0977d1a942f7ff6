"""The pool: so many at once, so many behind them, and no longer than so long."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from fastapi.exceptions import HTTPException

from popcast.core.engine import chosen_engine
from popcast.core.errors import BadInput
from popcast.serving.http.work_pool import WorkPool


def finished(tried) -> object:
    """What a coroutine gives, in a thread of its own: this one may have a loop already, that of a driven browser."""
    with ThreadPoolExecutor(1) as one:
        return one.submit(lambda: asyncio.run(tried())).result()


def test_what_does_not_fit_is_refused_and_later_there_is_room_again():
    async def tried() -> list[object]:
        pool, gate = WorkPool(threads=1, waiting=2, seconds=60), threading.Event()
        held = [asyncio.create_task(pool.run(gate.wait)) for _ in range(3)]
        await asyncio.sleep(0)
        with pytest.raises(HTTPException) as refused:
            await pool.run(gate.wait)
        gate.set()
        done = await asyncio.gather(*held)
        await asyncio.sleep(0.05)
        found = [refused.value.status_code, done, pool.taken, await pool.run(lambda a, b: a + b, 1, 2)]
        pool.close()
        return found

    assert finished(tried) == [503, [True] * 3, 0, 3]


def test_what_takes_too_long_is_let_go_and_keeps_its_place_to_its_end():
    async def tried() -> list[object]:
        pool, gate = WorkPool(threads=1, waiting=1, seconds=0.1), threading.Event()
        begun: list[int] = []
        answers = await asyncio.gather(pool.run(gate.wait), pool.run(lambda: begun.append(1)), return_exceptions=True)
        taken = pool.taken
        gate.set()
        while pool.taken:
            await asyncio.sleep(0.01)
        pool.close()
        return [[one.status_code for one in answers], taken, begun]

    assert finished(tried) == [[503, 503], 1, []]


def test_work_stays_in_this_process_and_its_errors_come_back():
    def refused() -> None:
        raise BadInput("no")

    async def tried() -> str:
        pool = WorkPool(1, 1, 60)
        with pytest.raises(BadInput, match="no"):
            await pool.run(refused)
        found = await pool.run(chosen_engine)
        pool.close()
        return found

    assert finished(tried) == "serial"

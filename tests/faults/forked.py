"""Each piece of work in a process of its own, forked from one that has imported everything and computed nothing.

What a piece may not do is seen from outside: die, hang, take memory, print more than one line of error, leave halves.
"""

from __future__ import annotations

import math
import os
import resource
import signal
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "POLARS_MAX_THREADS", "POPCAST_THREADS"):
    os.environ[_name] = "1"  # before any of them is loaded: as many pieces as cores run at a time

MEMORY = 2 << 30
"""Bytes of peak memory that fail a piece."""

ROOM = 6 << 30
"""Bytes of address space beyond the start that end it, so that the machine lives on."""

VERDICT = "verdict"


@dataclass(frozen=True)
class Ended:
    """How a piece ended. said: its own verdict, or what was seen from outside (``died``, ``hang``, ``memory``)."""

    name: str
    said: str
    seconds: float
    megabytes: float


def run_all(
    pieces: Iterator[tuple[str, Path]], work: Callable[[str, Path], str], jobs: int, limit: float
) -> Iterator[Ended]:
    """Run ``work(name, folder)`` for every piece, ``jobs`` at a time, each at most ``limit`` seconds of CPU time.

    A piece that sleeps so long without computing anything is a hang too; one that waits for the machine is none. What
    ``work`` returns is the verdict; what it raises, a failure.
    """
    running: dict[int, tuple[str, Path, float]] = {}
    asleep: dict[int, tuple[int, float]] = {}  # CPU ticks, and since when there were no more
    pieces = iter(pieces)
    more = True
    while more or running:
        while more and len(running) < jobs:
            piece = next(pieces, None)
            if piece is None:
                more = False
                break
            running[_forked(*piece, work, limit)] = (*piece, time.monotonic())
        for pid in list(running):
            name, folder, begin = running[pid]
            ended, status, usage = os.wait4(pid, os.WNOHANG)
            seconds = time.monotonic() - begin
            if ended:
                del running[pid]
                asleep.pop(pid, None)
                yield Ended(name, _seen(folder, status, usage.ru_maxrss), seconds, usage.ru_maxrss / 1024)
            elif _sleeps(pid, asleep) > limit:
                os.kill(pid, signal.SIGKILL)
                os.wait4(pid, 0)
                del running[pid]
                yield Ended(name, f"failed: hang, sleeps for {limit:g} s", seconds, 0.0)
        time.sleep(0.005)


def _sleeps(pid: int, asleep: dict[int, tuple[int, float]]) -> float:
    """Seconds for which a process has waited for anything but a core."""
    state, *fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    ticks, now = int(fields[10]) + int(fields[11]), time.monotonic()
    before, since = asleep.get(pid, (-1, now))
    if state == "R" or ticks != before:
        asleep[pid] = ticks, now
        return 0.0
    return now - since


def _seen(folder: Path, status: int, kilobytes: int) -> str:
    verdict = folder / VERDICT
    if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGXCPU:
        return "failed: hang, computes on and on"
    if os.WIFSIGNALED(status):
        return f"failed: died by {signal.Signals(os.WTERMSIG(status)).name}: {_tail(folder)}"
    if not verdict.exists():
        return f"failed: died with code {os.waitstatus_to_exitcode(status)}: {_tail(folder)}"
    if kilobytes * 1024 > MEMORY:
        return f"failed: memory, {kilobytes >> 10} MB"
    return verdict.read_text(encoding="utf-8")


def _tail(folder: Path) -> str:
    file = folder / "stderr"
    return file.read_text(errors="replace")[-1500:] if file.exists() else ""


def _forked(name: str, folder: Path, work: Callable[[str, Path], str], limit: float) -> int:
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        for number, stream in ((1, "stdout"), (2, "stderr")):
            file = os.open(folder / stream, os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o666)
            os.dup2(file, number)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_CPU, (math.ceil(limit), math.ceil(limit) + 5))
        size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (size + ROOM, size + ROOM))
        try:
            verdict = work(name, folder)
        except BaseException:
            verdict = f"failed: traceback {traceback.format_exc()[-3000:]}"
        (folder / VERDICT).write_text(verdict, encoding="utf-8", errors="replace")
        code = 0
    finally:
        os._exit(code)

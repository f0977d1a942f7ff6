"""Which stage starts next: bookkeeping over names and claims, without DVC, processes or clocks.

A stage is *ready* when all that it needs is done; somebody then looks whether it must run at all. One that must run
*waits* until the machine has room for its claim. Among those that fit, the one with the longest expected path to the
end of the pipeline starts first. A waiting stage that did not fit while ``2 * cores`` others were started is overdue:
nothing starts before it, so the machine drains and it gets its turn.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

UNITS = {"KB": 1e-6, "MB": 1e-3, "GB": 1.0, "TB": 1e3}  # in GB


@dataclass(frozen=True)
class Room:
    """What a machine has or a stage claims: cores, memory in GB, GPUs."""

    cores: int = 1
    memory: float = 0.0
    gpu: int = 0

    def fits_in(self, other: Room) -> bool:
        return self.cores <= other.cores and self.memory <= other.memory and self.gpu <= other.gpu

    def without(self, other: Room) -> Room:
        return Room(self.cores - other.cores, self.memory - other.memory, self.gpu - other.gpu)

    def plus(self, other: Room) -> Room:
        return Room(self.cores + other.cores, self.memory + other.memory, self.gpu + other.gpu)


@dataclass(frozen=True)
class Task:
    """A stage as the queue sees it. ``needs`` are names of stages; ``seconds`` is the expected duration."""

    name: str
    needs: frozenset[str]
    claim: Room = Room()
    seconds: float = 1.0


def gigabytes(value: object) -> float:
    """Memory of ``meta: {memory: ...}`` in GB: a number of GB, or a text such as ``"4GB"``; ValueError otherwise.

    >>> gigabytes("500 MB"), gigabytes(4)
    (0.5, 4.0)
    """
    if isinstance(value, int | float) and not isinstance(value, bool) and value >= 0:
        return float(value)
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([KMGT]B)?\s*", str(value), re.IGNORECASE)
    if match is None:
        raise ValueError(f"memory: got {value!r}, expected GB as a number or a text such as '4GB'")
    return float(match[1]) * UNITS[(match[2] or "GB").upper()]


def claim_of(name: str, meta: dict | None, room: Room) -> Room:
    """Claim of a stage by its ``meta: {cores, memory, gpu}``; who asks for more than ``room`` claims all of it.

    Default is one core and nothing else. ``cores: all`` is every core. ValueError names the stage and the field.
    """
    meta = meta or {}
    cores = room.cores if meta.get("cores") == "all" else meta.get("cores", 1)
    gpu = meta.get("gpu", 0)
    for field, value, least in (("cores", cores, 1), ("gpu", gpu, 0)):
        if not isinstance(value, int) or isinstance(value, bool) or value < least:
            wanted = "a whole number or all" if field == "cores" else "a whole number"
            raise ValueError(f"stage {name}: meta.{field}: got {value!r}, expected {wanted}")
    try:
        claim = Room(cores, gigabytes(meta.get("memory", 0)), gpu)
    except ValueError as error:
        raise ValueError(f"stage {name}: meta.{error}") from None
    return claim if claim.fits_in(room) else room


class ReadyQueue:
    """Stages and how far each is. Every name is in one of: ahead, ready, waiting, running, done, failed, skipped.

    ``tasks`` come in the order in which one after the other would run; it decides between equals.
    """

    def __init__(self, tasks: Iterable[Task], room: Room):
        self.tasks = {task.name: task for task in tasks}
        self.free = room
        self.patience = 2 * room.cores
        self.state = dict.fromkeys(self.tasks, "ahead")
        self._passed = dict.fromkeys(self.tasks, 0)
        self._needed_by: dict[str, list[str]] = {name: [] for name in self.tasks}
        for task in self.tasks.values():
            for need in task.needs:
                self._needed_by[need].append(task.name)
        self._missing = {name: len(task.needs) for name, task in self.tasks.items()}
        self.path = self._paths()
        for name, count in self._missing.items():
            if not count:
                self.state[name] = "ready"

    def _paths(self) -> dict[str, float]:
        """Expected seconds from the start of a stage to the end of the longest chain of stages behind it."""
        paths: dict[str, float] = {}
        left = {name: len(followers) for name, followers in self._needed_by.items()}
        ends = [name for name, count in left.items() if not count]
        while ends:
            name = ends.pop()
            paths[name] = self.tasks[name].seconds + max((paths[f] for f in self._needed_by[name]), default=0.0)
            for need in self.tasks[name].needs:
                left[need] -= 1
                if not left[need]:
                    ends.append(need)
        if len(paths) < len(self.tasks):
            raise ValueError(f"stages need each other: {', '.join(sorted(set(self.tasks) - set(paths)))}")
        return paths

    def named(self, state: str) -> list[str]:
        """Names in one state, longest expected path first."""
        names = [name for name, now in self.state.items() if now == state]
        return sorted(names, key=lambda name: -self.path[name])  # stable: equals stay in the order of the tasks

    def wait(self, name: str) -> None:
        """A ready stage must run: it waits for room."""
        self.state[name] = "waiting"

    def start_next(self) -> str | None:
        """The waiting stage that starts now, its claim taken; None when none may."""
        waiting = self.named("waiting")
        overdue = [name for name in waiting if self._passed[name] >= self.patience]
        fitting = [name for name in overdue[:1] or waiting if self.tasks[name].claim.fits_in(self.free)]
        if not fitting:
            return None
        for name in waiting:
            if not self.tasks[name].claim.fits_in(self.free):
                self._passed[name] += 1
        chosen = fitting[0]
        self.state[chosen] = "running"
        self.free = self.free.without(self.tasks[chosen].claim)
        return chosen

    def done(self, name: str) -> None:
        """A stage is made, restored or up to date: what needs it may become ready."""
        self._leave(name, "done")
        for follower in self._needed_by[name]:
            self._missing[follower] -= 1
            if not self._missing[follower] and self.state[follower] == "ahead":
                self.state[follower] = "ready"

    def fail(self, name: str) -> None:
        """A stage failed: all that needs it, directly or not, is skipped."""
        self._leave(name, "failed")
        behind = list(self._needed_by[name])
        while behind:
            follower = behind.pop()
            if self.state[follower] != "skipped":
                self.state[follower] = "skipped"
                behind += self._needed_by[follower]

    def _leave(self, name: str, state: str) -> None:
        if self.state[name] == "running":
            self.free = self.free.plus(self.tasks[name].claim)
        self.state[name] = state

    def expect(self, seconds: dict[str, float]) -> float:
        """Seconds that what is left takes at most if it all runs: all its core seconds, or its longest path.

        ``seconds`` are those that running stages have already run.
        """
        left = [name for name, state in self.state.items() if state in ("ahead", "ready", "waiting", "running")]
        rest = {name: max(self.tasks[name].seconds - seconds.get(name, 0.0), 0.0) for name in left}
        cores = max(self.patience // 2, 1)
        work = sum(rest[name] * self.tasks[name].claim.cores for name in left) / cores
        return max([work, *(self.path[name] - self.tasks[name].seconds + rest[name] for name in left)])

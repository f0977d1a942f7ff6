"""Policy doubles: they answer from the seed of a request alone, so tests need no model and no encoder."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from popcast.chat.response import Response
from popcast.simulation.audience.population import Population
from popcast.simulation.records import Request
from popcast.simulation.running import runner
from popcast.simulation.running.runner import Job, Part
from popcast.simulation.running.workload import Shard
from tests.simulation.audience import population_of, random_neighbours

CALLS = ("do_nothing()", "like()", 'post("Schön, {}!")', "retweet()", 'reply("why {}?")')


class SeededDouble:
    """A policy double. ``failing``: of every 100 seeds, how many get an answer outside the grammar.

    ``batches``: the size of each call. ``pause``: seconds per call. ``fields``: False: no words for the field.
    """

    in_company = False

    def __init__(self, failing: int = 20, pause: float = 0.0, fields: bool = True) -> None:
        self.failing, self.pause, self.fields = failing, pause, fields
        self.batches: list[int] = []
        self.closed = 0

    def respond(self, requests: Sequence[Request]) -> list[Response]:
        self.batches.append(len(requests))
        time.sleep(self.pause)
        return [self._answer(request) for request in requests]

    def _answer(self, request: Request) -> Response:
        seed = request.seed
        if request.kind == "field":
            words = f"Users are {'warm' if seed % 2 else 'cold'}, {len(request.reactions)} spoke." * self.fields
            return Response(words, 50, 9)
        if seed % 100 < self.failing:
            return Response("I would rather not say. \ud800", 40, 5)
        heard = f"{len(request.memories)} of {seed % 97}"
        call = CALLS[seed % 5].format(heard)
        return Response(f"Thought: {request.field.text[:20]}\nAction: {call}\nScore: {seed % 11}", 40, 20)

    def facts(self) -> dict:
        return {"kind": "double", "model": "seeded double", "revision": None, "stand_in": True, "templates": "none"}

    def close(self) -> None:
        self.closed += 1


class Sociable(SeededDouble):
    """Its answers depend on who is asked beside whom, as rounding makes those of a model in a coarse dtype."""

    in_company = True

    def respond(self, requests: Sequence[Request]) -> list[Response]:
        self.batches.append(len(requests))
        company = sum(request.seed for request in requests)
        return [self._answer(replace(request, seed=(request.seed + company) % 2**62)) for request in requests]


def double_shard(shard: Shard, job: Job) -> Part:
    """``runner.simulate`` with a policy double, as a process or a Ray worker can import it."""
    return runner.simulate(shard, job, policy=SeededDouble())


def audience(n: int = 12) -> Population:
    return population_of(random_neighbours(n, 3))


def cosines(triggers: int, n: int = 12) -> np.ndarray:
    """Similarities [triggers, n]: a row depends on its number alone."""
    return np.stack([np.random.default_rng(row).uniform(-0.1, 0.6, n) for row in range(triggers)])

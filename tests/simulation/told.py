"""Whole simulations of generated posts for tests, with answers drawn at random by a double of a policy."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np
import polars as pl

from popcast.chat.response import Response
from popcast.core import tables
from popcast.simulation.audience.population import Population
from popcast.simulation.model import AudienceModel
from popcast.simulation.params import Rules
from popcast.simulation.policies.reactions import compose
from popcast.simulation.records import ACTIONS, Request, Trigger
from popcast.simulation.running import reaction_tables
from popcast.simulation.running.inflight import play
from tests.simulation.audience import population_of, random_neighbours

HOSTILE = "</script><script>alert(1)</script><!-- <img src=x onerror=alert(2)> & \u2028 ${x} {{ y }}"
LINES = (*(f'Post: "Generated post {number}" Category: "Food"' for number in range(12)), f'Post: "{HOSTILE}"')
RULES = Rules(sample=6, memory=2)
NEVER = "Generated post 3"
"""The persona in row 1 never keeps to the grammar when it is asked about this post."""


class Dice:
    """A double: answers at random from the request's seed, more interest in posts of higher numbers."""

    in_company = False

    def respond(self, requests: Sequence[Request]) -> list[Response]:
        return [Response(self._text(request), 100, 20) for request in requests]

    def _text(self, request: Request) -> str:
        if request.kind == "field":
            return f"The audience says {len(request.reactions)} things about {request.trigger.line}."
        if NEVER in request.trigger.line and request.row == 1:
            return "I would rather not say."
        rng = np.random.default_rng(request.seed)
        score = int(np.clip(rng.normal(len(request.trigger.line) % 9, 3), 0, 10))
        action = "nothing" if score < 2 else ACTIONS[rng.integers(1, len(ACTIONS))]
        text = f"So much to say on {request.trigger.line[:90]}" if action in ("post", "retweet", "reply") else None
        return compose(
            action, text.replace('"', "'") if text else None, score, f"Persona {request.row} thinks, {HOSTILE}"
        )


@cache
def simulated(people: int = 30, runs: int = 2) -> dict[str, object]:
    """Arguments of ``episodes.of``, but the dataset: tables of simulations of :data:`LINES`, the last line twice."""
    population = population_of(random_neighbours(people, 3))
    triggers = pl.DataFrame(
        {
            "post_id": [f"p{number:02d}" for number in range(len(LINES) + 1)],
            "trigger": [Trigger(line).key for line in (*LINES, LINES[-1])],
            "line": (*LINES, LINES[-1]),
            "runs": pl.Series([runs] * (len(LINES) + 1), dtype=pl.Int16),
        }
    )
    models = [AudienceModel(population, RULES) for _ in range(2)]
    waiting = ((run, Trigger(line), np.zeros(people)) for line in LINES for run in range(runs))
    records = sorted(play(waiting, models, RULES, 5, Dice()), key=lambda record: (record["run"], record["trigger"]))
    for model in models:
        model.close()
    return {
        "states": tables.check(reaction_tables.table_of("states", records), tables.STATES, "states"),
        "reactions": tables.check(reaction_tables.table_of("reactions", records), tables.REACTIONS, "reactions"),
        "triggers": tables.check(triggers, tables.TRIGGERS, "triggers"),
        "population": population,
        "manifest": manifest(population),
    }


def manifest(population: Population, stand_in: bool = True) -> dict[str, str]:
    kind = "persona" if stand_in else "transformers"
    known = {"rules": RULES.model_dump_json(), "policy_kind": kind, "stand_in": str(stand_in).lower()}
    return known | {"population_hash": population.hash, "policy_model": "org/model <1b>"}

"""Small audiences for tests: a population from who is connected to whom, answers, and epochs with chosen core sets."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from popcast.simulation.audience.population import Person, Population, read_table
from popcast.simulation.model import AudienceModel, State
from popcast.simulation.records import Reaction, Trigger

TOY = ((1, 2), (0, 2, 3), (0, 1), (1, 4), (3,))
"""A:{B,C} B:{A,C,D} C:{A,B} D:{B,E} E:{D} (popsim.md 3.10)."""

PUBLISHED_CORES = (
    dict(zip((1, 5, 15, 37, 47, 59, 70, 82, 86, 95), (8, 6, 9, 0, 0, 0, 9, 0, 9, 0), strict=True)),
    dict(zip((12, 18, 21, 29, 30, 43, 52, 61, 83, 97), (8, 8, 8, 8, 9, 8, 8, 8, 8, 0), strict=True)),
    dict(zip((4, 16, 19, 29, 36, 45, 51, 59, 60, 78), (8, 8, 8, 8, 8, 9, 9, 9, 9, 9), strict=True)),
)
"""Who was asked in the published sample, and the scores (popsim.md 3.10)."""

PUBLISHED_MEANS = (1.48148032, 2.7735128832, 4.093420535680605)


def population_of(neighbours: Sequence[Sequence[int]]) -> Population:
    people = tuple(
        Person(f"P{row}", 30, "female", "Gardener", ("calm",), ("tea",), f"P{row} is a gardener.")
        for row in range(len(neighbours))
    )
    return Population(people, tuple(tuple(friends) for friends in neighbours))


def random_neighbours(n: int, seed: int) -> list[list[int]]:
    """Ring, a hub in row 1, and random edges: symmetric, ascending, degrees from 2 to n - 1."""
    rng = np.random.default_rng(seed)
    edges = {frozenset((row, (row + 1) % n)) for row in range(n)} | {
        frozenset((1, row)) for row in range(n) if row != 1
    }
    edges |= {frozenset(pair.tolist()) for pair in rng.integers(0, n, (n, 2)) if pair[0] != pair[1]}
    return [sorted(next(iter(edge - {row})) for edge in edges if row in edge) for row in range(n)]


def answered(row: int, score: int, action: str = "like", text: str | None = None) -> Reaction:
    return Reaction(row, True, 1, action=action, score=score, text=text)


def failed(row: int) -> Reaction:
    return Reaction(row, False, 3, reason="no_action")


def run_cores(model: AudienceModel, cores: Sequence[dict[int, int]], trigger: str = "Post: toy") -> list[State]:
    """States of a post where everybody is asked, and exactly the personas of ``cores`` answer, with these scores."""
    n = len(model.personas)
    model.start(Trigger(trigger), 0, 0, np.zeros(n))
    states = []
    for core in cores:
        rows = [request.row for request in model.plan()]
        assert rows == list(range(n))
        states.append(model.step([answered(r, core[r]) if r in core else failed(r) for r in rows], None))
    return states


def published(folder: Path) -> tuple[Population, list[dict]]:
    """Population and the three states of the published sample."""
    states = json.loads((folder / "MF_simulation_states_0.json").read_text(encoding="utf-8"))
    return read_table(folder / "profiles_100.csv"), states[0]

"""The stage instances of simulated audiences, see ``instances.py``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from popcast.planning.instances import Instance, generated, plain
from popcast.planning.project_params import Params
from popcast.simulation.params import settings as resolved


def population(p: Params) -> Iterator[Instance]:
    for key, source in p.populations.items():
        yield Instance("population", key, {"seed": p.base.seed, "population": plain(source)})


def simulate(p: Params) -> Iterator[Instance]:
    for key, simulation in p.simulations.items():
        section = resolved(simulation.simulate, p.simulation)
        settings = {
            "seed": p.base.seed,
            "population": simulation.population,
            "work": plain(simulation.simulate, exclude={"set"}),
            **plain(section),
        }
        yield Instance("simulate", key, settings, (f"popcast.simulation.policies.policy_{section.policy.kind}",))


def fields(p: Params) -> Iterator[Instance]:
    for key in p.simulations:
        yield Instance("fields", key, _of_fields(p, key))


def ablation(p: Params) -> Iterator[Instance]:
    for key, simulation in p.simulations.items():
        settings = _of_fields(p, key) | {
            "ablation": plain(simulation.ablation),
            "evaluation": plain(p.evaluation, include={"bootstrap", "confidence"}),
        }
        yield Instance("ablation", key, settings)


def _of_fields(p: Params, key: str) -> dict[str, Any]:
    """What both stages that read a finished simulation are told."""
    simulation = p.simulations[key]
    return {
        "seed": p.base.seed,
        "generated": generated(p, key),
        "population": simulation.population,
        "fields": plain(simulation.fields),
    }

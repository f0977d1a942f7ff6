"""The stage instances of simulated audiences, see ``instances.py``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from popcast.core import paths
from popcast.core.errors import bad_input
from popcast.planning import local_models
from popcast.planning.instances import Instance, generated, plain
from popcast.planning.project_params import Params
from popcast.simulation.params import settings as resolved


def population(p: Params) -> Iterator[Instance]:
    for key, source in p.populations.items():
        yield Instance("population", key, {"seed": p.base.seed, "population": plain(source)})


def simulate(p: Params) -> Iterator[Instance]:
    for key, simulation in p.simulations.items():
        section = resolved(simulation.simulate, p.simulation)
        check_watch(key, simulation.watch, section.policy)
        settings = {
            "seed": p.base.seed,
            "population": simulation.population,
            "work": plain(simulation.simulate, exclude={"set"}),
            **plain(section),
        }
        yield Instance("simulate", key, settings, (f"popcast.simulation.policies.policy_{section.policy.kind}",))


def check_watch(key: str, watch: str, policy: Any) -> None:
    """Raise BadInput where a model made by a stage answers for the personas and DVC would not see it change."""
    model = getattr(policy, "model", None) if policy.kind == "transformers" else None
    made = model is not None and local_models.is_made(model)
    if made and not Path(model).is_relative_to(watch):
        field = f"simulations.{key}.watch"
        raise bad_input("DVC would not see another model", file=paths.PARAMS, field=field, value=watch, expected=model)


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

"""The audience in a bundle: who is asked and by what rules, as the project simulates its dataset.

``audience.json`` holds the settings, ``population.json`` the personas as ``popcast.simulation`` writes them. Where
rules answer for the personas nothing else is needed; a language model has to be where the settings say.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from popcast.core import paths, tables
from popcast.core.pretrained.saved_files import putting_together
from popcast.simulation.params import Simulated

if TYPE_CHECKING:
    from popcast.serving.forecast import Forecast
    from popcast.simulation.audience.population import Population

FILE, PEOPLE = "audience.json", "population.json"
RULES, MODEL = "rules", "language model"
"""Who answers for the personas."""


@dataclass(frozen=True)
class Audience:
    """``name``: of the population. ``seed``: of all that is drawn."""

    name: str
    population: Population
    settings: Simulated
    seed: int

    @property
    def kind(self) -> str:
        return RULES if self.settings.policy.kind == "persona" else MODEL

    @property
    def note(self) -> str:
        """What a reader has to know of the answers."""
        count = len(self.population.people)
        if self.kind == RULES:
            return f"{count} personas, answered for by rules: a stand-in for a language model, and no forecast"
        return f"{count} personas, answered for by {self.settings.policy.model}; no forecast"


def write_audience(folder: Path, audience: Audience) -> None:
    """Add an audience to the bundle in ``folder``."""
    from popcast.simulation.audience import population

    content = {
        "population": audience.name,
        "seed": audience.seed,
        "settings": audience.settings.model_dump(mode="json"),
    }
    tables.write_json(content, folder / FILE)
    population.save(audience.population, folder / PEOPLE)


def planned_audience(told: Mapping[str, Any], seed: int) -> Audience:
    """What the plan of a stage says of the project's audience: ``population`` (its name) and ``settings``."""
    from popcast.simulation.audience import population

    people = population.load(paths.population(told["population"]))
    return Audience(told["population"], people, Simulated.model_validate(told["settings"]), seed)


def audience_in(forecast: Forecast) -> Audience | None:
    """The audience of a bundle that was read; None: it has none."""
    if FILE not in forecast.files:
        return None
    return read_audience(forecast.files[FILE], forecast.files[PEOPLE])


def read_audience(settings: bytes, people: bytes) -> Audience:
    """What :func:`write_audience` wrote. BadInput, one line, where it was edited."""
    from popcast.simulation.audience import population

    with putting_together(Path(FILE)):
        content: dict[str, Any] = orjson.loads(settings)
        chosen = Simulated.model_validate(content["settings"])
    with putting_together(Path(PEOPLE)):
        personas = orjson.loads(people)
    found = population.of_content(personas, Path(PEOPLE))
    return Audience(content["population"], found, chosen, content["seed"])

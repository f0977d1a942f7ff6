"""What a search may change: a YAML file of settings, each with a range or with choices.

::

    learning_rate: {low: 0.01, high: 0.2, log: true}
    rounds: {low: 100, high: 800, step: 100}
    loss: {choices: [mae, huber]}
    training.batch_size: {choices: [128, 512]}

A name is a setting of the run's predictor, as it stands below ``set`` in params.yaml; dots lead into its parts.
"""

from __future__ import annotations

import copy
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import Field, RootModel, model_validator

from popcast.core import yaml_reading
from popcast.core.errors import BadInput, bad_input
from popcast.core.params import said
from popcast.core.section import Section

if TYPE_CHECKING:
    from optuna.trial import Trial

Value = float | int | str | bool | None


class Dimension(Section):
    """One setting: ``low`` to ``high`` (whole numbers where both are), or ``choices``."""

    low: int | float | None = None
    high: int | float | None = None
    log: bool = Field(False, description="drawn evenly on a logarithmic scale")
    step: int | float | None = Field(None, gt=0)
    choices: list[Value] = Field([])

    @model_validator(mode="after")
    def one_form(self) -> Dimension:
        if self.choices:
            if self.low is not None or self.high is not None or self.log or self.step is not None:
                raise ValueError("expected low and high, or choices, not both")
            return self
        if self.low is None or self.high is None or self.low >= self.high:
            raise ValueError("expected low below high, or choices")
        if self.log and (self.low <= 0 or self.step is not None):
            raise ValueError("log: expected low above 0 and no step")
        return self

    @property
    def whole(self) -> bool:
        """Whether only whole numbers are drawn."""
        return all(isinstance(value, int) for value in (self.low, self.high, self.step) if value is not None)

    def drawn(self, trial: Trial, name: str) -> Value:
        """The value of this setting in a trial."""
        if self.choices:
            return trial.suggest_categorical(name, self.choices)
        if self.whole:
            return trial.suggest_int(name, self.low, self.high, step=self.step or 1, log=self.log)
        value = trial.suggest_float(name, self.low, self.high, step=self.step, log=self.log)
        return min(max(float(f"{value:.4g}"), self.low), self.high)  # as short as a person would write it


class Space(RootModel[dict[str, Dimension]]):
    """Setting -> its dimension, in the order of the file."""

    @classmethod
    def read(cls, file: Path) -> Space:
        """Raises BadInput, one line, for a file that is not there, is no YAML or no space."""
        if not file.is_file():
            raise bad_input("no such file", file=file, expected="a YAML file of settings and their ranges")
        values = yaml_reading.mapping(yaml_reading.read_yaml(file) or {}, file)
        if not values:
            raise bad_input("no setting in it", file=file, expected="lines such as `depth: {low: 4, high: 10}`")
        from pydantic import ValidationError

        try:
            return cls.model_validate(values)
        except ValidationError as error:
            raise BadInput(f"{file}: {said(error)}") from None

    def drawn(self, trial: Trial) -> dict[str, Value]:
        """All settings of a trial."""
        return {name: dimension.drawn(trial, name) for name, dimension in self.root.items()}


def laid_over(settings: dict[str, Any], values: dict[str, Value]) -> dict[str, Any]:
    """``settings`` (of ``set``) with the dotted ``values`` in their places; what was there stays as it is.

    >>> laid_over({"depth": 6, "training": {"epochs": 3}}, {"training.rate": 0.1, "depth": 8})
    {'depth': 8, 'training': {'epochs': 3, 'rate': 0.1}}
    """
    found = copy.deepcopy(settings)
    for name, value in values.items():
        *way, last = name.split(".")
        part = found
        for step in way:
            inner = part.get(step)
            part[step] = inner if isinstance(inner, dict) else {}
            part = part[step]
        part[last] = value
    return found

"""The base class of every section of params.yaml."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

NAME = r"^[a-z0-9_]+$"
"""Names of runs, suites and systems: they become file names and keys of metrics."""


class Section(BaseModel):
    """Base of all params sections: unknown keys are refused, values are not coerced beyond int -> float."""

    model_config = ConfigDict(extra="forbid", frozen=True)

"""What an audience was like after each epoch of the post under way, kept as tables to look at."""

from __future__ import annotations

from typing import Any

import polars as pl
from mesa import Model

FIELD = {"step": pl.Int64, "mean_attitude": pl.Float64, "field_text": pl.String}
PERSONAS = {"step": pl.Int64, "agent_id": pl.Int64, "attitude": pl.Float64, "is_core": pl.Boolean}


class Collected:
    """Tables that grow by an epoch at a time."""

    def __init__(self) -> None:
        self._field: list[tuple[Any, ...]] = []
        self._personas: list[tuple[Any, ...]] = []

    def add(self, model: Model) -> None:
        """Keep the state of an ``AudienceModel`` after the epoch that has just ended."""
        self._field.append((model.steps, model.field.mean_attitude, model.field.text))
        self._personas += [(model.steps, one.unique_id, one.attitude, one.is_core) for one in model.personas]

    def field(self) -> pl.DataFrame:
        """A row per epoch: step (from 1), mean_attitude, field_text."""
        return pl.DataFrame(self._field, schema=FIELD, orient="row")

    def personas(self) -> pl.DataFrame:
        """A row per epoch and persona, in order of rows: step (from 1), agent_id (from 1), attitude, is_core."""
        return pl.DataFrame(self._personas, schema=PERSONAS, orient="row")

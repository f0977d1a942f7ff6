"""Settings that say which columns of the wide feature frame a tabular predictor gets."""

from __future__ import annotations

from pydantic import Field

from popcast.core.section import Section


class ColumnParams(Section):
    """Arguments of :class:`popcast.models.inputs.matrix.Encoder`."""

    blocks: list[str] | None = Field(None, description="null: all that the run gets")
    embeddings: list[str] | None = Field(None, description="null: all; else these, where the run gets them")
    rare: int = Field(10, ge=1, description="posts that a category needs for a code of its own")
    drop: list[str] = Field([], description="columns left out, such as history.ewm; a last * stands for any ending")

"""Sections ``blocks``, ``media`` and ``derived`` of params.yaml: which feature blocks are made, one stage each."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from popcast.core.section import Key, Place, Section


class BlockRun(Section):
    """One stage ``features@<dataset>-<block>`` or ``media@...`` or ``derive@...``."""

    dataset: Key
    block: Key
    of: Key | None = Field(None, description="derive: the block whose embedding is used")
    raw: Place | None = Field(None, description="media: folder with the media files, same as datasets.<dataset>.raw")
    set: dict[str, Any] = Field({}, description="overrides of the block's section for this dataset")

"""Notes in folders of language models: ``base.json`` (where a base comes from), ``tuned.json`` (what was tuned).

Other facts may stand in them; those that decide how a model is loaded have the right type, or one line says which not.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StrictBool, ValidationError

from popcast.core.errors import bad_input
from popcast.core.pretrained.saved_files import read_json

BASE, TUNED = "base.json", "tuned.json"


class BaseNote(BaseModel):
    """``base.json``. model: hub id or folder of a pretrained model; null: the weights lie beside the note."""

    model_config = ConfigDict(extra="allow")

    model: str | None = None
    revision: str | None = None
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    load_in_4bit: StrictBool = False
    stand_in: StrictBool = False
    scores: tuple[float, float] | None = None
    learned_before: str | None = None
    weights: str | None = None


class TunedNote(BaseModel):
    """``tuned.json``. base: folder of the base model."""

    model_config = ConfigDict(extra="allow")

    base: str = Field(min_length=1)
    method: Literal["lora", "freeze", "prefix", "full", "pac"]
    freeze_layers: int | None = Field(None, ge=1)


def base_note(folder: Path) -> dict[str, Any] | None:
    """What ``base.json`` in ``folder`` says; None where there is none."""
    return _note(Path(folder) / BASE, BaseNote)


def tuned_note(folder: Path) -> dict[str, Any] | None:
    """What ``tuned.json`` in ``folder`` says; None where there is none."""
    return _note(Path(folder) / TUNED, TunedNote)


def _note(file: Path, kind: type[BaseModel]) -> dict[str, Any] | None:
    if not file.exists():
        return None
    content = read_json(file)
    try:
        kind.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        value = None if first["type"] == "missing" else first["input"]
        raise bad_input(first["msg"], file=file, field=field, value=value) from None
    return content

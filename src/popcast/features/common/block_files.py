"""How a saved feature block is read again: the JSON file that holds its params and what it learned."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeVar

import orjson

from popcast.features.common.contract import Context

Made = TypeVar("Made")


def read_json(file: Path) -> dict[str, Any]:
    return orjson.loads(file.read_bytes())


def read_block(kind: type[Made], file: Path, context: Context) -> tuple[Made, dict[str, Any]]:
    """A fresh block of class ``kind`` with the params in ``file``, and all that the file holds."""
    content = read_json(file)
    return kind(kind.Params.model_validate(content["params"]), context), content

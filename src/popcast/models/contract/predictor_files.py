"""``predictor.json``: the file that every saved predictor has, with its params, its seed and what it learned."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeVar

import orjson

from popcast.core import tables

FILE = "predictor.json"
Made = TypeVar("Made")


def write_predictor(folder: Path, predictor: Any, **learned: object) -> None:
    """Write ``predictor.json`` to ``folder``, which is made where it is missing. learned: values that JSON can hold."""
    content = {"params": predictor.params.model_dump(), "seed": predictor.seed, **learned}
    tables.write_json(content, folder / FILE)


def read_predictor(kind: type[Made], folder: Path) -> tuple[Made, dict[str, Any]]:
    """A fresh predictor of class ``kind`` with its params and seed, and all that its ``predictor.json`` holds."""
    content = orjson.loads((folder / FILE).read_bytes())
    return kind(kind.Params.model_validate(content["params"]), content["seed"]), content

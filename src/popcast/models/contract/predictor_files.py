"""Files of a saved predictor: ``predictor.json``, with its params, its seed and what it learned, and arrays in npz."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from popcast.core import tables
from popcast.core.pretrained.saved_files import putting_together, read_arrays, read_json

__all__ = ["FILE", "load_predictor", "read_arrays", "read_predictor", "take", "write_predictor"]

FILE = "predictor.json"
Made = TypeVar("Made")


def write_predictor(folder: Path, predictor: Any, **learned: object) -> None:
    """Write ``predictor.json`` to ``folder``, which is made where it is missing. learned: values that JSON can hold."""
    content = {"params": predictor.params.model_dump(), "seed": predictor.seed, **learned}
    tables.write_json(content, folder / FILE)


def read_predictor(kind: type[Made], folder: Path) -> tuple[Made, dict[str, Any]]:
    """A fresh predictor of class ``kind`` with its params and seed, and all that its ``predictor.json`` holds."""
    content = read_json(folder / FILE)
    with putting_together(folder / FILE):
        return kind(kind.Params.model_validate(content["params"]), content["seed"]), content


def load_predictor(kind: type[Made], folder: Path) -> Made:
    """``kind.load(folder)``; a folder that is broken is one line."""
    with putting_together(folder / FILE):
        return kind.load(folder)


def take(predictor: Any, source: Mapping[str, Any], names: Iterable[str]) -> None:
    """Set the attributes ``names`` of a predictor to what ``source`` has under these names."""
    for name in names:
        setattr(predictor, name, source[name])

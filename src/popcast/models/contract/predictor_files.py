"""Files of a saved predictor: ``predictor.json``, with its params, its seed and what it learned, and arrays in npz."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
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


def read_arrays(file: Path) -> dict[str, np.ndarray]:
    """The arrays of an npz file, by name; a pickled object in it is refused."""
    with np.load(file, allow_pickle=False) as arrays:
        return dict(arrays)


def take(predictor: Any, source: Mapping[str, Any], names: Iterable[str]) -> None:
    """Set the attributes ``names`` of a predictor to what ``source`` has under these names."""
    for name in names:
        setattr(predictor, name, source[name])

"""Modules that are found by the name in params.yaml: predictors, feature blocks, readers of datasets, generators.

A predictor or block that is made of a higher room lives there, so a name is looked for in several rooms.
"""

from __future__ import annotations

import importlib
from importlib.util import find_spec
from types import ModuleType

from popcast.core.errors import BadInput

PREDICTOR_ROOMS = ("popcast.models", "popcast.fewshot", "popcast.simulation")
BLOCK_ROOMS = ("popcast.features",)
SIDE_BY_SIDE = (
    "text",
    "glove",
    "image",
    "video",
    "ocr",
    "array",
    "history",
    "repeats",
    "neighbours",
    "windows",
    "knn_values",
)
"""Blocks that a dataset may have several of: ``text_e5`` is made by the code of ``text`` (decision 027)."""


def full_name(name: str, rooms: tuple[str, ...], form: str) -> str | None:
    """Dotted name of the folder ``name`` in the first of ``rooms`` that has one with the module ``form`` in it.

    form: ``predictor`` or ``block``, the module that every such folder has.
    """
    if not name.isidentifier():
        return None
    for room in rooms:
        folder = f"{room}.{name}"
        if find_spec(folder) is not None and find_spec(f"{folder}.{form}") is not None:
            return folder
    return None


def predictor_package(name: str) -> str:
    """Dotted name of a predictor's folder, such as ``popcast.models.hyfea``."""
    found = full_name(name, PREDICTOR_ROOMS, "predictor")
    if found is None:
        raise BadInput(f"params.yaml: models.{name}: no such predictor in src/popcast")
    return found


def block_package(name: str) -> str:
    """Dotted name of a feature block's folder, such as ``popcast.features.history``."""
    found = full_name(kind_of_block(name), BLOCK_ROOMS, "block")
    if found is None:
        raise BadInput(f"params.yaml: features.{name}: no such feature block in src/popcast/features")
    return found


def kind_of_block(name: str) -> str:
    """The folder whose code makes the block ``name``: the name, or for one of several what stands before an underscore.

    >>> kind_of_block("text"), kind_of_block("text_e5"), kind_of_block("knn_values"), kind_of_block("metadata")
    ('text', 'text', 'knn_values', 'metadata')
    """
    return next((kind for kind in SIDE_BY_SIDE if name.startswith(f"{kind}_")), name)


def predictor_module(name: str) -> ModuleType:
    """The folder of a predictor as a module with its ``Params`` and ``Predictor``."""
    return importlib.import_module(predictor_package(name))


def block_module(name: str) -> ModuleType:
    """The folder of a feature block as a module with its ``Params`` and ``Block``."""
    return importlib.import_module(block_package(name))

"""How a saved feature block is read again: the JSON file that holds its params and what it learned."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeVar

from popcast.core.pretrained.saved_files import putting_together, read_json
from popcast.features.common.contract import Context

Made = TypeVar("Made")


def read_block(kind: type[Made], file: Path, context: Context) -> tuple[Made, dict[str, Any]]:
    """A fresh block of class ``kind`` with the params in ``file``, and all that the file holds."""
    content = read_json(file)
    with putting_together(file):
        return kind(kind.Params.model_validate(content["params"]), context), content


def load_block(kind: type[Made], folder: Path, context: Context) -> Made:
    """``kind.load(folder, context)``; a folder that is broken is one line."""
    with putting_together(folder):
        return kind.load(folder, context)

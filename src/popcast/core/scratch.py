"""Resume after a kill: finished pieces of a long stage wait in ``.scratch/<stage>-<hash>/`` until its out is written.

The hash covers params and inputs, so a piece is reused only by a run that would compute the same one.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import orjson

from popcast.core import paths


class Scratch:
    """Pieces of one stage run. ``with Scratch("features", key, params, [file, ...]) as scratch``: kept if it raises.

    >>> with Scratch("doctest", "a", {"x": 1}, []) as scratch:
    ...     scratch.array("piece", lambda: np.arange(3))
    array([0, 1, 2])
    """

    def __init__(self, stage: str, key: str, params: object, inputs: list[Path]) -> None:
        digest = hashlib.sha256(orjson.dumps([stage, key, params], option=orjson.OPT_SORT_KEYS, default=str))
        for path in inputs:
            digest.update(path.read_bytes())
        self.folder = paths.SCRATCH / f"{stage}-{key}-{digest.hexdigest()[:16]}"

    def __enter__(self) -> Scratch:
        self.folder.mkdir(parents=True, exist_ok=True)
        return self

    def __exit__(self, kind, *_) -> None:
        if kind is None:
            shutil.rmtree(self.folder, ignore_errors=True)

    def array(self, name: str, compute: Callable[[], np.ndarray]) -> np.ndarray:
        """The array ``name``: read if an earlier run finished it, else computed and kept."""
        return kept(self.folder, name, compute)


def kept(folder: Path | None, name: str, compute: Callable[[], np.ndarray]) -> np.ndarray:
    """The array ``name`` of a scratch folder: read if it is there, else computed and kept. No folder: computed."""
    if folder is None:
        return compute()
    path = folder / f"{name}.npy"
    if path.exists():
        return np.load(path, allow_pickle=False)
    value = compute()
    temporary = path.with_suffix(".part")
    with temporary.open("wb") as file:
        np.save(file, value, allow_pickle=False)
    os.replace(temporary, path)
    return value

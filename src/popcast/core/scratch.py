"""Resume after a kill: finished pieces of a long stage wait in ``.scratch/<stage>-<hash>/`` until its out is written.

The hash covers the plan file (settings, source files, versions) and the inputs, so a piece is reused only by a run that
would compute the same one: never after a change of the code.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import orjson

from popcast.core import paths
from popcast.core.plan_file import Plan


class Scratch:
    """Pieces of one stage run. ``with Scratch(plan, [file, ...]) as scratch``: kept if it raises.

    plan: of the stage instance; its hash covers settings, source and versions. inputs: files whose bytes the pieces
    depend on. part: of a stage that has several such folders. free: settings of the plan that change no piece. extra:
    whatever else the pieces depend on, as plain JSON.
    """

    def __init__(
        self, plan: Plan, inputs: list[Path], part: str = "", free: tuple[str, ...] = (), extra: object = None
    ) -> None:
        digest = hashlib.sha256(
            orjson.dumps([plan.stage, plan.key, part, plan.hash_without(*free), extra], option=orjson.OPT_SORT_KEYS)
        )
        for path in inputs:
            digest.update(path.read_bytes())
        name = f"{plan.stage}-{plan.key}" + (f"-{part}" if part else "")
        self.folder = paths.SCRATCH / f"{name}-{digest.hexdigest()[:16]}"

    def __enter__(self) -> Scratch:
        self.folder.mkdir(parents=True, exist_ok=True)
        return self

    def __exit__(self, kind, *_) -> None:
        if kind is None:
            shutil.rmtree(self.folder, ignore_errors=True)

    def array(self, name: str, compute: Callable[[], np.ndarray]) -> np.ndarray:
        """The array ``name``: read if an earlier run finished it, else computed and kept."""
        return kept(self.folder, name, compute)


def temporary(name: str, folder: Path | None = None) -> tempfile.TemporaryDirectory:
    """A folder for what lives as long as the returned object; used with ``with`` it gives the path.

    It lies below ``folder``, or ``.scratch``: what a killed process leaves there is seen, and goes with the rest, while
    the machine's folder for temporary files would keep it for good.
    """
    place = paths.SCRATCH if folder is None else folder
    place.mkdir(parents=True, exist_ok=True)
    return tempfile.TemporaryDirectory(prefix=f"{name}-", dir=place)


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

"""Resume after a kill: finished pieces of a long stage wait in ``.scratch/<stage>-<hash>/`` until its out is written.

The hash covers the settings of the plan, the source files and versions that it names as they are now, and the inputs,
so a piece is reused only by a run that would compute the same one: never after a change of the code, even where nobody
planned again. One process at a time works in such a folder.
"""

from __future__ import annotations

import contextlib
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
from popcast.core.safety import folder_lock
from popcast.core.safety.whole_files import whole_file


class Pieces:
    """Finished pieces of a long piece of work, in a folder that somebody else looks after."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def array(self, name: str, compute: Callable[[], np.ndarray]) -> np.ndarray:
        """The array ``name``: read if an earlier run finished it, else computed and kept."""
        return kept(self.folder, name, compute)


class Scratch(Pieces):
    """Pieces of one stage run. ``with Scratch(plan, [file, ...]) as scratch``: kept if it raises.

    plan: of the stage instance; settings, source and versions count. inputs: files whose bytes the pieces depend on.
    part: of a stage that has several such folders. free: settings of the plan that change no piece. extra: whatever
    else the pieces depend on, as plain JSON. Entering raises BadInput where another process works in the folder.
    """

    def __init__(
        self, plan: Plan, inputs: list[Path], part: str = "", free: tuple[str, ...] = (), extra: object = None
    ) -> None:
        digest = hashlib.sha256(
            orjson.dumps([plan.stage, plan.key, part, plan.hash_without(*free), extra], option=orjson.OPT_SORT_KEYS)
        )
        for path in inputs:
            digest.update(path.read_bytes())
        self._locks = os.environ.get("RANK", "0") == "0"  # processes that train together share the folder
        name = f"{plan.stage}-{plan.key}" + (f"-{part}" if part else "")
        super().__init__(paths.SCRATCH / f"{name}-{digest.hexdigest()[:16]}")

    def __enter__(self) -> Scratch:
        if self._locks:
            folder_lock.take(self.folder)
        else:
            self.folder.mkdir(parents=True, exist_ok=True)
        return self

    def __exit__(self, kind, *_) -> None:
        if kind is None:
            self._remove()
        if self._locks:
            folder_lock.give_back(self.folder)

    def _remove(self) -> None:
        """Give the folder another name first: who waits for its lock never meets half of it."""
        done = self.folder.with_name(f"{self.folder.name}.done")
        shutil.rmtree(done, ignore_errors=True)
        with contextlib.suppress(OSError):  # another process of the same training was first
            os.replace(self.folder, done)
        shutil.rmtree(done, ignore_errors=True)


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
    with whole_file(path, mark=f".{os.getpid()}") as part, part.open("wb") as file:  # several processes may make it
        np.save(file, value, allow_pickle=False)
    return value

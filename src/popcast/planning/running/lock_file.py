"""dvc.lock, written for many stages at once.

DVC parses and writes dvc.lock as a whole for every stage that it makes; with ten thousand lines that is seconds each.
This one stays parsed in memory, is read again only when somebody else changed the file, and is replaced in one step,
so that a reader or a kill never meets half a file. Its bytes are those of ``dvc repro``: known stages keep their place,
new ones follow in the order in which ``dvc repro`` makes them.
"""

from __future__ import annotations

import os
from copy import deepcopy
from pathlib import Path

from dvc.stage.serialize import to_lockfile
from dvc.utils.serialize import dump_yaml, parse_yaml_for_update


class LockFile:
    """The lock file at ``path``. ``order`` are names of stages; ``scratch`` is a folder for the half-written file."""

    def __init__(self, path: Path, order: list[str], scratch: Path):
        self.path = path
        self.scratch = scratch
        self._place = {name: place for place, name in enumerate(order)}
        self._read: tuple | str = "never"
        self._data: dict = {}
        self._entries: dict[str, dict] = {}  # added and not yet written
        self._new: set[str] = set()  # names that this process brought into the file

    def add(self, stage) -> None:
        """Take over the entry of a saved stage; a copy, for values that two entries share would become YAML anchors."""
        self._entries[stage.name] = deepcopy(to_lockfile(stage)[stage.name])

    def write(self) -> bool:
        """Write what was added since the last call; whether anything was."""
        if not self._entries:
            return False
        if self._signature() != self._read:
            self._data = self._parsed()
        entries = self._data["stages"]
        self._new |= self._entries.keys() - entries.keys()
        entries.update(self._entries)
        for name in sorted(self._new & entries.keys(), key=self._place.__getitem__):
            entries[name] = entries.pop(name)  # to the end
        half = self.scratch / f"{self.path.name}.{os.getpid()}"
        dump_yaml(half, self._data)
        os.replace(half, self.path)
        self._read = self._signature()
        self._entries = {}
        return True

    def _parsed(self) -> dict:
        text = self.path.read_text(encoding="utf-8") if self.path.exists() else ""
        data = parse_yaml_for_update(text, self.path) or {"schema": "2.0"}
        data["stages"] = data.get("stages") or {}
        return data

    def _signature(self) -> tuple | None:
        """What tells one content of the file from another without reading it; None if there is no file."""
        if not self.path.exists():
            return None
        status = self.path.stat()
        return status.st_mtime_ns, status.st_size, status.st_ino

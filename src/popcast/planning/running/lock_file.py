"""dvc.lock, written entry by entry.

DVC parses and writes dvc.lock as a whole for every stage that it makes, which takes a second with four thousand lines.
Entries do not depend on each other, so this one keeps the text of each, writes only new ones as YAML, and replaces the
file in one step: a reader or a kill never meets half a file. Its bytes are those of ``dvc repro``: known stages keep
their place, new ones follow in the order in which ``dvc repro`` makes them.
"""

from __future__ import annotations

import os
from pathlib import Path

from dvc.stage.serialize import to_lockfile
from dvc.utils.serialize import dumps_yaml

HEAD = "schema: '2.0'\nstages:\n"


class LockFile:
    """The lock file at ``path``. ``order`` are names of stages; ``scratch`` is a folder for the half-written file."""

    def __init__(self, path: Path, order: list[str], scratch: Path):
        self.path = path
        self.scratch = scratch
        self._place = {name: place for place, name in enumerate(order)}
        self._added: dict[str, object] = {}  # stages with the text of their entry, not yet written
        self._new: set[str] = set()  # names that this process brought into the file

    def add(self, stage) -> None:
        """Take over the entry of a saved stage."""
        self._added[stage.name] = stage, dumps_yaml({"stages": to_lockfile(stage)}).removeprefix("stages:\n")

    def write(self) -> bool:
        """Write what was added since the last call; whether anything was."""
        if not self._added:
            return False
        added, self._added = self._added, {}
        text = self.path.read_text(encoding="utf-8") if self.path.exists() else HEAD
        entries = split(text)
        if entries is None:  # not as DVC writes it for stages alone
            stages = [stage for stage, _ in added.values()]
            stages[0].dvcfile._lockfile.dump_stages(stages)
            return True
        self._new |= added.keys() - entries.keys()
        entries.update({name: entry for name, (_, entry) in added.items()})
        for name in sorted(self._new & entries.keys(), key=self._place.__getitem__):
            entries[name] = entries.pop(name)  # to the end
        half = self.scratch / f"{self.path.name}.{os.getpid()}"
        half.write_text(HEAD + "".join(entries.values()), encoding="utf-8")
        os.replace(half, self.path)
        return True


def split(text: str) -> dict[str, str] | None:
    """Text of each entry by stage; None if there is anything but entries of stages.

    >>> split(HEAD + "  a:\\n    cmd: x\\n  b@1:\\n    cmd: y\\n")
    {'a': '  a:\\n    cmd: x\\n', 'b@1': '  b@1:\\n    cmd: y\\n'}
    """
    if not text.startswith(HEAD):
        return None
    entries: dict[str, list[str]] = {}
    lines: list[str] = []
    for line in text.removeprefix(HEAD).splitlines(keepends=True):
        if line.startswith("   ") or line == "\n":
            lines.append(line)
        elif line.startswith("  ") and line.endswith(":\n") and line[2] not in "\"'?#&!":
            entries[line.strip()[:-1]] = lines = [line]
        else:
            return None
    return {name: "".join(part) for name, part in entries.items()}

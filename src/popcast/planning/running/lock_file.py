"""dvc.lock, written entry by entry.

DVC parses and writes dvc.lock as a whole for every stage that it makes, which takes a second with four thousand lines.
Entries depend on each other in nothing but the numbers of YAML anchors, so this one makes YAML of new entries only,
keeps the text of the others, and replaces the file in one step: a reader or a kill never meets half a file. Its bytes
are those of ``dvc repro``: known stages keep their place, new ones follow in the order of ``dvc repro``.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from dvc.stage.serialize import to_lockfile
from dvc.utils.serialize import dumps_yaml

HEAD = "schema: '2.0'\nstages:\n"
ANCHOR = re.compile(r"(?<=[:-] )([&*])id(\d{3,})(?=\s)")  # what params share within an entry: &id001 and *id001


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
        try:
            half.write_text(join(entries), encoding="utf-8")
            os.replace(half, self.path)
        except OSError:
            self._added = added | self._added
            half.unlink(missing_ok=True)
            raise
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
    texts = {name: "".join(part) for name, part in entries.items()}
    return texts if all(numbers("*", text) <= numbers("&", text) for text in texts.values()) else None


def join(entries: dict[str, str]) -> str:
    """The whole file; anchors are numbered through it in the order of the entries, as a YAML dumper does it.

    >>> join({"a": "  a: &id007\\n   b: *id007\\n", "c": "  c: &id001\\n  d: *id001\\n"}).removeprefix(HEAD)
    '  a: &id001\\n   b: *id001\\n  c: &id002\\n  d: *id002\\n'
    """
    parts, count = [HEAD], 0
    for text in entries.values():
        own = sorted(numbers("&", text), key=int)
        new = {old: f"{count + place:03}" for place, old in enumerate(own, 1)}
        parts.append(ANCHOR.sub(lambda match, new=new: f"{match[1]}id{new[match[2]]}", text))
        count += len(own)
    return "".join(parts)


def numbers(sign: str, text: str) -> set[str]:
    """Numbers of the anchors (&) or of the references to anchors (*) in an entry."""
    return {number for kind, number in ANCHOR.findall(text) if kind == sign}

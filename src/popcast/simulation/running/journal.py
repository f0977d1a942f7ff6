"""Finished simulations of a shard on their way into tables: one line of JSON each, appended as soon as it is done.

A process that is killed leaves whole lines and at most one torn one at the end, which the next start cuts off. A full
disk is one line that names the file; the lines before it stay.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson

from popcast.core.safety.disk_faults import writing


class Journal:
    """Append-only file of records. ``with Journal(path) as journal``: opened for writing, a torn end cut off."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = -1
        self._size = 0

    def __enter__(self) -> Journal:
        with writing(self.path):
            self._file = os.open(self.path, os.O_CREAT | os.O_WRONLY, 0o644)
        self._size = sum(length for length, _ in _lines(self.path))
        os.truncate(self._file, self._size)
        return self

    def __exit__(self, *_) -> None:
        os.close(self._file)

    def append(self, record: dict[str, Any]) -> None:
        """Add one record, whole or not at all."""
        rest = memoryview(orjson.dumps(record) + b"\n")
        end = self._size + len(rest)
        with writing(self.path):
            try:
                while rest:
                    written = os.pwrite(self._file, rest, end - len(rest))
                    rest = rest[written:]
            except OSError:
                os.truncate(self._file, self._size)
                raise
        self._size = end

    def records(self) -> Iterator[dict[str, Any]]:
        """Every record in the order in which they were appended."""
        return (record for _, record in _lines(self.path))


def _lines(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Length and content of each whole record, up to the first that is torn."""
    with path.open("rb") as file:
        for line in file:
            if not line.endswith(b"\n"):
                return
            try:
                record = orjson.loads(line)
            except orjson.JSONDecodeError:
                return
            yield len(line), record

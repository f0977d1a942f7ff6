"""A file that only ever grows, in a bundle's folder: batches that must survive a kill, one line each.

A line is the CRC-32 of what follows it, and a JSON object; the first says what the journal holds and which bundle it
belongs to. A batch that was confirmed is on the disk (fsync). What a kill or a full disk left of a last line is dropped
when the journal is read, and overwritten by the next batch. Several processes may append.
"""

from __future__ import annotations

import fcntl
import os
import zlib
from pathlib import Path
from typing import Any

import orjson

from popcast.core.errors import bad_input
from popcast.core.safety.disk_faults import writing

VERSION = 1


class BundleJournal:
    """Batches in the order in which they came.

    path: of the file; None: the batches are kept in memory, until somebody gives it a file. bundle: hash of the bundle
    that it belongs to. form: what its first line calls it.
    """

    def __init__(self, path: Path | None, bundle: str, form: str) -> None:
        self.path, self.bundle, self.form = path, bundle, form
        self._lines: list[bytes] = []
        self._end = 0

    def read(self) -> list[dict[str, Any]]:
        """All batches there are. Raises BadInput, one line: a broken line that is not the last, another bundle's."""
        if self.path is None or not self.path.exists():
            return [_content(line) for line in self._lines]
        with self.path.open("rb") as file:
            return self._unseen(file)

    def all(self) -> list[dict[str, Any]]:
        """All batches there are, also those that :meth:`read` has returned before."""
        if self.path is None or not self.path.exists():
            return self.read()
        return BundleJournal(self.path, self.bundle, self.form).read()

    def append(self, batch: dict[str, Any]) -> list[dict[str, Any]]:
        """Put a batch on the disk. Returns it, after those that other processes have appended meanwhile."""
        line = _line(batch)
        if self.path is None:
            self._lines.append(line)
            return [batch]
        with writing(self.path):
            with open(os.open(self.path, os.O_RDWR | os.O_CREAT, 0o644), "r+b") as file:
                fcntl.flock(file, fcntl.LOCK_EX)
                if os.fstat(file.fileno()).st_size < self._end:
                    self._end = 0  # somebody took the file away, to begin anew
                unseen = self._unseen(file)
                if not self._end:
                    line = self._head() + line
                try:
                    self._write(file, line)
                except OSError:
                    file.truncate(self._end)
                    raise
                self._end += len(line)
            _settle(self.path.parent)
        return [*unseen, batch]

    def _write(self, file, line: bytes) -> None:
        file.truncate(self._end)  # what a kill left behind the last whole line
        file.seek(self._end)
        file.write(line)
        file.flush()
        os.fsync(file.fileno())

    def content(self) -> bytes:
        """The file as it would be written elsewhere; nothing where nothing came."""
        if self.path is None:
            return self._head() + b"".join(self._lines) if self._lines else b""
        if not self.path.exists():
            return b""
        whole = BundleJournal(self.path, self.bundle, self.form)
        whole.read()
        return self.path.read_bytes()[: whole._end]

    def _head(self) -> bytes:
        return _line({"format": self.form, "version": VERSION, "bundle": self.bundle})

    def _unseen(self, file) -> list[dict[str, Any]]:
        """Batches behind those that were read or written before."""
        file.seek(self._end)
        found: list[dict[str, Any]] = []
        rest = file.read()
        *lines, torn = rest.split(b"\n")
        start = self._end
        for number, line in enumerate(lines):
            content = _checked(line)
            if content is None:
                if number == len(lines) - 1 and not torn:
                    break  # a torn line that happens to end so
                raise bad_input("a broken line", file=self.path, row=self._row(number), expected="a journal of popcast")
            if start == 0:
                self._check_head(content)
            else:
                found.append(content)
            start += len(line) + 1
        self._end = start
        return found

    def _row(self, number: int) -> int | None:
        return number + 1 if self._end == 0 else None

    def _check_head(self, content: dict[str, Any]) -> None:
        for field, expected in (("format", self.form), ("version", VERSION), ("bundle", self.bundle)):
            if content.get(field) != expected:
                what = "the journal of another bundle" if field == "bundle" else "not a journal that this popcast reads"
                raise bad_input(what, file=self.path, field=field, value=content.get(field), expected=str(expected))


def _line(content: dict[str, Any]) -> bytes:
    payload = orjson.dumps(content)
    return b"%08x %s\n" % (zlib.crc32(payload), payload)


def _content(line: bytes) -> dict[str, Any]:
    return orjson.loads(line[9:])


def _checked(line: bytes) -> dict[str, Any] | None:
    """What a line holds; None where it is broken."""
    head, _, payload = line.partition(b" ")
    if len(head) != 8 or head != b"%08x" % zlib.crc32(payload):
        return None
    content = orjson.loads(payload)
    return content if isinstance(content, dict) else None


def _settle(folder: Path) -> None:
    """The disk has the name of a new file too."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

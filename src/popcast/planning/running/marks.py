"""The marks of running stages, ``.dvc/tmp/rwlock``, written as a whole and read where a killed process cut them short.

DVC opens the file for writing, which empties it, and then fills it: a process killed in between leaves a file that is
no JSON, and every later dvc command is refused with "JSON structure is corrupted". A file that cannot be read holds no
marks that anybody could keep to, and who reads it has DVC's guard ``rwlock.lock``, so nobody is writing it.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

import dvc.rwlock

_edit = dvc.rwlock._edit_rwlock


class WholeMarks:
    """What ``_edit_rwlock`` of DVC 3.67 asks of a file system: ``join``, and ``open`` for reading or for writing."""

    def __init__(self, fs):
        self.join = fs.join

    @contextmanager
    def open(self, path: str, mode: str = "r", encoding: str = "utf-8") -> Iterator[TextIO]:
        held = io.StringIO("" if mode == "w" else read_marks(Path(path)))
        yield held
        if mode == "w":
            write_marks(held.getvalue(), Path(path), encoding)


def write_marks(text: str, path: Path, encoding: str) -> None:
    """As a whole. On a full disk in place, where the old marks make room: better cut short than not let go of."""
    part = path.with_name(f"{path.name}.part")  # the guard is held: one writer
    try:
        part.write_text(text, encoding=encoding)
        part.replace(path)
    except OSError:
        part.unlink(missing_ok=True)
        path.write_text(text, encoding=encoding)


def read_marks(path: Path) -> str:
    """The file's text, or that of no marks where it is not JSON. FileNotFoundError as usual."""
    text = path.read_bytes()
    try:
        json.loads(text)
    except ValueError:
        return "{}"
    return text.decode()


def keep_marks_whole() -> None:
    """From now on DVC in this process edits the marks in this way."""

    @contextmanager
    def edit(lock_dir: str, fs, hardlink: bool) -> Iterator[dict]:
        with _edit(lock_dir, WholeMarks(fs), hardlink) as marks:
            yield marks

    dvc.rwlock._edit_rwlock = edit

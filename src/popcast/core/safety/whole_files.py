"""Files and folders that are whole or not there: written under a temporary name beside the true one, then moved.

Where writing fails nothing is left behind; what a kill leaves under the temporary name, the next start replaces.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from popcast.core.safety.disk_faults import writing

UNFINISHED = ".part"


def unfinished(path: Path) -> Path:
    """The temporary name beside ``path``."""
    return path.with_name(path.name + UNFINISHED)


@contextmanager
def whole_file(path: Path, mark: str = "") -> Iterator[Path]:
    """``with whole_file(path) as part``: what the block writes to ``part`` becomes ``path`` at its end, or nothing.

    The folder is made. mark: part of the temporary name, where several processes may write the same file. Raises
    BadInput, naming ``path``, where the disk does not take it.
    """
    part = path.with_name(f"{path.name}{mark}{UNFINISHED}")
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            yield part
            _settle(part)
            os.replace(part, path)
        except BaseException:
            _remove(part)
            raise


def write_whole(content: bytes, path: Path) -> None:
    """Write ``content`` to ``path`` as a whole, see :func:`whole_file`."""
    with whole_file(path) as part:
        part.write_bytes(content)


def copy_whole(source: Path, path: Path) -> None:
    """Copy a file, or a folder with all below it, to ``path`` as a whole."""
    if source.is_dir():
        with whole_folder(path) as part:
            shutil.copytree(source, part, dirs_exist_ok=True)
    else:
        with whole_file(path) as part:
            shutil.copyfile(source, part)


@contextmanager
def whole_folder(path: Path) -> Iterator[Path]:
    """``with whole_folder(path) as part``: the empty folder ``part`` takes the place of ``path`` when it is filled."""
    part = unfinished(path)
    with writing(path):
        shutil.rmtree(part, ignore_errors=True)
        try:
            part.mkdir(parents=True)
            yield part
            shutil.rmtree(path, ignore_errors=True)
            os.replace(part, path)
        except BaseException:
            _remove(part)
            raise


def move_whole(source: Path, path: Path) -> None:
    """Move a finished folder on the same disk to ``path``, and nothing that was there before."""
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(path, ignore_errors=True)
        os.replace(source, path)


def _settle(part: Path) -> None:
    """Wait until the disk has the file: what it could not keep is said now, and not after the file has its name."""
    descriptor = os.open(part, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _remove(part: Path) -> None:
    if part.is_dir():
        shutil.rmtree(part, ignore_errors=True)
    else:
        try:
            part.unlink(missing_ok=True)
        except OSError:
            return  # a disk that turned read-only keeps it

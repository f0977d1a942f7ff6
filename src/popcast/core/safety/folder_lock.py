"""One process at a time works in a folder: two starts of one stage never write the same pieces.

The lock is a file in the folder, held with ``flock``: it is free as soon as its holder has ended, however it ended.
"""

from __future__ import annotations

import errno
import fcntl
import os
import time
from pathlib import Path

from popcast.core.errors import BadInput, bad_input
from popcast.core.safety.disk_faults import writing

FILE = "lock"
PATIENCE = 10.0
"""Seconds that a process which is just ending has for it."""

_held: dict[str, tuple[int, int]] = {}
"""Real path of a folder -> descriptor, and how often this process has taken it."""


def take(folder: Path) -> None:
    """Make ``folder`` and hold it; a second time in one process is allowed.

    Raises BadInput where another process works in it. A disk that knows no locks (some network disks) lends the folder
    to everybody.
    """
    key = os.path.realpath(folder)
    if key in _held:
        descriptor, times = _held[key]
        _held[key] = descriptor, times + 1
        return
    deadline = time.monotonic() + PATIENCE
    with writing(folder):
        while (descriptor := _try(folder)) is None:
            if time.monotonic() > deadline:
                raise _taken(folder)
            time.sleep(0.05)
    _held[key] = descriptor, 1


def give_back(folder: Path) -> None:
    """Free the folder. It may be gone by now."""
    key = os.path.realpath(folder)
    descriptor, times = _held.pop(key)
    if times > 1:
        _held[key] = descriptor, times - 1
    else:
        os.close(descriptor)


def _try(folder: Path) -> int | None:
    """An open descriptor that holds the lock, or None where another process has it or has just removed the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    try:
        descriptor = os.open(folder / FILE, os.O_RDWR | os.O_CREAT, 0o644)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno not in (errno.EWOULDBLOCK, errno.EACCES):
            return descriptor  # no locks on this disk
        os.close(descriptor)
        return None
    try:
        same = os.path.samestat(os.fstat(descriptor), os.stat(folder / FILE))
    except FileNotFoundError:
        same = False
    if not same:  # its last holder removed it with the folder
        os.close(descriptor)
        return None
    try:
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, str(os.getpid()).encode(), 0)
    except OSError:
        pass  # a full disk: whose lock it is stays unsaid
    return descriptor


def _taken(folder: Path) -> BadInput:
    try:
        holder = (folder / FILE).read_text().strip()
    except OSError:
        holder = ""
    who = f"process {holder}" if holder else "another process"
    return bad_input(
        f"{who} works in this folder: the same stage runs twice", file=folder,
        expected="one at a time: wait for it, or end it",
    )  # fmt: skip

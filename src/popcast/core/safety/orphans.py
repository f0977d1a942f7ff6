"""Processes that end when the one that started them is gone, even if that was killed alone and could not tell them."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import sys
import threading
import time

import psutil

PR_SET_PDEATHSIG = 1
"""Linux, sys/prctl.h: the signal that a process gets when the thread that started it ends."""

STARTED = ("DVC_STAGE", "LOCAL_RANK")
"""Set by DVC and our runner, and by launchers of several training processes: somebody waits for this process."""

SHELLS = ("sh", "dash", "ash", "bash", "zsh", "ksh", "mksh", "fish", "busybox")


def end_with_parent(parent: int | None = None) -> None:
    """From now on this process is killed as soon as its parent has ended. parent: its process id, where it is known.

    A parent that is gone already ends it at once. Without Linux a thread looks every second.
    """
    parent = os.getppid() if parent is None else parent
    if sys.platform != "linux" or ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL) != 0:
        threading.Thread(target=_watch, args=(parent,), daemon=True).start()
    if os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGKILL)


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(1)
    os.kill(os.getpid(), signal.SIGKILL)


def end_with_launcher() -> None:
    """:func:`end_with_parent` where a launcher waits for this process; a stage that a person started goes on.

    A launcher starts a line of shell. Some shells become the process that they start and some stay in between, without
    a word to anybody when the launcher is killed: those are watched too.
    """
    if not any(name in os.environ for name in STARTED):
        return
    end_with_parent()
    between = _shells_between()
    if between:
        threading.Thread(target=_watch_shells, args=(between,), daemon=True).start()


def _shells_between() -> list[tuple[psutil.Process, int]]:
    """Shells that run a line (``-c``) above this process, nearest first, each with the process id of its parent."""
    found = []
    with contextlib.suppress(psutil.Error):
        above = psutil.Process().parent()
        while above is not None and above.name().removeprefix("-") in SHELLS and "-c" in above.cmdline()[1:-1]:
            found.append((above, above.ppid()))
            above = above.parent()
    return found


def _watch_shells(shells: list[tuple[psutil.Process, int]]) -> None:
    with contextlib.suppress(psutil.Error):  # a shell that is gone: this process has another parent now
        while all(shell.ppid() == parent for shell, parent in shells):
            time.sleep(1)
    os.kill(os.getpid(), signal.SIGKILL)

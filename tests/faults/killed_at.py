"""Run a module and kill its process at its N-th change of a file: ``python -m tests.faults.killed_at N MODULE ...``.

Opening for writing, renaming, making and removing count. With N = 0 nothing is killed, and the number of changes is
written to the file that ``COUNTED`` names. Workers of the process are not touched.
"""

from __future__ import annotations

import atexit
import os
import runpy
import signal
import sys
from pathlib import Path

CHANGES = ("os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.truncate", "shutil.rmtree", "shutil.copyfile")
WRITING = os.O_WRONLY | os.O_RDWR


def main() -> None:
    kill_at, module, seen = int(sys.argv[1]), sys.argv[2], 0
    parent, counted = os.getpid(), os.environ.pop("COUNTED", None)

    def watch(event: str, arguments: tuple) -> None:
        nonlocal seen
        if not (event in CHANGES or (event == "open" and arguments[2] and arguments[2] & WRITING)):
            return
        if os.getpid() != parent or "__pycache__" in str(arguments[0]):
            return
        seen += 1
        if seen == kill_at:
            os.kill(parent, signal.SIGKILL)

    sys.argv = [module, *sys.argv[3:]]
    sys.path.insert(0, os.getcwd())
    if counted is not None:
        atexit.register(lambda: Path(counted).write_text(str(seen)))
    sys.addaudithook(watch)
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()

"""Which mutants are tried, and what the tests say about each: in a copy of the source, in a process of its own.

The parent has imported the heavy libraries and nothing of popcast, and is forked for each mutant: a mutant costs the
tests and not the seconds before them.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from tests.conftest import ROOT
from tests.mutants.mutations import Mutant, changed, mutants
from tests.mutants.targets import TARGETS

SOURCE = ROOT / "src" / "popcast"
QUIET = ("-x", "-q", "--no-header", "-p", "no:cacheprovider", "-p", "no:xdist", "-o", "addopts=", "-m", "not slow")


def chosen(per_file: int, count: int, seed: int, only: Sequence[str] = ("",)) -> list[tuple[str, Mutant]]:
    """(file, mutant): ``per_file`` of each target, ``count`` in all, by the seed. only: parts of target paths."""
    found: list[tuple[str, Mutant]] = []
    for file in TARGETS:
        if any(part in file for part in only):
            known = mutants((SOURCE / file).read_text(encoding="utf-8"))
            rows = random.Random(f"{seed} {file}").sample(known, min(per_file, len(known)))
            found += [(file, mutant) for mutant in sorted(rows, key=lambda mutant: mutant.number)]
    kept = sorted(random.Random(seed).sample(range(len(found)), min(count, len(found))))
    return [found[i] for i in kept]


def preload() -> None:
    """Import what popcast's modules import, so that every fork has it."""
    import lightgbm  # noqa: F401
    import numpy  # noqa: F401
    import pandera.polars  # noqa: F401
    import polars  # noqa: F401
    import pytest  # noqa: F401
    import scipy.optimize  # noqa: F401
    import sklearn.model_selection  # noqa: F401
    import torch  # noqa: F401


def verdict(source: Path, arguments: Sequence[str], seconds: float) -> str:
    """``survived``, ``killed`` or ``killed, out of time``. source: folder put first, where the package lies.

    The tests run with ``arguments`` in a fork in a process group of its own, which is killed as a whole.
    """
    sys.stdout.flush()
    child = os.fork()
    if not child:
        os._exit(_tested(source, arguments))
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return "survived" if os.waitstatus_to_exitcode(status) == 0 else "killed"
        time.sleep(0.02)
    os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return "killed, out of time"


def _tested(source: Path, arguments: Sequence[str]) -> int:
    """Exit status of pytest, in the child."""
    try:
        os.setsid()
        quiet = os.open(os.devnull, os.O_WRONLY)
        os.dup2(quiet, 1)
        os.dup2(quiet, 2)
        sys.path[:0] = [str(source)]
        os.environ["PYTHONPATH"] = os.pathsep.join([str(source), *filter(None, [os.environ.get("PYTHONPATH")])])
        for name in [name for name in sys.modules if name.partition(".")[0] in ("popcast", "tests", "stages")]:
            del sys.modules[name]
        import pytest

        return int(pytest.main([*QUIET, "-o", f"pythonpath={source} .", *arguments]))
    except BaseException:
        return 1


class Copy:
    """A copy of the source tree in which one file at a time is another."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "src"
        shutil.copytree(ROOT / "src", self.folder, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))

    def verdict(self, file: str, mutant: Mutant | None, seconds: float) -> str:
        """Of a mutant of a file, or (None) of the file as it is."""
        path, text = self.folder / "popcast" / file, (SOURCE / file).read_text(encoding="utf-8")
        try:
            if mutant is not None:
                path.write_text(changed(text, mutant.number), encoding="utf-8")
            return verdict(self.folder, TARGETS[file], seconds)
        finally:
            path.write_text(text, encoding="utf-8")

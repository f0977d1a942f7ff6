"""The quick tests: contracts, and the units of the rooms that changed: ``make quick``.

A room has changed where a file of ``src/popcast/<room>`` or ``tests/<room>`` differs from the commit that main had, or
from the last commit where this is main. Slow tests and whole runs of the pipeline are left to ``make test``.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

CONTRACTS = ["tests/test_rooms.py", "tests/test_dvc_contract.py", "tests/core", "tests/planning/test_params.py"]
WHOLE = {"tests/models/test_predictors.py"}
"""Suites over all predictors: a change of one is told apart by name below."""


def changed() -> set[str]:
    """Files that differ from the base, with those that git does not track yet."""
    base = "main" if git("rev-parse", "--abbrev-ref", "HEAD") != "main" else "HEAD~1"
    tracked = git("diff", "--name-only", base).splitlines()
    return {*tracked, *git("ls-files", "--others", "--exclude-standard").splitlines()}


def git(*arguments: str) -> str:
    return subprocess.run(["git", *arguments], capture_output=True, text=True, check=True).stdout.strip()


def chosen(files: set[str]) -> list[str]:
    """What pytest is given for these files: contracts, and the folder of tests of every room among them."""
    parts = [Path(file).parts for file in files]
    rooms = {part[2] for part in parts if part[:2] == ("src", "popcast") and len(part) > 3}
    rooms |= {part[1] for part in parts if part[0] == "tests" and len(part) > 2}
    found = [f"tests/{room}" for room in sorted(rooms) if Path("tests", room).is_dir()]
    return [*CONTRACTS, *(folder for folder in found if folder not in CONTRACTS)]


if __name__ == "__main__":
    ignored = [f"--ignore={suite}" for suite in sorted(WHOLE)]
    command = [sys.executable, "-m", "pytest", "-q", "-n", "auto", "-m", "not slow", *ignored, *chosen(changed())]
    sys.exit(subprocess.run(command, check=False).returncode)

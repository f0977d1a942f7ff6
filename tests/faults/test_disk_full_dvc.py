"""A disk that is full with DVC's cache on it: our runner, `dvc commit`, `dvc repro` and the lock file."""

from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path

import pytest

from tests.faults.full_disks import leave_room
from tests.faults.stage_runs import until
from tests.planning.running.toy import call, dvc, environment, repro

MAKE = """
import os, sys
from pathlib import Path
if sys.argv[1] == "one":
    Path("one").write_bytes(os.urandom(400_000))
else:
    Path("many").mkdir()
    for number in range(8):
        Path(f"many/{number}").write_bytes(os.urandom(50_000))
"""
STAGES = "stages: {one: {cmd: python make.py one, outs: [one]}, many: {cmd: python make.py many, outs: [many]}}\n"


@pytest.fixture
def toy(disk) -> Path:
    """A DVC project on a disk of its own, with plenty of room."""
    leave_room(disk, None)
    folder = disk / "project"
    folder.mkdir()
    (folder / "make.py").write_text(MAKE)
    (folder / "dvc.yaml").write_text(STAGES)
    call(folder, "git", "init", "-q")
    dvc(folder, "init", "-q")
    dvc(folder, "config", "cache.type", "copy")
    return folder


def objects(folder: Path) -> list[Path]:
    return [path for path in (folder / ".dvc" / "cache" / "files").rglob("*") if path.is_file()]


def check_cache(folder: Path) -> None:
    """Every object is what its name says."""
    for path in objects(folder):
        name = path.parent.name + path.name.removesuffix(".dir")
        if not path.name.endswith(".tmp"):
            assert hashlib.md5(path.read_bytes()).hexdigest() == name


@pytest.mark.parametrize("target", ["one", "many"])
def test_our_runner_on_a_full_disk(toy, disk, target):
    leave_room(disk, 600_000)
    said = repro(toy, target, code=1)
    errors = [line for line in said.splitlines() if "rror" in line]
    assert len(errors) == 1
    why = {"one": "No space left on device", "many": "it does not hold all outs"}[target]
    problem = f".dvc/cache/files/md5: cannot be written: {why}: make room and start again"
    assert errors[0].startswith(f"error: stage failed: {target}: {problem}")
    assert "Traceback" not in said
    assert not [path for path in objects(toy) if path.name.endswith(".tmp")]
    assert not (toy / "dvc.lock").exists()
    check_cache(toy)
    leave_room(disk, None)
    repro(toy, target)
    assert "up to date" in dvc(toy, "status", target)


@pytest.mark.parametrize("target", ["one", "many"])
def test_dvc_commit_on_a_full_disk(toy, disk, target):
    """DVC's own commands: no traceback, no object that is half, no entry of a stage whose outs the cache lacks.

    It may leave a dvc.lock of no bytes: `git checkout dvc.lock`, or remove it.
    """
    call(toy, "python", "make.py", target)
    leave_room(disk, 200_000)
    for command in (("commit", "-f", target), ("repro", target)):
        done = subprocess.run(
            ["dvc", *command], cwd=toy, env=environment(), capture_output=True, text=True, check=False
        )
        assert done.returncode
        assert "No space left on device" in done.stderr
        assert "Traceback" not in done.stdout + done.stderr.split("make.py", 1)[0]
        check_cache(toy)
        lock = toy / "dvc.lock"
        assert not lock.exists() or not lock.read_bytes()
        lock.unlink(missing_ok=True)
    leave_room(disk, None)
    dvc(toy, "repro", "-q", target)
    dvc(toy, "commit", "-f", target)
    assert "up to date" in dvc(toy, "status", target)


def test_a_lock_file_that_finds_no_room_stays_whole(toy, disk):
    repro(toy, "one")
    before = (toy / "dvc.lock").read_bytes()
    leave_room(disk, 0)
    said = repro(toy, "many", code=1)
    assert len([line for line in said.splitlines() if line.startswith("error: ")]) == 1
    assert (toy / "dvc.lock").read_bytes() == before
    leave_room(disk, None)
    repro(toy)
    assert until(5, lambda: "up to date" in dvc(toy, "status"))

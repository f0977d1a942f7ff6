"""150 mutated inputs of every format, and proof that the fuzz sees the faults that it looks for."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.clone import environment
from tests.conftest import ROOT


def fuzz(*options: str) -> subprocess.CompletedProcess:
    """``python -m tests.faults.fuzz`` in a process of its own: it forks, which this one must not."""
    command = [sys.executable, "-m", "tests.faults.fuzz", *options]
    return subprocess.run(command, cwd=ROOT, env=environment(), capture_output=True, text=True, check=False)


def test_every_valid_input_is_read():
    done = fuzz("--plain")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1].startswith("28 inputs, seed 13: 28 read as their contract asks, 0 refused")


def test_mutated_inputs_are_read_or_refused_in_one_line():
    done = fuzz("--rounds", "150")
    print(done.stdout)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1].startswith("150 inputs, seed 13: ")


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("traceback", "failed: traceback"),
        ("hang", "failed: hang"),
        ("memory", "failed: memory"),
        ("death", "failed: died by SIGABRT"),
        ("two lines", "failed: code 1, 'a warning"),
        ("half", "failed: half-written"),
    ],
)
def test_a_planted_fault_is_seen(fault, words):
    limit = "3" if fault == "hang" else "120"  # on a busy machine two gigabytes take their time
    done = fuzz("--rounds", "1", "--format", "nus", "--limit", limit, "--planted", fault)
    assert done.returncode == 1
    assert words in done.stdout
    assert "0 read as their contract asks, 0 refused in one line, 1 failed" in done.stdout

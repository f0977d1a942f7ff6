"""A long stage that is killed in the middle and started again ends with the bytes of an undisturbed run."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest

from tests.clone import environment, stages_run

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("stage", ["features@smpd-text", "train@smpd-hyfea", "suite@microlens-simple"])
def test_killed_stage_goes_on(pipeline, tmp_path, stage):
    clone = pipeline.copied_to(tmp_path / "project")
    command = [sys.executable, "-m", "dvc", "repro", "--single-item", "--force", stage]
    process = subprocess.Popen(
        command, cwd=clone.folder, env=environment(), start_new_session=True,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    pieces = wait_for_piece(clone, stage, process)
    os.killpg(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    kept = {piece: piece.stat().st_mtime_ns for piece in pieces if piece.exists()}
    assert kept, "the stage had finished"
    assert not list((clone.folder / "data").rglob("*.part"))

    output = clone.dvc("repro", "--single-item", "--force", stage)
    assert stages_run(output) == {stage}
    assert clone.outs() == pipeline.outs()
    assert "up to date" in clone.dvc("status")
    assert not [path for path in (clone.folder / ".scratch").iterdir() if path.is_dir()]


def wait_for_piece(clone, stage: str, process: subprocess.Popen) -> list:
    """The finished pieces in the stage's scratch folder, as soon as there is one."""
    pattern = f"{stage.replace('@', '-')}-*/**/*.npy"
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        pieces = list((clone.folder / ".scratch").glob(pattern))
        if pieces:
            return pieces
        assert process.poll() is None, "the stage ended before it kept a piece"
        time.sleep(0.002)
    raise AssertionError("no piece of the stage within two minutes")

"""Killed stages: a few rounds of the kill drill, and that the drill sees what it is there to see."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.faults.kills import drill
from tests.faults.stage_runs import Project

SEED = int(os.environ.get("POPCAST_DRILL_SEED", "0"))
STAGES = ["media@microlens-video", "suite@smpd-neural", "simulate@smpd", "evaluate@smpd"]
"""Workers, pieces of several runs, journals, a folder of pictures. ``python -m tests.faults.kills`` takes all."""


@pytest.mark.slow
def test_killed_stages_give_the_bytes_of_undisturbed_ones(pipeline, tmp_path):
    copy = Project(pipeline.folder).copied_to(tmp_path / "project")
    counts = drill(copy, len(STAGES), SEED, STAGES)
    print(dict(counts))
    assert counts["same results"] == len(STAGES)
    assert counts["kills"] + counts["ended before the kill"] >= len(STAGES)


HEAD = """
import os, subprocess, sys
from pathlib import Path
def write(text):
    Path("out.part").write_text(text)
    os.replace("out.part", "out")
begun = Path("begun")
"""
GOOD = HEAD + "write('x' * 9)"
BAD = {
    "is not whole": """
with Path("out").open("w") as file:
    file.write("x")
    file.flush()
    Path("mark").mkdir(exist_ok=True)
    file.write("x" * 8)
""",
    "other bytes": """
text = "y" if begun.exists() else "x"
begun.touch()
Path("other").touch()
begun.unlink()
write(text)
""",
    "its workers go on": """
quiet = subprocess.DEVNULL
worker = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], stdout=quiet, stderr=quiet)
begun.touch()
begun.unlink()
worker.kill()
worker.wait()
write("x")
""",
    "exit code 1": """
begun.touch(exist_ok=False)
begun.unlink()
write("x")
""",
    "left.part": """
if not begun.exists():
    begun.touch()
    Path("left.part").touch()
    Path("left.part").unlink()
begun.unlink()
write("x")
""",
}


@pytest.fixture
def toy(tmp_path, monkeypatch):
    """A function: source of the only stage -> finished project."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))

    def make(source: str) -> Project:
        (tmp_path / "dvc.yaml").write_text("stages: {only: {cmd: python -m only, outs: [out]}}\n")
        (tmp_path / "params.yaml").write_text("a: 1\n")
        (tmp_path / "only.py").write_text(source)
        project = Project(tmp_path)
        done = project.run(project.stages["only"], 60)
        assert done.code == 0, done.err
        return project

    return make


def test_a_stage_that_moves_its_out_passes(toy):
    counts = drill(toy(GOOD), 6, 1, [], say=lambda _: None)
    assert counts["same results"] == 6
    assert counts["kills"] >= 3


@pytest.mark.parametrize("fault", BAD)
def test_the_drill_sees(toy, fault, monkeypatch):
    monkeypatch.setattr("tests.faults.kills.ENDING", 2.0)
    project = toy(HEAD + BAD[fault])
    with pytest.raises(AssertionError, match=fault):
        drill(project, 60, 0, [], say=lambda _: None)
    for pid in project.processes():
        os.kill(pid, 9)


def test_a_hanging_stage_is_ended_and_fails(toy):
    project = toy(GOOD)
    Path(project.folder / "only.py").write_text("import time\ntime.sleep(600)\n")
    with pytest.raises(AssertionError, match="only hangs"):
        project.run(project.stages["only"], 2)
    assert not project.processes()

"""Stages that run elsewhere over a shared folder: behind a prefix, in a real Slurm of one node, in a local Ray."""

from __future__ import annotations

import importlib.util
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from popcast.planning.running.ray_launcher import _run_in_worker
from tests.planning.running.slurm_node import slurm_node, why_not
from tests.planning.running.toy import SCRIPT, environment, log, outs, repro, status, write_params

TOGETHER = {"WAIT_a": "start b", "WAIT_b": "start a"}
SHELL = {"SHELL": "/bin/bash"}
FAKE = """\
#!/bin/bash
echo "$#: $*" >> {log}
{run}
"""


def fake(folder: Path, name: str, run: str) -> Path:
    """A launcher that logs the number of its words and the words, then does ``run``."""
    path = folder / name
    path.write_text(FAKE.format(log=folder / "launched.log", run=run))
    path.chmod(0o755)
    return path


def launched(folder: Path) -> list[str]:
    return (folder / "launched.log").read_text().splitlines()


@pytest.fixture(scope="module")
def slurm(tmp_path_factory):
    if reason := why_not():
        pytest.skip(reason)
    folder = tmp_path_factory.mktemp("slurm")
    folder.chmod(0o755)
    with slurm_node(folder) as settings:
        yield settings | SHELL


def test_a_prefix_runs_all_but_local_stages(toy, made):
    prefix = fake(toy, "there", '[ "$1" = -n1 ] && shift && ON_NODE=1 "$@"')
    said = repro(toy, "--launch", f"{prefix} -n1", **SHELL, **TOGETHER)
    assert outs(toy) == outs(made)
    lines = launched(toy)
    assert len(lines) == 6  # a, b, c, sum, and both lines of next; plan is local
    assert "6: -n1 /bin/bash --noprofile --norc -c python make.py a" in lines
    assert "next| first line" in said
    assert (toy / "dvc.lock").read_bytes() == (made / "dvc.lock").read_bytes()


def test_sky_gets_one_word_with_folder_and_environment(toy, made):
    """SkyPilot joins the words of its command with blanks and runs them in another folder with a bare environment."""
    sky = fake(toy, "sky", 'shift 2; cd / && exec env -i PATH=/usr/bin:/bin /bin/bash -c "$*"')
    repro(toy, "--launch", f"{sky} exec dev", POPCAST_THREADS="2", POPCAST_NOTE="it's one", **SHELL)
    assert outs(toy) == outs(made)
    line = next(line for line in launched(toy) if "make.py a" in line)
    assert line.startswith(f"3: exec dev cd {toy} && ")
    assert "export POPCAST_THREADS=2 && " in line
    assert "export DVC_STAGE=make@a && " in line


def test_a_launcher_that_fails_fails_the_stage(toy):
    prefix = fake(toy, "there", "echo no such partition; exit 7")
    said = repro(toy, "--launch", str(prefix), code=1, **SHELL)
    assert "  no such partition" in said
    assert said.splitlines()[-1].startswith("error: stage failed: make@")
    assert "exit code 7" in said.splitlines()[-1]
    assert "error: --launch sbatch: expected sbatch -W" in repro(toy, "--launch", "sbatch -c1", code=1)


def test_srun(toy, made, slurm):
    repro(toy, "--launch", "srun -n1", **slurm, **TOGETHER)
    assert outs(toy) == outs(made)
    assert (toy / "dvc.lock").read_bytes() == (made / "dvc.lock").read_bytes()


def test_sbatch_reads_output_back_and_passes_the_exit_code(toy, slurm):
    write_params(toy, a=0)
    said = repro(toy, "--launch", "sbatch -W -n1", code=1, **slurm)
    assert "make@a| AssertionError: zero" in said
    assert "error: stage failed: make@a: exit code 1" in said.splitlines()[-1]
    write_params(toy, a=1)
    said = repro(toy, "--launch", "sbatch --wait -n1", **slurm)
    assert "next| first line" in said
    assert (toy / "sum.txt").read_text() == "1231"
    assert status(toy) == {}


def test_a_stop_cancels_slurm_jobs(toy, slurm):
    runner = subprocess.Popen(
        [sys.executable, str(SCRIPT), "--launch", "sbatch -W -n1"],
        cwd=toy,
        env=environment(WAIT_b="never", **slurm),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    deadline = time.monotonic() + 60
    while "start b" not in log(toy):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    runner.send_signal(signal.SIGTERM)
    said, _ = runner.communicate(timeout=60)
    assert runner.returncode == 128 + signal.SIGTERM, said
    deadline = time.monotonic() + 30
    while (
        "make@b"
        in subprocess.run(
            ["squeue", "-h", "-o", "%j"], env=os.environ | slurm, capture_output=True, text=True, check=True
        ).stdout
    ):
        assert time.monotonic() < deadline
        time.sleep(0.2)
    assert "end b" not in log(toy)


@pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="ray is missing: requirements-ray.txt")
def test_ray(toy, made):
    said = repro(toy, "--launch", "ray", **SHELL, **TOGETHER)
    assert "next| first line" in said
    lines = log(toy)
    assert lines[lines.index("start c") + 1] == "end c"  # cores: all is a whole node
    assert outs(toy) == outs(made)
    assert (toy / "dvc.lock").read_bytes() == (made / "dvc.lock").read_bytes()


def test_a_worker_of_ray_stops_at_the_first_line_that_fails(toy):
    lines = [["/bin/sh", "-c", line] for line in ("echo $NOTE; pwd", "echo wrong >&2; exit 3", "echo never")]
    code, text, cpu, peak = _run_in_worker(lines, str(toy), {"NOTE": "here"})
    assert (code, text) == (3, ["here", str(toy), "wrong"])
    assert cpu >= 0
    assert peak > 0

"""scripts/repro_parallel.py on a small pipeline of its own: same outs as `dvc repro`, side by side, in order."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import networkx as nx
import pytest
from ruamel.yaml import YAML

from tests.conftest import ROOT

SCRIPT = ROOT / "scripts" / "repro_parallel.py"
PIPELINE = """\
stages:
  make:
    foreach: ${numbers}
    do:
      cmd: python make.py ${key} ${item}
      params: ["numbers.${key}"]
      outs: ["out/${key}.txt"]
  alone:
    foreach: ${alone}
    do:
      cmd: python make.py ${key} ${item}
      params: ["alone.${key}"]
      outs: ["out/${key}.txt"]
      meta: {cores: all}
  sum:
    cmd: cat out/*.txt > sum.txt
    deps: [out]
    outs: [sum.txt]
"""
MAKE = """\
import os, sys, time
from pathlib import Path

name, number = sys.argv[1:]
def running(what):
    with open("times.log", "a") as log:
        log.write(f"{what} {name}\\n")
running("start")
deadline = time.monotonic() + 60
while name in "ab" and os.environ.get("TOGETHER") and Path("times.log").read_text().count("start") < 2:
    assert time.monotonic() < deadline
    time.sleep(0.02)
assert number != "0", "zero"
Path("out").mkdir(exist_ok=True)
Path(f"out/{name}.txt").write_text(number)
running("end")
"""


@pytest.fixture
def script():
    spec = importlib.util.spec_from_file_location("repro_parallel", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def toy(tmp_path):
    (tmp_path / "dvc.yaml").write_text(PIPELINE)
    (tmp_path / "make.py").write_text(MAKE)
    (tmp_path / "params.yaml").write_text("numbers: {a: 1, b: 2}\nalone: {c: 3, d: 4}\n")
    run(tmp_path, "git", "init", "-q")
    run(tmp_path, sys.executable, "-m", "dvc", "init", "-q")
    return tmp_path


def run(folder: Path, *command: str, together: bool = False, code: int = 0) -> str:
    bin_folder = str(Path(sys.executable).parent)
    environment = os.environ | {"PATH": bin_folder + os.pathsep + os.environ["PATH"]}
    if together:
        environment["TOGETHER"] = "1"
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


def parallel(folder: Path, **options) -> str:
    return run(folder, sys.executable, str(SCRIPT), "--jobs", "2", **options)


def lock(folder: Path) -> dict:
    return YAML(typ="safe").load(folder / "dvc.lock")["stages"]


def test_side_by_side_then_alone_and_nothing_twice(toy):
    """a and b each wait for the other to start: only a parallel run gets through. c and d follow one by one."""
    parallel(toy, together=True)
    log = (toy / "times.log").read_text().splitlines()
    assert sorted(log[:2]) == ["start a", "start b"]
    assert log[4:] == ["start c", "end c", "start d", "end d"]
    assert (toy / "sum.txt").read_text() == "1234"
    side_by_side = lock(toy)

    assert "0 of 5 stages" in parallel(toy)
    assert len((toy / "times.log").read_text().splitlines()) == 8

    (toy / "params.yaml").write_text("numbers: {a: 1, b: 5}\nalone: {c: 3, d: 4}\n")
    assert "2 of 5 stages" in parallel(toy)
    assert (toy / "times.log").read_text().splitlines()[8:] == ["start b", "end b"]
    assert (toy / "sum.txt").read_text() == "1534"

    (toy / "params.yaml").write_text("numbers: {a: 1, b: 2}\nalone: {c: 3, d: 4}\n")
    (toy / "dvc.lock").unlink()
    run(toy, sys.executable, "-m", "dvc", "repro", "-q", "--force")
    assert lock(toy) == side_by_side


def test_a_failure_stops_what_follows(toy):
    (toy / "params.yaml").write_text("numbers: {a: 0, b: 2}\nalone: {c: 3, d: 4}\n")
    assert "error: stage failed: make@a" in parallel(toy, code=1)
    log = (toy / "times.log").read_text()
    assert "start c" not in log
    assert not (toy / "sum.txt").exists()


def test_waves_follow_the_longest_way(script):
    graph = nx.DiGraph([("posts", "raw"), ("text", "posts"), ("train", "text"), ("train", "posts"), ("other", "raw")])
    assert script.waves(graph) == [["raw"], ["other", "posts"], ["text"], ["train"]]
    assert script.stale(graph, {"text"}) == {"text", "train"}
    assert script.stale(graph, set()) == set()

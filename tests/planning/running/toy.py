"""A small pipeline in a temporary folder, and how to run things in it. Its stages log their starts and ends.

``plan`` writes one file per stage; ``make`` (a, b), ``alone`` (c: all cores) and ``next`` (after a) read theirs, so
what is stale is known only after ``plan``. WAIT_<name>="start b" lets a stage end only when the log has that line.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from dvc.repo import Repo

from tests.conftest import ROOT

SCRIPT = ROOT / "scripts" / "repro.py"
PIPELINE = """\
stages:
  plan:
    cmd: python plan.py
    deps: [plan.py]
    params:
      - params.yaml:
    outs: [data/plan]
    meta: {local: true}
  make:
    foreach: ${numbers}
    do:
      desc: "${key} is ${item.value}"
      cmd: python make.py ${key}
      deps: [make.py, "data/plan/${key}.json"]
      params: [odd]
      outs: ["out/${key}.txt"]
      metrics:
        - metrics/${key}.json:
            cache: false
  alone:
    cmd: python make.py c
    deps: [make.py, data/plan/c.json]
    outs: [out/c.txt]
    metrics:
      - metrics/c.json:
          cache: false
    meta: {cores: all, memory: 1MB}
  next:
    cmd:
      - echo first line
      - python make.py next
    deps: [out/a.txt, make.py]
    params: [odd]
    outs: [out/next.txt]
    plots:
      - metrics/next.json:
          cache: false
  sum:
    cmd: cat out/*.txt > sum.txt
    deps: [out]
    outs: [sum.txt]
"""
PLAN = """\
import json
from pathlib import Path
from ruamel.yaml import YAML

Path("data/plan").mkdir(parents=True, exist_ok=True)
numbers = YAML(typ="safe").load(Path("params.yaml"))["numbers"] | {"c": {"value": 3}}
for name, row in numbers.items():
    Path(f"data/plan/{name}.json").write_text(json.dumps(row["value"]))
"""
MAKE = """\
import os, sys, time
from pathlib import Path

name = sys.argv[1]
def log(what):
    with open("times.log", "a") as file:
        file.write(f"{what} {name} {os.getpid()}\\n")
log("start")
deadline = time.monotonic() + 60
while (wanted := os.environ.get(f"WAIT_{name}")) and wanted not in Path("times.log").read_text():
    assert time.monotonic() < deadline
    time.sleep(0.02)
plan = Path(f"data/plan/{name}.json")
number = plan.read_text() if plan.exists() else Path("out/a.txt").read_text()
assert number != "0", "zero"
for folder in ("out", "metrics"):
    Path(folder).mkdir(exist_ok=True)
Path(f"out/{name}.txt").write_text(number)
Path(f"metrics/{name}.json").write_text('{"value": ' + number + "}")
log("end")
"""
ODD = """\
odd:
  {rate: 1e-05, share: 0.10, day: '2016-01-01', yes: true, none: null, list: &l [1, [2.5]], again: *l, text: 'a: b # c'}
"""


def write_params(folder: Path, **numbers: int) -> None:
    rows = ", ".join(f"{name}: {{value: {value}}}" for name, value in ({"a": 1, "b": 2} | numbers).items())
    (folder / "params.yaml").write_text(f"numbers: {{{rows}}}\n{ODD}")


def make_toy(folder: Path) -> None:
    """The pipeline in an empty folder, a git and DVC project, nothing run."""
    (folder / "dvc.yaml").write_text(PIPELINE)
    (folder / "plan.py").write_text(PLAN)
    (folder / "make.py").write_text(MAKE)
    write_params(folder)
    call(folder, "git", "init", "-q")
    dvc(folder, "init", "-q")
    (folder / ".dvcignore").write_text("**/.gitignore\n")  # as the project has it: DVC adds lines as stages end


def environment(**more: str) -> dict[str, str]:
    """That of this process, with the Python of this process first."""
    own = {key: value for key, value in os.environ.items() if key != "RAY_ADDRESS"}
    return own | {"PATH": str(Path(sys.executable).parent) + os.pathsep + os.environ["PATH"]} | more


def call(folder: Path, *command: str, code: int = 0, **more: str) -> str:
    """Run to the end; stdout and stderr. ``more`` are variables of the environment."""
    done = subprocess.run(
        command, cwd=folder, env=environment(**more), capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


def dvc(folder: Path, *words: str, code: int = 0) -> str:
    return call(folder, sys.executable, "-m", "dvc", *words, code=code)


def status(folder: Path) -> dict:
    """What `dvc status` says; an empty dict is up to date."""
    with Repo(str(folder)) as repo:
        return repo.status()


def repro(folder: Path, *words: str, jobs: int = 2, code: int = 0, **more: str) -> str:
    return call(folder, sys.executable, str(SCRIPT), "--jobs", str(jobs), *words, code=code, **more)


def log(folder: Path) -> list[str]:
    """Lines such as ``start a`` so far."""
    path = folder / "times.log"
    lines = path.read_text().splitlines() if path.exists() else []
    return [line.rsplit(" ", 1)[0] for line in lines]


def outs(folder: Path) -> dict[str, bytes]:
    """All that the pipeline has made, by path."""
    files = [*folder.glob("data/**/*"), *folder.glob("out/*"), *folder.glob("metrics/*"), folder / "sum.txt"]
    return {str(p.relative_to(folder)): p.read_bytes() for p in files if p.is_file() and p.name != ".gitignore"}

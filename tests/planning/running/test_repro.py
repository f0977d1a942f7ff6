"""scripts/repro.py on a toy pipeline: the bytes of `dvc repro`, side by side, nothing twice, and safe to stop."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from popcast.planning.running.marks import WholeMarks
from tests.planning.running.toy import SCRIPT, call, dvc, environment, log, outs, repro, status, write_params

# b ends only after `next` has started, which needs a: with waves of stages it could not. a waits for b: side by side.
TOGETHER = {"WAIT_a": "start b", "WAIT_b": "start next"}


def start(folder: Path, *words: str, **more: str) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, str(SCRIPT), "--jobs", "2", *words],
        cwd=folder,
        env=environment(**more),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def wait_for(folder: Path, line: str) -> None:
    deadline = time.monotonic() + 60
    while line not in log(folder):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def alive(folder: Path) -> list[int]:
    """Processes of stages that still run."""
    pids = [int(line.rsplit(" ", 1)[1]) for line in (folder / "times.log").read_text().splitlines()]
    return [pid for pid in set(pids) if Path(f"/proc/{pid}/cmdline").exists() and b"make.py" in cmdline(pid)]


def locked(folder: Path) -> dict:
    """Entries of dvc.lock by stage; a half-written file would not parse."""
    path = folder / "dvc.lock"
    return YAML(typ="safe").load(path)["stages"] if path.exists() else {}


def cmdline(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def test_a_ready_queue_leaves_the_bytes_of_dvc_repro(toy, made):
    said = repro(toy, **TOGETHER)
    lines = log(toy)
    assert sorted(lines[:2]) == ["start a", "start b"]
    assert lines.index("start next") < lines.index("end b")
    begin = lines.index("start c")
    assert lines[begin : begin + 2] == ["start c", "end c"]  # cores: all: nothing else meanwhile
    assert begin >= lines.index("end b")
    assert "next| first line" in said
    assert "0 of 6 stages were up to date, 6 ran." in said
    assert "slowest of 6 stages that ran" in said
    assert set(json.loads((toy / ".scratch/repro-times.json").read_text())["make@a"]) == {"seconds", "cpu", "peak"}

    assert outs(toy) == outs(made)
    assert (toy / "dvc.lock").read_bytes() == (made / "dvc.lock").read_bytes()
    for cached in (made / ".dvc/cache").rglob("*"):
        assert (toy / ".dvc/cache" / cached.relative_to(made / ".dvc/cache")).exists()
    assert status(toy) == {}
    assert "6 of 6 stages were up to date, 0 ran." in repro(toy)
    dvc(toy, "repro", "-q")
    assert log(toy) == lines
    for name in (".gitignore", "out/.gitignore"):  # DVC adds a line per out when its stage ends
        assert sorted((toy / name).read_text().split()) == sorted((made / name).read_text().split())


def test_what_is_stale_is_known_after_the_plan(made):
    """plan runs again and rewrites one file: what reads the others does not run. Going back runs nothing."""
    before = (made / "dvc.lock").read_bytes()
    write_params(made, b=5)
    assert repro(made, "--dry").splitlines()[0] == "would run plan"
    said = repro(made)
    assert log(made) == ["start b", "end b"]
    assert "3 of 6 stages were up to date, 3 ran." in said
    assert (made / "sum.txt").read_text() == "1531"
    assert list(locked(made)) == list(YAML(typ="safe").load(before)["stages"])
    assert status(made) == {}

    write_params(made)
    said = repro(made)
    assert "3 of 6 stages were up to date, 0 ran, 3 came from the run cache." in said
    assert log(made) == ["start b", "end b"]
    assert (made / "sum.txt").read_text() == "1231"
    assert json.loads((made / "metrics/b.json").read_text()) == {"value": 2}
    assert (made / "dvc.lock").read_bytes() == before


def test_the_same_plan_stops_at_the_plan(made):
    with (made / "params.yaml").open("a") as params:
        params.write("unused: 1\n")
    assert "5 of 6 stages were up to date, 1 ran." in repro(made)
    assert log(made) == []


def test_lost_and_changed_outs_come_back_from_the_cache(made):
    whole, lock = outs(made), (made / "dvc.lock").read_bytes()
    (made / "out/a.txt").unlink()
    (made / "sum.txt").write_text("by hand")
    (made / "metrics/b.json").unlink()
    assert "3 of 6 stages were up to date, 0 ran, 3 came from the run cache." in repro(made)
    assert outs(made) == whole
    assert (made / "dvc.lock").read_bytes() == lock


def test_targets_need_only_what_they_need(toy):
    assert "0 of 2 stages were up to date, 2 ran." in repro(toy, "out/a.txt")
    assert log(toy) == ["start a", "end a"]
    assert "2 of 3 stages were up to date, 1 ran." in repro(toy, "next")
    assert log(toy)[2:] == ["start next", "end next"]


def test_a_failure_stops_what_follows_and_keep_going_goes_on(toy):
    write_params(toy, a=0)
    said = repro(toy, jobs=1, code=1, WAIT_b="")
    assert said.splitlines()[-1] == "error: stage failed: make@a: exit code 1"
    assert "  AssertionError: zero" in said
    assert not (toy / "sum.txt").exists()
    assert not (toy / "out/next.txt").exists()

    said = repro(toy, "--keep-going", jobs=1, code=1)
    assert {"end b", "end c"} <= set(log(toy))
    assert log(toy).count("start a") == 2
    assert log(toy).count("start b") == 1  # made before or after the failure, and once
    assert "next" not in " ".join(log(toy))
    write_params(toy, a=4)
    repro(toy)
    assert (toy / "sum.txt").read_text() == "4234"


def test_a_stop_ends_the_stages_and_a_new_start_goes_on(toy):
    for signum in (signal.SIGINT, signal.SIGTERM):
        begun = log(toy).count("start b")
        runner = start(toy, WAIT_b="never")
        while "next" not in locked(toy) or log(toy).count("start b") == begun:
            time.sleep(0.02)
        runner.send_signal(signum)
        said, _ = runner.communicate(timeout=60)
        assert runner.returncode == 128 + signum, said
        assert "a new start goes on" in said
        assert alive(toy) == []
        assert "make@b" not in locked(toy)
    repro(toy)
    assert [log(toy).count(f"start {name}") for name in ("a", "b", "c", "next")] == [1, 3, 1, 1]
    assert status(toy) == {}


def test_a_killed_runner_leaves_a_whole_lock(toy, made):
    runner = start(toy, WAIT_b="never")
    wait_for(toy, "end next")
    runner.kill()
    runner.communicate()
    for pid in alive(toy):
        os.kill(pid, signal.SIGKILL)
    assert "sum" not in locked(toy)
    repro(toy)
    assert log(toy).count("start a") == 1
    assert (toy / "dvc.lock").read_bytes() == (made / "dvc.lock").read_bytes()
    assert status(toy) == {}


@pytest.mark.parametrize(
    "left", ["", '{"read": {"', '{"write": {"/p": {"pid": 1}', "\0\0"], ids=["empty", "cut", "open", "nul"]
)
def test_marks_that_a_kill_cut_short_are_replaced(made, left):
    marks = made / ".dvc/tmp/rwlock"
    marks.write_text(left)
    write_params(made, b=5)
    assert "3 of 6 stages were up to date, 3 ran." in repro(made)
    assert json.loads(marks.read_text()) == {}
    assert status(made) == {}


def test_marks_are_whole_at_every_moment(tmp_path):
    """Who dies while writing leaves those of before."""
    path = tmp_path / "rwlock"
    path.write_text('{"read": {}}')
    with WholeMarks(os.path).open(str(path), "w") as marks:
        marks.write("{}")
        assert path.read_text() == '{"read": {}}'
    assert path.read_text() == "{}"

    def dies() -> None:
        with WholeMarks(os.path).open(str(path), "w") as marks:
            marks.write('{"read": ')
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        dies()
    assert os.listdir(tmp_path) == ["rwlock"]
    assert path.read_text() == "{}"


def test_another_dvc_is_kept_from_a_running_stage_and_may_do_the_rest(toy):
    runner = start(toy, WAIT_b="go on")
    wait_for(toy, "end next")
    assert "is busy" in dvc(toy, "repro", "make@b", code=255)
    with (toy / "times.log").open("a") as lines:
        lines.write("go on b 0\n")
    said, _ = runner.communicate(timeout=60)
    assert runner.returncode == 0, said
    assert status(toy) == {}


def test_a_missing_out_is_a_failure(made):
    text = (made / "dvc.yaml").read_text().replace("cat out/*.txt > sum.txt", "echo nothing")
    (made / "dvc.yaml").write_text(text)
    said = repro(made, code=1)
    assert said.splitlines()[-1] == "error: stage failed: sum: output 'sum.txt' does not exist"


def test_broken_times_are_ignored(made):
    (made / ".scratch").mkdir()
    (made / ".scratch/repro-times.json").write_text('{"make@a": {"seconds": "long"}, "plan": 3, "sum"')
    assert "6 of 6" in repro(made)


def test_errors_are_one_line(made, tmp_path):
    empty = tmp_path / "empty"
    empty.mkdir()
    assert repro(empty, code=1).startswith("error: you are not inside of a DVC repository")
    said = repro(made, "nowhere", code=1)
    assert said == "error: 'nowhere' is no stage and no output of dvc.yaml\n"
    (made / "dvc.yaml").write_text("stages:\n  a: {cmd: [}\n")
    said = repro(made, code=1)
    assert said.startswith("error: dvc.yaml: not valid YAML: ")
    assert said.count("\n") == 1
    (made / "dvc.yaml").write_text("stages:\n  a: {cmd: 'true', meta: {memory: much}}\n")
    assert (
        repro(made, code=1)
        == "error: stage a: meta.memory: got 'much', expected GB as a number or a text such as '4GB'\n"
    )
    call(made, sys.executable, str(SCRIPT), "--jobs", "0", code=2)

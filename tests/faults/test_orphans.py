"""Processes whose parent was killed alone end; two starts of one stage never work in one folder."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from popcast.core import paths
from popcast.core.errors import BadInput
from popcast.core.safety import folder_lock
from popcast.core.scratch import Scratch
from tests.conftest import ROOT
from tests.faults.stage_runs import until
from tests.planning.running.toy import call, dvc, environment
from tests.plans import write_plan

HERE = {"PYTHONPATH": os.pathsep.join((str(ROOT / "src"), str(ROOT)))}
"""For processes in other folders."""


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def started(folder: Path, count: int) -> list[int]:
    """Process ids that sleepers have written into ``folder``, as soon as there are ``count``."""
    assert until(90, lambda: len(list(folder.glob("pid-*"))) >= count), sorted(folder.iterdir())
    return [int(path.name.removeprefix("pid-")) for path in folder.glob("pid-*")]


def sleep_here(folder: str) -> None:
    """What a worker does that nobody ends."""
    Path(folder, f"pid-{os.getpid()}").touch()
    time.sleep(120)


POOL = """
import sys
from popcast.core.engine import map_shards
from tests.faults.test_orphans import sleep_here
if __name__ == "__main__":
    map_shards(sleep_here, [sys.argv[1]] * 4, None)
"""


def test_workers_end_when_their_parent_is_killed_alone(tmp_path):
    script = tmp_path / "pool.py"
    script.write_text(POOL)
    parent = subprocess.Popen(
        [sys.executable, str(script), str(tmp_path)], env=environment(POPCAST_ENGINE="process", **HERE)
    )
    workers = started(tmp_path, 2)
    assert parent.pid not in workers
    parent.kill()
    parent.wait()
    assert until(10, lambda: not any(map(alive, workers)))


SLEEPER = """
from pathlib import Path
from popcast.core.stage import stage
from tests.faults.test_orphans import sleep_here

@stage
def main(plan):
    sleep_here(str(Path.cwd()))

if __name__ == "__main__":
    main()
"""
LAUNCH = "import subprocess, sys; subprocess.run([sys.executable, 'sleeper.py'])"


@pytest.fixture
def sleeper(tmp_path, monkeypatch) -> Path:
    """A folder with a stage that sleeps."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sleeper.py").write_text(SLEEPER)
    write_plan("sleeper", "all", {})
    return tmp_path


LINES = tuple(line.format(f"{sys.executable} sleeper.py") for line in ("{}", "{}; true", "sh -c '{}; true'; true"))
"""Lines of shell with none, one and two shells that stay between the stage and who started the line."""


@pytest.mark.parametrize(
    "run", [LAUNCH, *(f"import subprocess; subprocess.run({line!r}, shell=True)" for line in LINES)]
)
@pytest.mark.parametrize(("more", "ends"), [({"DVC_STAGE": "sleeper"}, True), ({"LOCAL_RANK": "0"}, True), ({}, False)])
def test_a_stage_ends_with_who_waits_for_it_and_one_started_by_hand_goes_on(sleeper, run, more, ends):
    clean = {name: value for name, value in environment(**HERE).items() if name not in ("DVC_STAGE", "LOCAL_RANK")}
    launcher = subprocess.Popen([sys.executable, "-c", run], env=clean | more)
    [stage] = started(sleeper, 1)
    launcher.kill()
    launcher.wait()
    ended = until(10 if ends else 2, lambda: not alive(stage))
    if not ended:
        os.kill(stage, signal.SIGKILL)
    assert ended == ends


@pytest.mark.slow
@pytest.mark.parametrize("shell", ["/bin/bash", "/bin/sh", None])
@pytest.mark.parametrize("who", ["dvc", "runner"])
def test_a_stage_ends_when_dvc_or_our_runner_is_killed_alone(sleeper, who, shell):
    """Some shells become the stage, some stay between it and who waits for it; without SHELL it is /bin/sh."""
    if shell is not None and not Path(shell).exists():
        pytest.skip(f"no {shell} here")
    (sleeper / "dvc.yaml").write_text("stages: {sleeper: {cmd: python sleeper.py, outs: [never]}}\n")
    call(sleeper, "git", "init", "-q")
    dvc(sleeper, "init", "-q")
    command = ["-m", "dvc", "repro"] if who == "dvc" else [str(ROOT / "scripts" / "repro.py")]
    told = environment(**HERE)
    told.pop("SHELL", None)
    told |= {} if shell is None else {"SHELL": shell}
    launcher = subprocess.Popen([sys.executable, *command], env=told, start_new_session=True)
    [stage] = started(sleeper, 1)
    launcher.kill()
    launcher.wait()
    assert until(10, lambda: not alive(stage))


@pytest.mark.slow
def test_processes_that_train_together_end_with_their_launcher(sleeper):
    command = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2", "sleeper.py"]
    launcher = subprocess.Popen([sys.executable, *command], env=environment(**HERE), stderr=subprocess.DEVNULL)
    ranks = started(sleeper, 2)
    launcher.kill()
    launcher.wait()
    assert until(10, lambda: not any(map(alive, ranks)))


# one process at a time in a folder

HOLDER = """
import sys, time
from pathlib import Path
from popcast.core.safety import folder_lock
folder_lock.take(Path(sys.argv[1]))
print("taken", flush=True)
time.sleep(120)
"""
WAITER = HOLDER.replace("folder_lock.take", 'print("waits", flush=True)\nfolder_lock.take')


@pytest.fixture
def scratch(tmp_path, monkeypatch) -> Scratch:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(folder_lock, "PATIENCE", 0.3)
    return Scratch(write_plan("train", "a", {}), [])


def hold(folder: Path) -> subprocess.Popen:
    """Another process that holds ``folder``."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(folder)], env=environment(**HERE), stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "taken\n"
    return process


def test_a_second_start_is_refused_in_one_line_until_the_first_has_ended(scratch):
    first = hold(scratch.folder)
    (scratch.folder / "piece.npy").write_bytes(b"of the first")
    with pytest.raises(BadInput) as caught, scratch:
        pass
    line = f"{scratch.folder}: process {first.pid} works in this folder: the same stage runs twice: expected one at a"
    assert str(caught.value) == f"{line} time: wait for it, or end it"
    assert (scratch.folder / "piece.npy").exists()
    first.kill()
    first.wait()
    with scratch:
        assert (scratch.folder / "piece.npy").exists()
    assert not scratch.folder.exists()


def test_who_waits_for_a_folder_that_goes_gets_a_fresh_one(scratch, monkeypatch):
    monkeypatch.setattr(folder_lock, "PATIENCE", 30.0)
    with scratch:
        (scratch.folder / "piece.npy").touch()
        other = subprocess.Popen(
            [sys.executable, "-c", WAITER, str(scratch.folder)], env=environment(**HERE), stdout=subprocess.PIPE
        )
        assert other.stdout.readline() == b"waits\n"
        time.sleep(0.5)  # ten tries
        assert other.poll() is None
    assert other.stdout.readline() == b"taken\n"
    assert [path.name for path in scratch.folder.iterdir()] == [folder_lock.FILE]
    other.kill()
    other.wait()


def test_one_process_may_hold_several_folders_and_one_of_them_twice(scratch):
    plan = write_plan("train", "a", {})
    with Scratch(plan, [], part="one") as one, Scratch(plan, [], part="two") as two:
        assert one.folder != two.folder
        with Scratch(plan, [], part="one") as again:
            assert again.folder == one.folder
            (two.folder / "piece.npy").touch()
        assert (two.folder / "piece.npy").exists()
    assert not any(path.is_dir() for path in paths.SCRATCH.iterdir())


def test_processes_that_train_together_share_the_folder(scratch, monkeypatch):
    first = hold(scratch.folder)
    monkeypatch.setenv("RANK", "1")
    with Scratch(write_plan("train", "a", {}), []) as second:
        assert second.folder == scratch.folder
    first.kill()
    first.wait()


def test_a_disk_without_locks_lends_the_folder(scratch, monkeypatch):
    def no_locks(*_) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr("fcntl.flock", no_locks)
    with scratch:
        assert scratch.folder.is_dir()
    assert not scratch.folder.exists()

"""Stages of a finished project, run again one by one as DVC would: outs removed before, hashes compared after."""

from __future__ import annotations

import hashlib
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import click

from popcast.planning.running.plain_stages import PlainStage, read_stages, read_yaml
from tests.clone import environment, tiny_clone

PATIENCE = 20.0
"""Seconds that a run may take longer than three undisturbed ones before it counts as hanging."""
LEFT_OUT = (".git", ".dvc", ".scratch", "__pycache__")


@dataclass(frozen=True)
class Done:
    """How a run ended: exit code, stdout, stderr, seconds."""

    code: int
    out: str
    err: str
    seconds: float


@dataclass(frozen=True)
class Project:
    """A finished project in ``folder``."""

    folder: Path

    def copied_to(self, folder: Path) -> Project:
        """The same project, its outs too, without git, cache and scratch."""
        shutil.copytree(self.folder, folder, symlinks=True, ignore=shutil.ignore_patterns(*LEFT_OUT))
        return Project(folder)

    @property
    def stages(self) -> dict[str, PlainStage]:
        """Every stage by name, in the order of dvc.yaml."""
        raw, params = (read_yaml(str(self.folder / name)) for name in ("dvc.yaml", "params.yaml"))
        return read_stages(raw["stages"], params)

    def digests(self, stage: PlainStage) -> dict[str, str]:
        """Hash of every file of a stage's outs, whatever its name."""
        found = {}
        for out in stage.outs:
            path = self.folder / out
            for file in [path] if path.is_file() else sorted(path.rglob("*")):
                if file.is_file() and file.name != ".gitignore":
                    found[file.relative_to(self.folder).as_posix()] = hashlib.sha256(file.read_bytes()).hexdigest()
        return found

    def remove_outs(self, stage: PlainStage) -> None:
        for out in stage.outs:
            path = self.folder / out
            if path.is_dir():
                shutil.rmtree(path)
            path.unlink(missing_ok=True)
            path.parent.mkdir(parents=True, exist_ok=True)

    def start(self, stage: PlainStage, wrapper: tuple[str, ...] = (), **more: str) -> subprocess.Popen:
        """Start the command of a stage as DVC does. wrapper: words between ``python -m`` and the stage's module."""
        [line] = stage.lines
        python, dash_m, *words = shlex.split(line)
        assert (python, dash_m) == ("python", "-m"), line
        return subprocess.Popen(
            [sys.executable, "-m", *wrapper, *words], cwd=self.folder, text=True, errors="replace",
            env=environment() | {"DVC_STAGE": stage.name} | more, start_new_session=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip

    def run(self, stage: PlainStage, limit: float, wrapper: tuple[str, ...] = (), **more: str) -> Done:
        """Run a stage to its end; one that takes longer than ``limit`` seconds is killed and fails the drill."""
        return wait(self.start(stage, wrapper, **more), stage.name, limit)

    def unfinished(self, stage: PlainStage) -> list[str]:
        """Files and folders under temporary names beside or below the outs of a stage."""
        return sorted(
            {
                path.relative_to(self.folder).as_posix()
                for out in stage.outs
                for path in (self.folder / out).parent.rglob("*.part")
            }
        )

    def pieces(self) -> list[str]:
        """Folders of pieces that wait for a next start."""
        scratch = self.folder / ".scratch"
        return sorted(path.name for path in scratch.iterdir() if path.is_dir()) if scratch.exists() else []

    def processes(self) -> list[int]:
        """Processes that work in the project's folder."""
        here = self.folder.resolve()
        return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit() and _works_in(entry, here)]


def _works_in(entry: Path, folder: Path) -> bool:
    """Whether a process (its folder below /proc) works in ``folder``; one that has ended does not."""
    try:
        ended = (entry / "stat").read_text().rpartition(")")[2].split()[0] == "Z"
        return not ended and Path(os.readlink(entry / "cwd")) == folder
    except OSError:
        return False


def wait(process: subprocess.Popen, name: str, limit: float) -> Done:
    """Wait for a run; AssertionError, and the end of the run, after ``limit`` seconds."""
    begin = time.monotonic()
    try:
        out, err = process.communicate(timeout=limit)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        out, err = process.communicate()
        raise AssertionError(f"{name} hangs: not done after {limit:.0f} s\n{err[-2000:]}") from None
    return Done(process.returncode, out, err, time.monotonic() - begin)


def limit_of(seconds: float) -> float:
    """Seconds after which a run that takes ``seconds`` undisturbed counts as hanging."""
    return PATIENCE + 3 * seconds


def until(seconds: float, holds: Callable[[], object]) -> bool:
    """Whether ``holds()`` becomes true within ``seconds``."""
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def error_line(done: Done, name: str) -> str:
    """The one line that a failed run says; AssertionError where it says more, a traceback or nothing."""
    lines = [line for line in done.err.splitlines() if not _harmless(line)]
    assert done.code == 1, f"{name}: exit code {done.code}\n{done.out[-500:]}{done.err[-3000:]}"
    assert len(lines) == 1, f"{name}: {len(lines)} lines\n{done.err[-3000:]}"
    assert lines[0].startswith("error: "), f"{name}: {lines[0]}"
    return lines[0]


HARMLESS = re.compile(r"\d+%\||it/s|Warning: |^\s+warnings\.warn")
"""Progress bars, and warnings that a stage gives on a healthy disk too."""


def _harmless(line: str) -> bool:
    return not line.strip() or HARMLESS.search(line) is not None


def drill_options(rounds: int) -> Callable[[Callable], Callable]:
    """What drills take on the command line: ``stages``, ``rounds`` (this many), ``seed``, ``project``."""
    a_project = click.Path(path_type=Path, exists=True)
    options = (
        click.argument("stages", nargs=-1),
        click.option("--rounds", default=rounds, show_default=True),
        click.option("--seed", default=0, show_default=True),
        click.option("--project", type=a_project, help="a finished project; else one is made"),
    )

    def given(command: Callable) -> Callable:
        for option in reversed(options):
            command = option(command)
        return command

    return given


@contextmanager
def finished(project: Path | None) -> Iterator[tuple[Project, Path]]:
    """A finished project, made if none is given, and an empty folder that goes at the end."""
    with tempfile.TemporaryDirectory() as folder:
        if project is None:
            clone = tiny_clone(Path(folder) / "made")
            clone.repro("--plain")
            project = clone.folder
        yield Project(project), Path(folder) / "work"


def say(line: str) -> None:
    """Print at once: a drill is watched while it runs."""
    print(line, flush=True)

"""The drill of full disks: a stage that finds no room says so in one line, leaves nothing, and then goes on.

    python -m tests.faults.full_disks --rounds 40 --seed 0 [--project FOLDER] [STAGE ...]

A round takes a stage of a finished project and runs it with less room than its outs need: on a small tmpfs where
mounting is allowed, or with a limit on the size of files. Then it runs again with room, and its outs must be those of
before. A second line, a traceback, a run that hangs, anything half-written ends the drill with an AssertionError.
"""

from __future__ import annotations

import random
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from popcast.planning.running.plain_stages import PlainStage
from tests.faults.stage_runs import Project, drill_options, error_line, finished, limit_of, say

LIMITED = "tests.faults.limited"
PAGE = 4096
NO_ROOM = ("No space left on device", "File too large", "it was cut short", "disk full", "disk is full")


@contextmanager
def small_disk(folder: Path, size: int) -> Iterator[Path]:
    """A tmpfs of ``size`` bytes at ``folder``. OSError, with the reason, where this process may not mount."""
    folder.mkdir(parents=True, exist_ok=True)
    options = ["-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    if shutil.which("mount") is None:
        raise OSError("no program mount")
    done = subprocess.run(["mount", *options], capture_output=True, text=True, check=False)
    if done.returncode:
        raise OSError(" ".join((done.stderr or f"mount: exit code {done.returncode}").split()))
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=False)


def leave_room(disk: Path, room: int | None) -> None:
    """Leave ``room`` bytes free on a tmpfs; None: plenty."""
    used = shutil.disk_usage(disk).used
    size = used + (1 << 28 if room is None else room)
    subprocess.run(["mount", "-o", f"remount,size={size}", str(disk)], check=True)


def on_disk(project: Project, stage: PlainStage, disk: Path) -> Project:
    """The project with nothing but links in ``disk``: what the stage writes is all that it holds."""
    folder = disk / "project"
    folder.mkdir()
    for name in ("src", "stages", "params.yaml", "requirements.txt", "tests"):
        (folder / name).symlink_to((project.folder / name).resolve())
    for dep in stage.deps:
        place = folder / dep
        if not place.exists():
            place.parent.mkdir(parents=True, exist_ok=True)
            place.symlink_to((project.folder / dep).resolve())
    return Project(folder)


def sizes(project: Project, stage: PlainStage) -> list[int]:
    """Bytes of every file of a stage's outs."""
    return [(project.folder / name).stat().st_size for name in project.digests(stage)]


def by_disk(project: Project, stage: PlainStage, share: float, disk: Path) -> str:
    """A run on ``disk`` with room for ``share`` of the outs, and one with room. Returns the error line."""
    with small_disk(disk, 1 << 28):
        (disk / "filler").write_bytes(b"x")  # a tmpfs of size 0 would have no limit
        here = on_disk(project, stage, disk)
        here.remove_outs(stage)
        leave_room(disk, int(share * sum(-(-size // PAGE) * PAGE for size in sizes(project, stage))) // PAGE * PAGE)
        failed = here.run(stage, limit_of(120))
        return _goes_on(here, project, stage, failed, lambda: leave_room(disk, None))


def by_limit(project: Project, stage: PlainStage, share: float, folder: Path) -> str:
    """A run with files of at most ``share`` of the largest out, and one without limit. Returns the error line."""
    folder.mkdir()
    here = on_disk(project, stage, folder)
    here.remove_outs(stage)
    limit = max(int(share * max(sizes(project, stage))), 1)
    failed = here.run(stage, limit_of(120), (LIMITED, str(limit)))
    return _goes_on(here, project, stage, failed, lambda: None)


def _goes_on(here: Project, whole: Project, stage: PlainStage, failed, make_room) -> str:
    line = error_line(failed, stage.name)
    assert any(text in line for text in NO_ROOM), f"{stage.name}: {line}"
    assert ".part" not in line, f"{stage.name}: {line}"
    expected, left = whole.digests(stage), here.digests(stage)
    assert left.items() <= expected.items(), f"{stage.name}: {line}\nleft {sorted(left.keys() - expected.keys())}"
    parts = [path for path in here.folder.rglob("*.part") if not path.is_symlink()]
    assert not parts, f"{stage.name}: {line}\nleft {parts}"
    make_room()
    done = here.run(stage, limit_of(120))
    assert done.code == 0, f"{stage.name}: {line}\n{done.err[-3000:]}"
    assert here.digests(stage) == expected, f"{stage.name}: {line}\nother bytes with room"
    assert not here.pieces(), f"{stage.name}: {here.pieces()}"
    return line


def drill(project: Project, rounds: int, seed: int, stages: list[str], work: Path, say=print) -> Counter:
    """``rounds`` rounds over ``stages`` (all where empty), by disk and by limit in turn; what happened, counted."""
    chance, known, counts = random.Random(seed), project.stages, Counter()
    names = stages or [name for name in known if name != "plan"]
    order: list[str] = []
    while len(order) < rounds:
        order += chance.sample(names, len(names))
    for number, name in enumerate(order[:rounds]):
        share = chance.choice((0.0, chance.uniform(0.0, 0.9)))
        by = (by_disk, by_limit)[(number + number // len(names)) % 2]
        line = by(project, known[name], share, work / f"{number}")
        counts[by.__name__] += 1
        say(f"{number + 1:3} {name} {by.__name__} {share:.2f}: {line}")
    return counts


@click.command(help=__doc__.split("\n", 1)[0])
@drill_options(rounds=40)
def main(stages: tuple[str, ...], rounds: int, seed: int, project: Path | None) -> None:
    with finished(project) as (made, work):
        try:
            counts = drill(made, rounds, seed, list(stages), work, say)
        except OSError as error:
            sys.exit(f"error: no small disk: {error}")
    print(", ".join(f"{count} {what}" for what, count in sorted(counts.items())) + ": one line each, nothing left")


if __name__ == "__main__":
    main()

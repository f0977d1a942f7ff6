"""One run of the pipeline from loading its stages to the durations that are kept: what ``scripts/repro.py`` and
``popcast run`` share."""

from __future__ import annotations

import os
import subprocess

from popcast.planning.running.launchers import Launcher
from popcast.planning.running.progress import Progress, read_times, write_times
from popcast.planning.running.ready_queue import ReadyQueue, Room, Task, claim_of
from popcast.planning.running.stage_runner import Runner, summary
from popcast.planning.running.stages import StageError, Stages
from popcast.planning.running.template_values import check_template_values

ENDLESS = Room(10**6, 1e9, 10**6)  # what other machines may have; a launcher knows what they have


def machine(jobs: int) -> Room:
    """Room for stages: ``jobs`` cores, all memory in GB, GPUs; a machine without GPU runs GPU stages one at a time."""
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 1e9
    try:
        listed = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, check=False).stdout
    except FileNotFoundError:
        listed = ""
    return Room(jobs, memory, max(sum(line.startswith("GPU ") for line in listed.splitlines()), 1))


def queue_of(stages: Stages, room: Room, elsewhere: bool) -> ReadyQueue:
    """The stages as tasks with claims and expected durations. A stage elsewhere claims one job and nothing here."""
    times = read_times()
    tasks = []
    for row in stages.rows:
        claim = Room() if elsewhere else claim_of(row.name, row.meta, room)
        seconds = times[row.name].seconds if row.name in times else 1.0
        tasks.append(Task(row.name, row.needs, claim, seconds))
    return ReadyQueue(tasks, room)


def load(plain: bool, targets: tuple[str, ...]) -> Stages:
    check_template_values()
    if plain:
        from popcast.planning.running.plain_stages import PlainStages

        return PlainStages(targets)
    from popcast.planning.running.dvc_stages import DvcStages

    return DvcStages(targets)


def follow(
    stages: Stages,
    queue: ReadyQueue,
    launcher: Launcher,
    asked: dict[str, Room],
    keep_going: bool,
    progress: Progress | None = None,
) -> Runner:
    """Run and tell about it; durations are kept even if the run is interrupted. progress: another teller."""
    with progress or Progress(len(stages.rows)) as progress:
        runner = Runner(stages, queue, launcher, progress, asked=asked, keep_going=keep_going)
        try:
            runner.run()
        except StageError as error:
            if not runner.problems:
                raise
            runner.problems["after that"] = str(error)
        finally:
            if done := {name: progress.timings[name] for name in queue.named("done") if name in progress.timings}:
                write_times(read_times() | done)
        for name in runner.problems:
            progress.tail(name)
        progress.end(summary(runner))
    return runner

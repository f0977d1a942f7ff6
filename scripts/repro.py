"""Run the pipeline: ``python scripts/repro.py``, what ``make repro`` calls.

    python scripts/repro.py                          all stages, as many side by side as there are cores
    python scripts/repro.py --jobs 1 report          the stage `report` and what it needs, one after the other
    python scripts/repro.py --dry                    what would run, as far as known now
    python scripts/repro.py --launch "srun -n1"      every command in a Slurm job step (the folder must be shared)
    python scripts/repro.py --launch "sbatch -W -c4" every command a Slurm batch job
    python scripts/repro.py --launch "sky exec dev"  every command on a cluster of SkyPilot
    python scripts/repro.py --launch ray             every command a task of Ray: of RAY_ADDRESS or a local cluster
    python scripts/repro.py --plain                  without DVC: no cache, no lock, every stage runs

A stage starts as soon as what it needs is done and its ``meta: {cores: 2 | all, memory: 4GB, gpu: 1}`` fits the machine
(one core is the default). The outs, dvc.lock and the cache are those of ``dvc repro``. ``meta: {local: true}`` keeps a
stage on this machine whatever ``--launch`` says. After a failure nothing new starts and what runs is waited for.
Exit code: 0, 1 after a failure, 130 or 143 when interrupted.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "src"))

from popcast.core.errors import one_line
from popcast.planning.running.launchers import launcher_for
from popcast.planning.running.pipeline_run import ENDLESS, follow, load, machine, queue_of
from popcast.planning.running.ready_queue import claim_of
from popcast.planning.running.stage_runner import Stopped
from popcast.planning.running.stages import MUST_RUN, StageError, Stages


def print_dry(stages: Stages) -> None:
    """Stages that would run now, and those that depend on them and would be looked at then."""
    open_names: set[str] = set()
    with stages.turn():
        for row in stages.rows:
            if behind := sorted(row.needs & open_names):
                open_names.add(row.name)
                print(f"would look at {row.name} after {', '.join(behind)}")
            elif stages.would(row.name) == MUST_RUN:
                open_names.add(row.name)
                print(f"would run {row.name}")
    print(f"{len(stages.rows) - len(open_names)} of {len(stages.rows)} stages are up to date.")


@click.command(help=__doc__.split("\n", 1)[0])
@click.argument("targets", nargs=-1)
@click.option("--jobs", type=click.IntRange(min=1), help="cores to use, or jobs at a time with --launch  [all cores]")
@click.option("--keep-going", is_flag=True, help="after a failure go on with stages that do not depend on it")
@click.option("--launch", metavar="PREFIX", help='where commands run: "srun -n1", "sbatch -W", "sky exec ..." or ray')
@click.option("--plain", is_flag=True, help="without DVC: every stage runs, nothing is cached or locked")
@click.option("--dry", is_flag=True, help="say what would run, as far as known now")
def main(
    targets: tuple[str, ...], jobs: int | None, keep_going: bool, launch: str | None, plain: bool, dry: bool
) -> None:
    try:
        stages = load(plain, targets)
        if dry:
            print_dry(stages)
            return
        room = machine(jobs or len(os.sched_getaffinity(0)))
        asked = {row.name: claim_of(row.name, row.meta, ENDLESS if launch else room) for row in stages.rows}
        queue = queue_of(stages, room, bool(launch))
        launcher = launcher_for(launch)
        runner = follow(stages, queue, launcher, asked, keep_going)
    except (StageError, ValueError) as error:
        sys.exit(f"error: {one_line(str(error))}")
    except Stopped as stopped:
        print(f"error: interrupted by {stopped}; a new start goes on", file=sys.stderr)
        sys.exit(128 + stopped.signum)
    if runner.problems:
        sys.exit("error: stage failed: " + "; ".join(f"{name}: {why}" for name, why in runner.problems.items()))


if __name__ == "__main__":
    main()

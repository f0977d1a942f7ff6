"""``popcast run my.yaml``: use, check, run and show, with one progress bar."""

from __future__ import annotations

import contextlib
import io
import os
import sys
from pathlib import Path

import click
from rich.console import Console

from popcast.commands.budget_option import Budget
from popcast.commands.hand_made_changes import keep_changes, note_made
from popcast.commands.lay_over import lay_over, readable
from popcast.commands.own_copies import OWN, refresh
from popcast.commands.run_results import print_results
from popcast.core import paths
from popcast.core.errors import BadInput, bad_input, one_line
from popcast.core.safety.whole_files import write_whole
from popcast.core.stage import one_line_errors
from popcast.planning import project_params

PROJECT = (paths.PARAMS, Path("dvc.yaml"), Path("stages"), Path(".dvc"))
"""What the root of a popcast project has."""


@click.command()
@click.argument("overlay", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--raw", type=click.Path(file_okay=False, path_type=Path), help="folder for the word RAW in the overlay")
@click.option("--jobs", type=click.IntRange(min=1), help="cores to use  [default: all]")
@click.option("--budget", type=Budget(), help="choose blocks, runs and blend anew for this time, such as 20m")
@one_line_errors
def run(overlay: Path, raw: Path | None, jobs: int | None, budget: float | None) -> None:
    """Lay OVERLAY over params.yaml, run all its stages, and show the leaderboard.

    Interrupted, it goes on where it stopped when started again. Changes of params.yaml made by hand are kept in
    params.yaml.bak; files that git knows are not committed.
    """
    check_project()
    if not overlay.is_file():
        raise bad_input("no such file", file=overlay, expected="an overlay, as popcast init writes it")
    if budget is not None:
        overlay = with_budget(overlay, budget)
    prepared(overlay, raw)
    check_files(project_params.load())
    console = Console(highlight=False, markup=False, emoji=False)
    own_python_first()
    run_stages(jobs or len(os.sched_getaffinity(0)), console)
    print_results(project_params.load(), console)


def check_project() -> None:
    """Raise BadInput where the current folder is no popcast project."""
    missing = [str(path) for path in PROJECT if not path.exists()]
    if missing:
        raise BadInput(
            f"{Path.cwd()}: no popcast project, {', '.join(missing)} not found: run this from the root of a clone of "
            "popcast, or use popcast.Forecaster in Python"
        )


def prepared(overlay: Path, raw: Path | None) -> None:
    """params.yaml with the overlay laid over it and checked; as it was before where that is refused."""
    before, settings = paths.PARAMS.read_bytes(), readable()
    kept = keep_changes()
    if kept is not None:
        print(f"{paths.PARAMS} had changes: they are kept in {kept}", file=sys.stderr)
    try:
        with contextlib.redirect_stdout(io.StringIO()):  # said by the bar and the results
            lay_over(overlay, raw, settings)
    except BaseException:
        write_whole(before, paths.PARAMS)
        raise
    note_made()


def with_budget(overlay: Path, budget: float) -> Path:
    """A copy of the overlay below .scratch with sections chosen anew. Raises BadInput for other than one table."""
    from popcast.commands.made_overlay import read_posts
    from popcast.commands.overlay_text import overlay_text
    from popcast.core.params import parse
    from popcast.core.yaml_reading import read_yaml
    from popcast.datasets.params import Dataset
    from popcast.planning.choosing.pipeline_choice import choose, facts_of

    sections = read_yaml(overlay)
    datasets = sections.get("datasets") if isinstance(sections, dict) else None
    if not isinstance(datasets, dict) or len(datasets) != 1:
        raise bad_input("--budget: not one dataset in it", file=overlay, field="datasets", expected="one table")
    ((name, values),) = datasets.items()
    posts, _ = read_posts(name, parse(Dataset, values, f"datasets.{name}"))
    chosen = choose(name, facts_of(posts), budget, values.get("raw"))
    place = paths.SCRATCH / f"{overlay.stem}-budget.yaml"
    place.parent.mkdir(parents=True, exist_ok=True)
    head = [f"{overlay.name} with blocks, runs and blend for a budget of {budget:g} seconds"]
    write_whole(overlay_text({**sections, **chosen}, head).encode("utf-8"), place)
    print(f"splits, blocks, runs and blend of {overlay} are chosen anew for this run: {place}")
    return place


def check_files(params: project_params.Params) -> None:
    """Copy again what has changed where copies are made of; raise BadInput where a raw folder is gone."""
    for name, dataset in params.datasets.items():
        raw = Path(dataset.raw)
        if raw == OWN / name:
            for file in refresh(name):
                print(one_line(f"{file} has changed: read again"))
        if not raw.is_dir() and name not in params.sample:
            where = {"file": raw, "field": f"datasets.{name}.raw"}
            raise bad_input("no such folder", **where, expected="the files of posts: popcast init again")


def own_python_first() -> None:
    """Stages are started as ``python -m stages.<name>``: with the Python that runs this, activated or not."""
    if not sys.executable:
        return
    own = os.path.dirname(sys.executable)
    others = [folder for folder in os.environ.get("PATH", os.defpath).split(os.pathsep) if folder != own]
    os.environ["PATH"] = os.pathsep.join([own, *others])


def run_stages(jobs: int, console: Console) -> None:
    """All stages of params.yaml. Ends the process with code 1 after a failure, 130 or 143 when interrupted."""
    from popcast.planning.running.launchers import launcher_for
    from popcast.planning.running.one_bar import OneBar
    from popcast.planning.running.pipeline_run import follow, load, machine, queue_of
    from popcast.planning.running.progress import read_times
    from popcast.planning.running.ready_queue import claim_of
    from popcast.planning.running.stage_runner import Stopped
    from popcast.planning.running.stages import StageError

    try:
        stages = load(False, ())
        room = machine(jobs)
        asked = {row.name: claim_of(row.name, row.meta, room) for row in stages.rows}
        queue = queue_of(stages, room, False)
        known = read_times().keys() >= {row.name for row in stages.rows}
        bar = OneBar(len(stages.rows), console, expects=known)
        runner = follow(stages, queue, launcher_for(None), asked, False, bar)
    except (StageError, ValueError) as error:
        raise BadInput(one_line(str(error))) from None
    except Stopped as stopped:
        print(f"error: interrupted by {stopped}; started again it goes on", file=sys.stderr)
        sys.exit(128 + stopped.signum)
    if runner.problems:
        raise BadInput("stage failed: " + "; ".join(f"{name}: {why}" for name, why in runner.problems.items()))

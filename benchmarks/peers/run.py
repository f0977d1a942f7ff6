"""One rival on the posts and the split of one recipe.

    python -m benchmarks.peers.run tiktok-creators RAW_FOLDER --rival catboost --columns history --minutes 10
    python -m benchmarks.peers.run tiktok-creators RAW_FOLDER --rival popcast     # in a clone: it runs the recipe

Reads and splits the posts in popcast's environment, hands them over as files in ``.scratch/peers/SET`` and fits the
rival in benchmarks/peers/.venv (see environment.sh). ``python -m benchmarks.peers.score`` then makes the table.
"""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import sys
from pathlib import Path

import click

from benchmarks.peers.handover import ROOT, hand_over
from benchmarks.peers.rivals import RIVALS
from popcast.core import paths, tables
from popcast.core.errors import bad_input
from popcast.core.stage import one_line_errors

OURS = "popcast"
PYTHON = ROOT / "benchmarks/peers/.venv/bin/python"


def environment(threads: int) -> dict[str, str]:
    """Of the rival's process: as many threads as allowed, nothing of popcast's own packages, no telemetry."""
    names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "POLARS_MAX_THREADS", "LOKY_MAX_CPU_COUNT")
    return os.environ | {name: str(threads) for name in names} | {"PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "1"}


def run_ours(recipe: str, raw: Path, dataset: str, folder: Path) -> int:
    """Run the recipe as a user does, keep its blend as ``popcast.parquet`` and what it took; the recipe's exit code.

    Seconds are those of all its stages, null where some of them were done before.
    """
    blend = ROOT / paths.predictions(dataset, "blend")
    fresh = not blend.is_file()
    code = subprocess.run(["bash", f"recipes/{recipe}.sh", str(raw.resolve())], cwd=ROOT, check=False).returncode
    if code == 0:
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        seconds = round(used.ru_utime + used.ru_stime, 1) if fresh else None
        shutil.copyfile(blend, folder / f"{OURS}.parquet")
        facts = {"rival": OURS, "took": {"all": {"processor_seconds": seconds}}}
        tables.write_json(facts, folder / f"{OURS}.json")
    return code


@click.command()
@click.argument("recipe")
@click.argument("raw", type=click.Path(path_type=Path))
@click.option("--rival", type=click.Choice((OURS, *sorted(RIVALS))), required=True)
@click.option("--columns", type=click.Choice(["raw", "history"]), default="raw", show_default=True)
@click.option("--minutes", default=10.0, show_default=True, help="of the processor, for each of the two models")
@click.option("--threads", default=1, show_default=True)
@click.option("--seed", default=0, show_default=True)
@click.option("--final/--no-final", default=True, show_default=True, help="predict posts without a label too")
@one_line_errors
def main(
    recipe: str, raw: Path, rival: str, columns: str, minutes: float, threads: int, seed: int, final: bool
) -> None:
    """Hand the posts of RECIPE over, fit the rival, write its predictions."""
    overlay = ROOT / "recipes" / f"{recipe}.yaml"
    if not overlay.is_file():
        raise bad_input("no such recipe", file=overlay, expected="a file of recipes/, such as tiktok-creators")
    if rival != OURS and not PYTHON.is_file():
        raise bad_input("no environment for rivals", file=PYTHON, expected="bash benchmarks/peers/environment.sh")
    folder = ROOT / ".scratch" / "peers" / recipe
    task = hand_over(overlay, raw, folder)
    print(f"{task['dataset']}: {task['posts']}", flush=True)
    if rival == OURS:
        sys.exit(run_ours(recipe, raw, str(task["dataset"]), folder))
    given = {"rival": rival, "columns": columns, "minutes": minutes, "threads": threads, "seed": seed}
    options = [f"--{name}={value}" for name, value in given.items()] + ["--final" if final else "--no-final"]
    command = [str(PYTHON), "-m", "benchmarks.peers.fitting", str(folder), *options]
    sys.exit(subprocess.run(command, cwd=ROOT, env=environment(threads), check=False).returncode)


if __name__ == "__main__":
    main()

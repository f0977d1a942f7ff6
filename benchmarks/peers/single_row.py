"""What one ready row costs AutoGluon: the half of ``benchmarks/serving.py`` that runs in the rivals' own environment.

    benchmarks/peers/.venv/bin/python -m benchmarks.peers.single_row TABLE.parquet --count 50

Prints JSON: of the whole predictor (``predictor``) and of its best single model (``model``) the milliseconds of each
row, on the clock (``wall``) and of the processor (``processor``).
"""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import click
import polars as pl

TARGET = "popularity"


def milliseconds(count: int, work: Callable[[int], object]) -> dict[str, list[float]]:
    """Of ``work(i)``, ``count`` times one after the other, after a first time that does not count."""
    work(0)
    found = {"wall": [], "processor": []}
    for number in range(count):
        wall, used = time.perf_counter(), time.process_time()
        work(number)
        found["wall"].append(1000 * (time.perf_counter() - wall))
        found["processor"].append(1000 * (time.process_time() - used))
    return found


@click.command()
@click.argument("table", type=click.Path(path_type=Path, exists=True))
@click.option("--count", default=50, show_default=True)
@click.option("--seconds", default=60.0, show_default=True, help="on the clock, to learn in")
@click.option("--threads", default=1, show_default=True)
def main(table: Path, count: int, seconds: float, threads: int) -> None:
    """Learn ``popularity`` of TABLE from its other columns, then predict one row at a time."""
    from autogluon.tabular import TabularPredictor

    frame = pl.read_parquet(table).to_pandas()
    with tempfile.TemporaryDirectory() as folder:
        learner = TabularPredictor(TARGET, "regression", path=folder, verbosity=0)
        learner.fit(frame, presets="medium_quality", time_limit=seconds, num_cpus=threads, num_gpus=0)
        learner.persist()
        asked = frame.drop(columns=TARGET)
        ranks = learner.leaderboard(silent=True)["model"]
        best = next(name for name in ranks if not name.startswith("WeightedEnsemble"))

        def one(number: int, name: str | None) -> object:
            return learner.predict(asked.iloc[[number % len(asked)]], name)

        named = {"predictor": None, "model": best}
        found = {what: milliseconds(count, partial(one, name=name)) for what, name in named.items()}
        print(json.dumps(found | {"best": best, "columns": asked.shape[1]}))


if __name__ == "__main__":
    main()

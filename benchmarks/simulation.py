"""Memory and speed of the runner with the policy ``persona``: ``python -m benchmarks.simulation --sizes 1000,20000``.

Each size runs in a process of its own, one shard after the other: generated trigger lines, all different, with random
similarities in place of the encoder's (which the stage computes once, before it simulates). Prints posts per second
and the peak of resident memory, and the ratio of the peaks; where nothing piles up it is close to 1.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import click
import numpy as np
import polars as pl

ROOT = Path(__file__).resolve().parent.parent
WORDS = ROOT / "src/popcast/simulation/audience/persona_lists.json"


def simulate(posts: int) -> tuple[float, float]:
    """Posts per second and peak memory in MiB of this process."""
    from popcast.simulation.audience.population import generate
    from popcast.simulation.params import Simulated
    from popcast.simulation.running import runner, workload

    population, settings = generate(WORDS, 100, 2, 0), Simulated()
    runner.policy_of(settings.policy, population, settings.rules)  # loads the encoder, which a small run needs as well
    table = pl.DataFrame({"line": [f'Post: "sunset number {i} over the harbour"' for i in range(posts)]})
    simulated = table.with_columns(runs=pl.lit(1, pl.Int16))
    similarities = np.random.default_rng(0).normal(0.1, 0.05, (posts, len(population.people)))
    with tempfile.TemporaryDirectory() as folder:
        shards = workload.shards(simulated, similarities, settings.runner.shard)
        start = time.perf_counter()
        counts, _ = runner.run(runner.Job(population, settings, 0, Path(folder)), shards, "posts")
        seconds = time.perf_counter() - start
    if counts["simulations"] != posts:
        raise click.ClickException(f"{counts['simulations']} of {posts} posts were simulated")
    return posts / seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def in_own_process(posts: int) -> tuple[float, float]:
    environment = {**os.environ, "POPCAST_ENGINE": "serial", "OMP_NUM_THREADS": "1"}
    environment["PYTHONPATH"] = os.pathsep.join([str(ROOT / "src"), str(ROOT)])
    command = [sys.executable, "-m", "benchmarks.simulation", "--one", str(posts)]
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    rate, peak = map(float, done.stdout.split())
    return rate, peak


@click.command()
@click.option("--sizes", default="1000,20000", show_default=True)
@click.option("--one", type=int, hidden=True)
def main(sizes: str, one: int | None) -> None:
    if one is not None:
        print(*simulate(one))
        return
    peaks = []
    for posts in map(int, sizes.split(",")):
        rate, peak = in_own_process(posts)
        peaks.append(peak)
        print(f"{posts} posts: {rate:.0f} posts/s in one process, peak memory {peak:.0f} MiB", flush=True)
    print(f"peak of the last size against the first: {peaks[-1] / peaks[0]:.2f}")


if __name__ == "__main__":
    main()

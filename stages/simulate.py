"""Stage ``simulate``: an audience of personas reacts to posts, epoch by epoch (popsim.md).

A killed stage goes on where it was, post by post: python -m stages.simulate --dataset smpd --population default
On a Ray cluster: POPCAST_ENGINE=ray python -m stages.simulate --dataset smpd --population default
"""

import click
import polars as pl

from popcast.core import params, paths, tables
from popcast.core.stage import stage
from popcast.simulation.audience.population import load
from popcast.simulation.params import settings
from popcast.simulation.running.whole_run import Inputs, simulate


@click.command()
@click.option("--dataset", required=True)
@click.option("--population", required=True, help="key in populations of params.yaml")
@stage
def main(dataset: str, population: str) -> None:
    base, section, work = params.read("base", "simulation", f"simulations.{dataset}.simulate")
    # what an audience could not know when the post appeared goes before anything looks at it
    posts = tables.read(paths.posts(dataset), tables.POSTS).select(pl.exclude("popularity", "user_id", "^posthoc_.*$"))
    splits = tables.read(paths.splits(dataset), tables.SPLIT_TABLE)
    inputs = Inputs(dataset, posts, splits, population, load(paths.population(population)))
    print(simulate(inputs, work, settings(work, section), base.seed))


if __name__ == "__main__":
    main()

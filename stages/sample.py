"""Generate the raw folder of one dataset: ``python -m stages.sample --dataset smpd``."""

from __future__ import annotations

import click

from popcast.core import params, paths
from popcast.core.stage import stage
from popcast.datasets.sample import generate


@click.command()
@click.option("--dataset", required=True, help="key in sample of params.yaml")
@stage
def main(dataset: str) -> None:
    """Write data/raw/<dataset> and data/hidden/<dataset>.csv."""
    base, section = params.read("base", f"sample.{dataset}")
    generate(dataset, section, base.seed, paths.raw(dataset), paths.hidden_labels(dataset))


if __name__ == "__main__":
    main()

"""Make one feature block of one dataset: ``python -m stages.features --dataset smpd --block history``."""

import click

from popcast import params
from popcast.features.base import Context
from popcast.features.run import run_block
from popcast.stage import stage


@click.command()
@click.option("--dataset", required=True, help="key in datasets of params.yaml")
@click.option("--block", required=True, help="file in src/popcast/features and section in features of params.yaml")
@stage
def main(dataset: str, block: str) -> None:
    base, zone, final_fit, section, run = params.read(
        "base",
        f"datasets.{dataset}.zone",
        f"splits.{dataset}.final_fit",
        f"features.{block}",
        f"blocks.{dataset}-{block}",
    )
    run_block("features", run, section, Context(dataset, base.seed, zone=zone, final_fit=final_fit))


if __name__ == "__main__":
    main()

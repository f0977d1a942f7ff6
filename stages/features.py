"""Make one feature block of one dataset: ``python -m stages.features --dataset smpd --block history``."""

import click

from popcast.core import params
from popcast.core.stage import stage
from popcast.features.common.block_run import run_block
from popcast.features.common.contract import Context


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

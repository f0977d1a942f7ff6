"""Make a feature block from the embedding of another: ``python -m stages.derive --dataset smpd --block windows``."""

import click

from popcast.core import params
from popcast.core.errors import BadInput
from popcast.core.stage import stage
from popcast.features.common.block_run import run_block
from popcast.features.common.contract import Context


@click.command()
@click.option("--dataset", required=True, help="key in datasets of params.yaml")
@click.option("--block", required=True, help="file in src/popcast/features and section in features of params.yaml")
@stage
def main(dataset: str, block: str) -> None:
    base, final_fit, section, run = params.read(
        "base", f"splits.{dataset}.final_fit", f"features.{block}", f"derived.{dataset}-{block}"
    )
    if run.of is None:
        raise BadInput(
            f"params.yaml: derived.{dataset}-{block}.of: missing, expected the block whose embedding is used"
        )
    run_block("derive", run, section, Context(dataset, base.seed, final_fit=final_fit))


if __name__ == "__main__":
    main()

"""Make a feature block from pictures or videos: ``python -m stages.media --dataset smpd --block image``."""

from pathlib import Path

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
    base, section, run = params.read("base", f"features.{block}", f"media.{dataset}-{block}")
    if run.raw is None:
        raise BadInput(f"params.yaml: media.{dataset}-{block}.raw: missing, expected the folder with the media files")
    run_block("media", run, section, Context(dataset, base.seed, raw=Path(run.raw)))


if __name__ == "__main__":
    main()

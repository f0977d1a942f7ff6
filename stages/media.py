"""Make a feature block from pictures or videos: ``python -m stages.media --dataset smpd --block image``."""

from pathlib import Path

import click

from popcast import params
from popcast.errors import BadInput
from popcast.features.base import Context
from popcast.features.run import run_block
from popcast.stage import stage


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

"""Raw folder of one dataset -> data/posts/<dataset>.parquet, and what was rejected or repaired on the way.

python -m stages.posts --dataset smpd
"""

from pathlib import Path

import click

from popcast.core import params, paths, tables
from popcast.core.stage import stage
from popcast.datasets import loading
from popcast.datasets.captions import add_captions


@click.command()
@click.option("--dataset", required=True, help="key in params.yaml: datasets")
@stage
def main(dataset: str) -> None:
    """Read the raw folder of DATASET and write its posts table."""
    section = params.read(f"datasets.{dataset}")
    posts, quality = loading.load(dataset, section)
    if section.captions is not None:
        posts = add_captions(posts, Path(section.raw) / section.captions)
    tables.write(posts, paths.posts(dataset), tables.POSTS)
    tables.write_json(quality.as_dict(), paths.quality(dataset))
    facts = quality.posts
    print(f"{dataset}: {facts['all']} posts, {facts['labelled']} with a label, by {facts['authors']} authors")


if __name__ == "__main__":
    main()

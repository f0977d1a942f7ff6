"""posts -> splits: train, valid, test, unlabelled, and the folds of the training posts.

python -m stages.splits --dataset smpd
"""

import click

from popcast.core import params, paths, tables
from popcast.core.stage import stage
from popcast.splits.making import make_splits


@click.command()
@click.option("--dataset", required=True)
@stage
def main(dataset: str) -> None:
    base, zone, section = params.read("base", f"datasets.{dataset}.zone", f"splits.{dataset}")
    posts = tables.read(paths.posts(dataset), tables.POSTS)
    splits = make_splits(posts, section, zone, base.seed, dataset)
    tables.write(splits, paths.splits(dataset), tables.SPLIT_TABLE)
    counts = splits["split"].value_counts().sort("split")
    click.echo(f"splits {dataset}: " + ", ".join(f"{name} {count}" for name, count in counts.iter_rows()))


if __name__ == "__main__":
    main()

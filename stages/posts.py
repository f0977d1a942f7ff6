"""Raw folder of one dataset -> table of posts, its splits, and what was rejected or repaired on the way.

python -m stages.posts smpd
"""

from pathlib import Path

from popcast.core import paths, tables
from popcast.core.plan_file import Plan
from popcast.core.stage import stage
from popcast.datasets import loading
from popcast.datasets.captions import add_captions
from popcast.datasets.params import Dataset
from popcast.splits.making import make_splits
from popcast.splits.params import Split


@stage
def main(plan: Plan) -> None:
    """Read the raw folder of KEY (in datasets of params.yaml), write its posts and their splits."""
    name, section = plan.key, plan.section("dataset", Dataset)
    posts, quality = loading.load(name, section)
    if section.captions is not None:
        posts = add_captions(posts, Path(section.raw) / section.captions)
    posts = tables.as_written(posts, paths.posts(name), tables.POSTS)
    splits = make_splits(posts, plan.section("splits", Split), section.zone, plan["seed"], name)
    tables.write(posts, paths.posts(name), tables.POSTS)
    tables.write(splits, paths.splits(name), tables.SPLIT_TABLE)
    tables.write_json(quality.as_dict(), paths.quality(name))
    facts = quality.posts
    print(f"{name}: {facts['all']} posts, {facts['labelled']} with a label, by {facts['authors']} authors")
    counts = splits["split"].value_counts().sort("split")
    print(f"{name}: " + ", ".join(f"{split} {count}" for split, count in counts.iter_rows()))


if __name__ == "__main__":
    main()

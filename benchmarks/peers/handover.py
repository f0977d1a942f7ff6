"""What rivals get of a recipe: its posts with their split in one table, and the facts of the task beside it.

The posts are read and split exactly as the stage ``posts`` does it. Runs in popcast's environment; a rival reads the
files in its own.
"""

from __future__ import annotations

from pathlib import Path

import polars as pl

from popcast.core import paths, tables
from popcast.core.errors import bad_input
from popcast.core.yaml_reading import read_text, yaml_value
from popcast.datasets import loading
from popcast.datasets.params import Dataset
from popcast.planning.overlay import sections_of
from popcast.splits.making import make_splits
from popcast.splits.params import Split

ROOT = Path(__file__).resolve().parents[2]
POSTS, TASK = "posts.parquet", "task.json"


def recipe_sections(recipe: Path, raw: Path) -> tuple[str, Dataset, Split, str]:
    """Of a recipe: the name of its one data set, its section with ``raw`` as its folder, its split, its ``test_fit``.

    The last is what popcast's own members of the recipe learn from where they predict the test part.
    """
    sections = sections_of(recipe)
    datasets = sections.get("datasets", {})
    if len(datasets) != 1:
        raise bad_input(f"{len(datasets)} datasets", file=recipe, field="datasets", expected="one")
    ((name, section),) = datasets.items()
    split = sections.get("splits", {}).get(name)
    if split is None:
        raise bad_input("no such entry", file=recipe, field=f"splits.{name}", expected="how its posts are split")
    wide = any(run.get("test_fit") == "train+valid" for run in sections.get("runs", {}).values())
    dataset = Dataset.model_validate(dict(section) | {"raw": str(raw.resolve())})
    return name, dataset, Split.model_validate(dict(split)), "train+valid" if wide else "train"


def hand_over(recipe: Path, raw: Path, folder: Path) -> dict[str, object]:
    """Write ``posts.parquet`` and ``task.json`` into ``folder``; returns the task.

    posts: the contract's columns with ``split`` and ``fold``, sorted by ``post_id``. task: ``dataset``, ``metric``,
    ``final_fit``, ``test_fit``, ``zone`` and the number of posts of each split.
    """
    name, section, split, test_fit = recipe_sections(recipe, raw)
    seed = yaml_value(read_text(ROOT / paths.PARAMS), paths.PARAMS)["base"]["seed"]
    posts = tables.as_written(loading.load(name, section)[0], paths.posts(name), tables.POSTS)
    table = tables.labelled(posts, make_splits(posts, split, section.zone, seed, name))
    counts = dict(table.group_by("split").len().sort("split").iter_rows())
    task = {
        "dataset": name,
        "metric": section.metric,
        "final_fit": split.final_fit,
        "test_fit": test_fit,
        "zone": section.zone,
        "posts": counts,
    }
    folder.mkdir(parents=True, exist_ok=True)
    _write(table, folder / POSTS)
    tables.write_json(task, folder / TASK)
    return task


def _write(table: pl.DataFrame, path: Path) -> None:
    table.write_parquet(path, compression="zstd", statistics=False)

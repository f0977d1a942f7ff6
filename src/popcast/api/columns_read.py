"""From rows and what is said about their columns to the ``posts`` table, as the stage ``posts`` makes it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import polars as pl

from popcast.core import tables
from popcast.core.errors import bad_input
from popcast.core.params import parse
from popcast.datasets import loading
from popcast.datasets.guessing.column_roles import Guess, guess
from popcast.datasets.loading import Quality
from popcast.datasets.params import Dataset, Table
from popcast.datasets.reading.row_table import RowTable
from popcast.datasets.table import posts_of
from popcast.serving.settled_layout import settled


@dataclass(frozen=True)
class PostsRead:
    """``posts``: the checked table. ``said``: plain sentences about what was found by looking."""

    posts: pl.DataFrame
    layout: Table
    guess: Guess
    quality: Quality
    said: list[str]


def read_table(rows: RowTable, given: Mapping[str, Any], further: Mapping[str, Any], zone: str) -> PostsRead:
    """The table of rows whose columns are found by name and by look.

    given: role -> columns, what the caller says about them, see ``datasets.guessing``. further: more settings of
    ``datasets.<name>.table``, and ``max_reject_share``. zone: of times that carry none. Rows without a label are posts
    to predict. BadInput, one line: a role is in doubt, a value cannot be read, there is nothing to learn from.
    """
    if not rows.height:
        raise bad_input("no row in it", file=rows.files[0], expected="at least one post")
    for role, columns in given.items():
        named = [columns] if isinstance(columns, str) else columns
        if not isinstance(named, Sequence) or not all(isinstance(name, str) for name in named):
            raise bad_input(f"{role}=", value=columns, expected="the name of a column, or a list of names")
    further = {"without_label": "predict", **further}
    share = {"max_reject_share": further.pop("max_reject_share")} if "max_reject_share" in further else {}
    found = guess(rows, given, option="{}=")
    table = found.layout().model_dump(mode="json") | further
    section = parse(Dataset, {"kind": "table", "raw": ".", "zone": zone, "table": table, **share}, "datasets.posts")
    quality = Quality(section.max_reject_share)
    as_read = posts_of(rows, None, section.table, zone, quality)
    layout = settled(rows, section.table, zone, as_read)
    posts = loading.complete(as_read)
    if posts["popularity"].null_count() == posts.height:
        problem = f"none of the {posts.height} posts has a label"
        raise bad_input(problem, file=rows.files[0], field=layout.columns.label, expected="labels to learn from")
    quality.posts = loading.counts(posts)
    posts = tables.as_written(posts, rows.files[0], tables.POSTS)
    return PostsRead(posts, layout, found, quality, list(dict.fromkeys([*rows.said, *found.said, *quality.notes])))


def exposed(posts: pl.DataFrame, snapshot: datetime | None) -> pl.DataFrame:
    """``posts`` with the time until their outcomes were counted, where all were counted at one moment."""
    return tables.as_written(loading.with_exposure(posts, snapshot, "posts"), "posts", tables.POSTS)

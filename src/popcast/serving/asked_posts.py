"""New posts from rows of any file or frame, read as the posts were read that a bundle was fitted on."""

from __future__ import annotations

from dataclasses import dataclass, field

import polars as pl

from popcast.core.errors import bad_input, cut, shown
from popcast.datasets import loading, table
from popcast.datasets.loading import Quality
from popcast.datasets.params import Table
from popcast.datasets.reading.row_table import RowTable
from popcast.serving.bundle import Contents

SINGLE = ("id", "author", "time", "tags", "category", "subcategory", "concept", "media")
SEVERAL = ("text", "numbers", "author_numbers", "posthoc")


@dataclass(frozen=True)
class Asked:
    """``posts``: columns of the ``posts`` table, in the order of the rows. ``said``: what was odd, one line each."""

    posts: pl.DataFrame
    said: list[str] = field(default_factory=list)


def asked_posts(rows: RowTable, contents: Contents) -> Asked:
    """The table of new posts. A column that is missing is not known; one that was never seen is left out: both are
    said. BadInput, one line: a value cannot be read."""
    if contents.table is None:
        raise bad_input("it was not fitted on a table of a user", expected="posts in popcast's own columns")
    known = set(contents.names)
    unknown = [name for name in rows.names if name not in known]
    layout, missing = _present(contents.table, rows.names)
    said = []
    if missing:
        said.append(f"columns that the posts lack, taken as not known: {_listed(missing)}")
    if unknown:
        said.append(f"columns that the posts learned from did not have, left out: {_listed(unknown)}")
    quality = Quality(0.0)
    posts = loading.complete(table.posts_of(None, rows, layout, contents.zone, quality))
    return Asked(posts, said)


def _present(layout: Table, names: list[str]) -> tuple[Table, list[str]]:
    """``layout`` without the columns that are not in ``names``, and those columns but for outcomes."""
    columns = layout.columns
    gone = {field: None for field in SINGLE if getattr(columns, field) not in (None, *names)}
    missing = [getattr(columns, field) for field in gone]
    for field_name in SEVERAL:
        kept = [name for name in getattr(columns, field_name) if name in names]
        if field_name != "posthoc":
            missing += [name for name in getattr(columns, field_name) if name not in names]
        gone[field_name] = kept
    return layout.model_copy(update={"columns": columns.model_copy(update=gone)}), missing


def _listed(names: list[str]) -> str:
    return cut(", ".join(shown(name, 60) for name in names), 300)

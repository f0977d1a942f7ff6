"""How new posts of a dataset are read that was no table of a user: in popcast's own columns, named as in ``posts``."""

from __future__ import annotations

import polars as pl

from popcast.core.errors import bad_input
from popcast.core.tables import POSTS_COLUMNS
from popcast.datasets.params import Table, TableColumns
from popcast.datasets.reading.row_table import RowTable
from popcast.datasets.values.column_uses import INPUTS, uses
from popcast.datasets.values.missing_words import WORDS, blank_words
from popcast.serving.bundle import TYPES, Contents

NUMBERS = ("number", "whole number")
TRUTH = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}


def layout_of(contents: Contents) -> Table:
    """What the columns of new posts are: as the posts were read that a bundle was fitted on, else popcast's own."""
    if contents.table is not None:
        return contents.table
    kinds = {name: kind for name, kind in contents.columns.items() if name not in POSTS_COLUMNS}
    numbers = {
        head: [name for name, kind in kinds.items() if name.startswith(head) and kind in NUMBERS]
        for head in ("post_", "user_")
    }
    columns = TableColumns(
        id="post_id", author="user_id", time="posted_at", text=["title"], tags="tags", category="category",
        subcategory="subcategory", concept="concept", media="media", numbers=numbers["post_"],
        author_numbers=numbers["user_"], label="popularity",
    )  # fmt: skip
    return Table(labelled="posts", columns=columns, transform="none")


def further_columns(rows: RowTable, contents: Contents) -> pl.DataFrame:
    """Columns [n] of popcast's own that no layout of a table knows: places, and words and truth values about posts.

    None for a user's table. BadInput, one line: a value cannot be read.
    """
    if contents.table is not None:
        return pl.DataFrame()
    read = {name for _, name in uses(layout_of(contents).columns, INPUTS)} | {"popularity"}
    wanted = {
        name: kind for name, kind in contents.columns.items()
        if name not in read and name in rows.names and not name.startswith("posthoc_")
    }  # fmt: skip
    return pl.DataFrame([_read(rows, name, kind) for name, kind in wanted.items()])


def _read(rows: RowTable, name: str, kind: str) -> pl.Series:
    cells = rows.columns[name]
    if cells.dtype != pl.String:
        return cells.cast(TYPES[kind])
    known = blank_words(cells, WORDS)
    if kind == "yes or no":
        found = known.str.strip_chars().str.to_lowercase().replace_strict(TRUTH, default=None, return_dtype=pl.Boolean)
    else:
        found = known.cast(TYPES[kind], strict=False)
    wrong = known.is_not_null() & found.is_null()
    if wrong.any():
        index = wrong.arg_max()
        file, row = rows.files[rows.file_index[index]], int(rows.row_numbers[index])
        raise bad_input("cannot be read", file=file, row=row, field=name, value=cells[index], expected=f"a {kind}")
    return found.alias(name)

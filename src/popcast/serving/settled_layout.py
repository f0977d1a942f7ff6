"""What was found by looking over all posts, written down: new posts are few, and must be read the same way.

``1.234`` alone may be a thousand or one and a quarter, 3/4 March or April; among all the posts it was decided.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import polars as pl

from popcast.core.errors import BadInput
from popcast.datasets import table
from popcast.datasets.loading import Quality
from popcast.datasets.params import Dataset, Table
from popcast.datasets.reading.open_rows import FileForm, read_rows
from popcast.datasets.reading.row_table import RowTable
from popcast.datasets.values.column_uses import uses

TRIED: dict[str, tuple[tuple[str, ...], str, tuple[Any, ...]]] = {
    "decimal": (("numbers", "author_numbers", "posthoc", "label"), r"[.,]", (".", ",")),
    "day_first": (("time",), r"\d[./-]\d", (True, False)),
    "tag_separator": (("tags",), r"[|,;#/]", ("|", ",", ";", "#", "/")),
}
"""Setting -> uses of the columns that it is about, cells without which it says nothing, and its values."""


def settled(rows: RowTable, layout: Table, zone: str, posts: pl.DataFrame) -> Table:
    """``layout`` with the settings that were open and with which alone the rows are the same ``posts``.

    One stays open where nothing in the posts depends on it, or where columns differ in it.
    """
    for name, (concerned, odd, values) in TRIED.items():
        if getattr(layout, name) is not None or not _holds(rows, layout, concerned, odd):
            continue
        if name == "tag_separator":
            values = tuple(sign for sign in values if _holds(rows, layout, concerned, re.escape(sign)))
        trials = [layout.model_copy(update={name: value}) for value in values]
        same = [trial for trial in trials if _read(rows, trial, zone, posts)]
        if len(same) == 1:
            layout = same[0]
    return layout


def settled_dataset(dataset: Dataset) -> tuple[Dataset, list[str]]:
    """A dataset with its table :func:`settled` over its labelled files, and the names of all columns of these.

    One that is no table of a user has no layout and no such names.
    """
    layout = dataset.table
    if layout is None:
        return dataset, []
    form = FileForm(layout.delimiter, layout.encoding, layout.sheet)
    rows = read_rows(Path(dataset.raw), layout.labelled, None, form)
    posts = table.posts_of(rows, None, layout, dataset.zone, Quality(dataset.max_reject_share))
    return dataset.model_copy(update={"table": settled(rows, layout, dataset.zone, posts)}), rows.names


def _holds(rows: RowTable, layout: Table, concerned: tuple[str, ...], odd: str) -> bool:
    """Whether a text of one of the columns has the sign that makes the question."""
    columns = [rows.columns[name] for _, name in uses(layout.columns, concerned)]
    return any(cells.dtype == pl.String and bool(cells.str.contains(odd).any()) for cells in columns)


def _read(rows: RowTable, layout: Table, zone: str, posts: pl.DataFrame) -> bool:
    """Whether the rows, read so, are ``posts``."""
    try:
        return table.posts_of(rows, None, layout, zone, Quality(1.0)).equals(posts)
    except BadInput:
        return False

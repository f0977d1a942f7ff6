"""A user's own table of posts: csv, json, parquet, xlsx, its columns named in params.yaml. No code needed.

``datasets.<name>.table`` says which column is what (see popcast.datasets.params.Table). Labelled and unlabelled posts
are files of the same columns, the second without the outcomes. No row stops everything and none vanishes: what cannot
be read is counted, shown by its first places, and held to ``max_reject_share``.
"""

from __future__ import annotations

from pathlib import Path

import polars as pl

from popcast.datasets.loading import Quality
from popcast.datasets.params import Dataset, Table
from popcast.datasets.reading.open_rows import FileForm, read_rows
from popcast.datasets.reading.row_table import RowTable
from popcast.datasets.values.column_uses import check_columns, check_uses, needed, uses
from popcast.datasets.values.disguised_outcomes import check_disguises
from popcast.datasets.values.labelled_rows import PostRows, joined
from popcast.datasets.values.number_columns import NumberColumns, as_numbers, target_of
from popcast.datasets.values.post_columns import PostColumns
from popcast.datasets.values.rejected_rows import RejectedRows
from popcast.datasets.values.repeated_ids import without_repeats

NUMBERS, WORDS = ("numbers", "author_numbers"), ("category", "subcategory", "concept", "tags", "text", "author")
"""Uses that are compared with the label. Numbers in texts and authors are refused only as its copy."""


def load(raw: Path, dataset: Dataset, quality: Quality) -> pl.DataFrame:
    """Posts of the labelled and, if named, the unlabelled files below ``raw``."""
    layout = dataset.table
    check_uses(layout.columns)
    form, wanted = FileForm(layout.delimiter, layout.encoding, layout.sheet), needed(layout)
    labelled = read_rows(raw, layout.labelled, wanted, form)
    unlabelled = None if layout.unlabelled is None else read_rows(raw, layout.unlabelled, wanted, form)
    return posts_of(labelled, unlabelled, layout, dataset.zone, quality)


def posts_of(
    labelled: RowTable, unlabelled: RowTable | None, layout: Table, zone: str, quality: Quality
) -> pl.DataFrame:
    """Posts in the order of their rows, the labelled ones first; what was left out and found by looking in ``quality``.

    zone: of clock times that name none. Raises BadInput for a missing column, a column of two uses, a column whose
    numbers or days have two readings, repeated ids where they are not allowed, the label among the inputs, and more
    rejected rows than ``quality.max_reject_share``, always in one line with file, row, field, value and what to do.
    """
    check_uses(layout.columns)
    check_columns(labelled, layout, labelled=True)
    if unlabelled is not None:
        check_columns(unlabelled, layout, labelled=False)
    rows = joined(labelled, unlabelled)
    lost = RejectedRows(rows)
    said = list(rows.said)
    posts = _columns(rows, layout, zone, lost, quality, said)
    lost.settle(quality)
    kept = lost.kept
    if layout.columns.id is not None:
        kept = without_repeats(posts["post_id"], kept, rows, layout, zone, quality)
    _no_disguises(rows, posts, layout, kept)
    quality.say(said)
    return posts.filter(kept)


def _columns(
    rows: PostRows, layout: Table, zone: str, lost: RejectedRows, quality: Quality, said: list[str]
) -> pl.DataFrame:
    """All columns of posts, rows that are left out included. Sentences about what was found are added to ``said``."""
    columns, words = layout.columns, PostColumns(rows, layout, zone, lost, quality, said)
    numbers = NumberColumns(rows, layout, lost, said)
    found = {"post_id": words.ids()}
    if columns.author is not None:
        found["user_id"] = words.authors()
    if columns.time is not None:
        found["posted_at"] = words.times()
    if columns.text:
        found["title"] = words.title()
    for use in ("category", "subcategory", "concept"):
        if getattr(columns, use) is not None:
            found[use] = words.category(use)
    for use in ("tags", "media"):
        if getattr(columns, use) is not None:
            found[use] = words.lists(use)
    return pl.DataFrame(found | numbers.inputs_and_outcomes() | {"popularity": numbers.label()})


def _no_disguises(rows: PostRows, posts: pl.DataFrame, layout: Table, kept: pl.Series) -> None:
    """Raise BadInput for an input that is the label under another name."""
    inputs = [(name, posts[target_of(use, name)], True) for use, name in uses(layout.columns, NUMBERS)]
    for use, name in uses(layout.columns, WORDS):
        numbers = as_numbers(rows.columns[name])
        if numbers is not None:
            inputs.append((name, numbers, use not in ("text", "author")))
    compared = ((name, values.filter(kept), by_rank) for name, values, by_rank in inputs)
    check_disguises(compared, layout.columns.label, posts["popularity"].filter(kept), rows)

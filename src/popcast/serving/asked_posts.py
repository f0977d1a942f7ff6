"""New posts from rows of any file or frame, read as the posts were read that a bundle was fitted on.

Every row comes back: one that cannot be read is refused with its file, row and field, never left out.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
import polars as pl

from popcast.core.errors import bad_input, cut, shown
from popcast.datasets import column_types, loading, table
from popcast.datasets.loading import Quality
from popcast.datasets.params import Table
from popcast.datasets.reading.row_table import RowTable
from popcast.datasets.values import id_cells
from popcast.datasets.values.column_uses import INPUTS, OUTCOMES, uses
from popcast.datasets.values.missing_words import WORDS, blank_words
from popcast.serving.bundle import Contents
from popcast.serving.own_columns import further_columns, layout_of


@dataclass(frozen=True)
class Asked:
    """``posts``: columns of the ``posts`` table, in the order of the rows. ``said``: what was odd, one line each."""

    posts: pl.DataFrame
    said: list[str] = field(default_factory=list)


def asked_posts(rows: RowTable, contents: Contents) -> Asked:
    """The table of new posts. A column that is missing is not known; one that was never seen is left out: both are
    said. The label is never looked at. BadInput, one line: a value cannot be read."""
    given, rest = layout_of(contents), rows
    layout, missing = _present(given, rows.names)
    known = set(contents.names) if contents.table is not None else {*contents.columns, *OUTCOMES}
    unknown = [name for name in rows.names if name not in known]
    said = []
    if missing:
        said.append(f"columns that the posts lack, taken as not known: {_listed(missing)}")
    if unknown:
        said.append(f"columns that the posts learned from did not have, left out: {_listed(unknown)}")
    if not uses(layout.columns, INPUTS) and not further_columns(rest, contents).width:
        raise bad_input("none of its columns is known", file=rows.files[0], expected=f"some of {_listed(missing)}")
    rows = _without(rows, [name for use, name in uses(layout.columns, OUTCOMES)])
    ids = _ids(rows, layout)
    layout = _changed(layout, id=None)
    timed = _timed(rows, layout)
    parts = [
        _read(_chosen(rows, np.flatnonzero(timed)), layout, contents.zone),
        _read(_chosen(rows, np.flatnonzero(~timed)), _changed(layout, time=None), contents.zone),
    ]
    order = np.argsort(np.concatenate([np.flatnonzero(timed), np.flatnonzero(~timed)]), kind="stable")
    posts = pl.concat([part for part in parts if part.height] or parts[:1], how="diagonal")[order]
    posts = posts.with_columns(further_columns(rest, contents))
    return Asked(posts.with_columns(post_id=pl.coalesce(ids, "post_id")) if posts.height else posts, said)


def observed_posts(rows: RowTable, contents: Contents) -> tuple[Asked, pl.Series]:
    """Posts that came out, and what became of them: outcomes [n] on the log2 scale, null where there is none.

    BadInput, one line, also where a post has no id: nobody could say later which post it was.
    """
    layout = layout_of(contents)
    name = layout.columns.id
    if name is None or name not in rows.names:
        expected = "a column of ids" if name is None else f"the column {shown(name)}"
        raise bad_input("posts without ids cannot be observed", file=rows.files[0], expected=expected)
    if (nameless := _ids(rows, layout).is_null()).any():
        index = nameless.arg_max()
        place = {"file": rows.files[rows.file_index[index]], "row": int(rows.row_numbers[index])}
        raise bad_input("a post without id", field=name, **place)
    asked = asked_posts(rows, contents)
    label = layout.columns.label
    if label not in rows.names:
        return asked, pl.Series("popularity", [None] * rows.height, dtype=pl.Float64)
    none = dict.fromkeys(INPUTS) | {"text": [], "numbers": [], "author_numbers": [], "posthoc": [], "id": name}
    alone = _changed(layout, **none).model_copy(update={"without_label": "predict", "repeated": "refuse"})
    wanted = replace(rows, columns=rows.columns.select(name, label), names=[name, label])
    return asked, table.posts_of(wanted, None, alone, contents.zone, Quality(0.0))["popularity"]


def told_ids(rows: RowTable, contents: Contents) -> pl.Series:
    """Ids [n] that the rows tell; null where they tell none."""
    layout = layout_of(contents)
    return _ids(rows, layout if layout.columns.id in rows.names else _changed(layout, id=None))


def _present(layout: Table, names: list[str]) -> tuple[Table, list[str]]:
    """``layout`` without the inputs that are not in ``names``, and those columns."""
    missing = [name for _, name in uses(layout.columns, INPUTS) if name not in names]
    kept = {}
    for use in INPUTS:
        value = getattr(layout.columns, use)
        kept[use] = [one for one in value if one in names] if isinstance(value, list) else value
        if kept[use] in missing:
            kept[use] = None
    return _changed(layout, posthoc=[], **kept).model_copy(update={"repeated": "refuse", "repeated_by": None}), missing


def _changed(layout: Table, **columns: object) -> Table:
    return layout.model_copy(update={"columns": layout.columns.model_copy(update=columns)})


def _ids(rows: RowTable, layout: Table) -> pl.Series:
    """Ids [n] as the posts have them; null where there is none."""
    name = layout.columns.id
    if name is None or not rows.height:
        return pl.Series("post_id", [None] * rows.height, dtype=pl.String)
    ids, _, _ = id_cells.read_ids(column_types.ids(rows.columns[name], rows.files[0]).alias(name))
    return ids.alias("post_id")


def _timed(rows: RowTable, layout: Table) -> np.ndarray:
    """bool [n]: rows that say when the post is posted, or will be. A draft need not."""
    name = layout.columns.time
    if name is None:
        return np.zeros(rows.height, bool)
    cells = rows.columns[name]
    known = blank_words(cells, WORDS) if cells.dtype == pl.String else cells
    return known.is_not_null().to_numpy()


def _read(rows: RowTable, layout: Table, zone: str) -> pl.DataFrame:
    """The ``posts`` table of rows that all have to be readable. Its labels are null."""
    if not rows.height or not uses(layout.columns, INPUTS):
        empty = pl.DataFrame({"post_id": [str(one) for one in rows.row_numbers]}, schema={"post_id": pl.String})
        return loading.complete(empty)
    outcome = pl.lit(None, pl.Float64).alias(layout.columns.label)
    none = _chosen(rows, np.empty(0, np.int64))
    none = replace(none, columns=none.columns.with_columns(outcome), names=[*none.names, layout.columns.label])
    return loading.complete(table.posts_of(none, rows, layout, zone, Quality(0.0)))


def _chosen(rows: RowTable, index: np.ndarray) -> RowTable:
    """Some rows; what could not be read at all stays with them if there are any."""
    rejected = rows.rejected if len(index) else []
    return replace(
        rows, columns=rows.columns[index], file_index=rows.file_index[index], row_numbers=rows.row_numbers[index],
        rejected=rejected,
    )  # fmt: skip


def _without(rows: RowTable, names: list[str]) -> RowTable:
    return replace(
        rows, columns=rows.columns.drop(names, strict=False), names=[n for n in rows.names if n not in names]
    )


def _listed(names: list[str]) -> str:
    return cut(", ".join(shown(name, 60) for name in names), 300)

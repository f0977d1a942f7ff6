"""Ids that occur more than once: refused with their number, or the first or last row of each is kept."""

from __future__ import annotations

import polars as pl

from popcast.core.errors import bad_input
from popcast.datasets import times
from popcast.datasets.loading import Quality
from popcast.datasets.params import Table
from popcast.datasets.values.labelled_rows import PostRows
from popcast.datasets.values.missing_words import WORDS, blank_words
from popcast.datasets.values.shown_numbers import number_form, read_numbers


def without_repeats(
    ids: pl.Series, kept: pl.Series, rows: PostRows, layout: Table, zone: str, quality: Quality
) -> pl.Series:
    """bool [rows]: ``kept`` without all but one row of each id. An id of both files is refused in any case."""
    table = pl.DataFrame({"id": ids, "labelled": rows.labelled, "row": range(rows.height)}).filter(kept)
    repeats = table.filter(pl.struct("id", "labelled").is_duplicated())
    if repeats.height:
        if layout.repeated == "refuse":
            raise _refused(repeats, table.height, rows, layout)
        table = _one_of_each(table, rows, layout, zone)
        gone = sorted(set(repeats["row"]) - set(table["row"]))
        where = [rows.place(one) for one in gone[:3]]
        examples = [
            str(bad_input("repeated id", file=file.name, row=row, field=layout.columns.id, value=ids[one]))
            for one, (file, row) in zip(gone, where, strict=False)
        ]
        quality.leave_out(f"{layout.columns.id}: repeated id, the {layout.repeated} is kept", len(gone), examples)
    both = table.filter(pl.col("id").is_duplicated())
    if both.height:
        index = both.filter(~pl.col("labelled"))["row"][0]
        file, row = rows.place(index)
        other, _ = rows.place(both.filter((pl.col("id") == ids[index]) & pl.col("labelled"))["row"][0])
        count = both["id"].n_unique()
        problem = f"duplicate id, also in {other.name}" + (f" (as {count - 1} more)" if count > 1 else "")
        expected = "posts to predict that have no label yet"
        raise bad_input(problem, file=file, row=row, field=layout.columns.id, value=ids[index], expected=expected)
    left = table.select("row", left=pl.lit(True))
    return pl.DataFrame({"row": range(rows.height)}).join(left, on="row", how="left")["left"].fill_null(False)


def _refused(repeats: pl.DataFrame, total: int, rows: PostRows, layout: Table):
    again = repeats.filter(~pl.struct("id", "labelled").is_first_distinct())
    index = again["row"][0]
    file, row = rows.place(index)
    ids = repeats["id"].n_unique()
    problem = (
        f"duplicate id ({ids} {'id occurs' if ids == 1 else 'ids occur'} again, in {again.height} of {total} rows)"
    )
    expected = "ids that occur once, or table.repeated: first or last (table.repeated_by: a column to order by)"
    return bad_input(problem, file=file, row=row, field=layout.columns.id, value=again["id"][0], expected=expected)


def _one_of_each(table: pl.DataFrame, rows: PostRows, layout: Table, zone: str) -> pl.DataFrame:
    """The first or last row of each id and part, by ``repeated_by``, then by place in the files."""
    order = [] if layout.repeated_by is None else ["by"]
    if order:
        table = table.with_columns(by=_order(rows, layout, zone).gather(table["row"]))
    last = layout.repeated == "last"
    table = table.sort([*order, "row"], descending=last, nulls_last=True, maintain_order=True)
    return table.unique(["id", "labelled"], keep="first", maintain_order=True).sort("row")


def _order(rows: PostRows, layout: Table, zone: str) -> pl.Series:
    """Values of ``repeated_by``: numbers or times. Raises BadInput where a cell is neither."""
    values = rows.columns[layout.repeated_by]
    if values.dtype.is_numeric() or values.dtype.is_temporal():
        return values
    text = blank_words(values, WORDS)
    days = _short_days(text)
    if days is not None:
        return days
    wrong = None
    if not text.str.contains(r"^[+-]?\d{1,15}$").fill_null(True).all():
        try:
            found = times.shown_times(text, "auto", zone, layout.day_first)
        except times.DayOrMonth as error:
            shown = {"value": error.cell, "expected": error.expected}
            raise bad_input(str(error), file=rows.file(), field=values.name, **shown) from None
        if found.moments.null_count() == text.null_count():
            return found.moments
        wrong = found.wrong.is_not_null()
    numbers, unread = read_numbers(text, number_form(text, True, place=rows.place))
    if unread.any():
        index = (unread if wrong is None or wrong.sum() > unread.sum() else wrong).arg_max()
        file, row = rows.place(index)
        expected = "numbers or times in the column of repeated_by"
        raise bad_input("no order", file=file, row=row, field=values.name, value=text[index], expected=expected)
    return numbers


def _short_days(text: pl.Series) -> pl.Series | None:
    """Days with years of two digits, such as ``17.14.11`` of trending lists, if all orders of year, month and day that
    fit every cell put them in the same order; None otherwise."""
    if not text.str.contains(r"^\d\d[./-]\d\d[./-]\d\d$").fill_null(True).all() or text.null_count() == len(text):
        return None
    plain = text.str.replace_all(r"\D", "-")
    readings = (plain.str.to_date(form, strict=False) for form in ("%y-%d-%m", "%y-%m-%d", "%d-%m-%y", "%m-%d-%y"))
    orders = [one.rank("dense") for one in readings if one.null_count() == text.null_count()]
    return orders[0] if orders and all(one.equals(orders[0], null_equal=True) for one in orders) else None

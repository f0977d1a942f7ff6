"""Rows of csv, tsv and txt: the wanted columns as text, and the rows that are short or long."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import replace
from pathlib import Path

import polars as pl

from popcast.core.errors import bad_input, shown
from popcast.datasets.reading.column_names import Header, clean_name, read_header
from popcast.datasets.reading.delimited import delimiters
from popcast.datasets.reading.delimited.delimited_records import Dialect, Lines, is_blank, long_fields, records
from popcast.datasets.reading.encodings.text_encoding import opened_text
from popcast.datasets.reading.file_form import FileForm
from popcast.datasets.reading.header_row import AGAIN, TOTAL, is_total
from popcast.datasets.reading.row_table import MOST_REJECTED, FileRows, RejectedRow, too_many_rejected
from popcast.datasets.reading.sources import Source

Records = Iterator[tuple[int, list[str] | str]]

BATCH = 20_000
"""Rows that wait as Python's text before they become columns."""
BATCH_SIZE = 64 << 20
"""Characters of them."""

MARK = "\ufeff"
"""At the beginning of files, and in the middle of those that were put together."""

FORMULAS = (
    ('="', r'^="[^"]*"$', r'^="([^"]*)"$'),
    ("'", r"^'[+-]?\d[\d.,+-]*$", r"^'(.*)$"),
)
"""How the first cell begins, how every cell looks, and what is meant."""


def read_delimited(
    source: Source, encoding: str, wanted: Collection[str] | None, form: FileForm, most_rows: int | None
) -> FileRows:
    """Rows with as many fields as the header; others are rejected, blank ones skipped. An empty field is null."""
    with long_fields(), opened_text(source, encoding) as text:
        head = text.read(delimiters.HEAD)
    note = delimiters.noted(head.splitlines()[0]) if head.strip() else None
    body = head if note is None else "".join(head.splitlines(keepends=True)[1:])
    with long_fields():
        dialect = delimiters.find_dialect(body, source.path, wanted, form.delimiter or note)
        with opened_text(source, encoding) as text:
            lines = Lines(text, source.path)
            if note is not None:
                next(lines)
                lines.settle()
                if dialect.header_row is not None:
                    dialect = replace(dialect, header_row=dialect.header_row + 1)
            rows = _rows(source, records(lines, dialect), dialect, wanted, most_rows)
    rows.said.append(f"separated by {delimiters.shown(dialect.delimiter)}, encoding {encoding}")
    if dialect.header_row is not None:
        rows.said.append(f"the header is in row {dialect.header_row}: what stands above it is left out")
    if dialect.escapes:
        rows.said.append(r"quotes within fields are written \"")
    if not dialect.quotes:
        rows.said.append("quotes are part of the text, every line is a row")
    return rows


def _rows(
    source: Source, found: Records, dialect: Dialect, wanted: Collection[str] | None, most_rows: int | None
) -> FileRows:
    path, (row, names) = source.path, _header(source, found, dialect)
    header, again = read_header(names, path, row, wanted), [clean_name(name) for name in names]
    width, full = header.width, header.width + max(dialect.more, 0)
    numbers, rejected, pieces, others = array("q"), [], [], Counter()
    batch: list[list[str]] = []
    size = 0
    for row, fields in found:
        if len(rejected) > MOST_REJECTED:
            raise too_many_rejected(path, rejected)
        if isinstance(fields, str):
            rejected.append(RejectedRow(path, row, fields, ""))
            continue
        if (not fields or not fields[0].strip()) and is_blank(fields):
            continue
        if len(fields) != full:
            if is_total(fields + [""] * (width - len(fields))):
                others[TOTAL] += 1
                continue
            rejected.append(_rejected(path, row, fields, width, dialect))
            continue
        if fields[0] == names[0] or fields[0].startswith(MARK):
            if [clean_name(one) for one in fields[:width]] == again:
                others[AGAIN] += 1
                continue
        if len(batch) == BATCH or size > BATCH_SIZE:
            pieces.append(_columns(batch, header))
            batch, size = [], 0
        batch.append(fields)
        numbers.append(row)
        size += sum(map(len, fields))
        if most_rows is not None and len(numbers) >= most_rows:
            break
    if batch and is_total(batch[-1]):
        others[TOTAL] += 1
        batch.pop()
        numbers.pop()
    pieces.append(_columns(batch, header))
    columns, said = without_formulas(pl.concat(pieces, rechunk=True))
    columns, names = header.fill(columns)
    said += [f"{count} {'rows' if count > 1 else 'row'} left out: {what}" for what, count in others.items()]
    return FileRows(path, columns, names, numbers, rejected, said, strict=True)


def _rejected(path: Path, row: int, fields: list[str], width: int, dialect: Dialect) -> RejectedRow:
    reason = "short row" if len(fields) < width else "long row"
    begins = shown(dialect.delimiter.join(fields[:3]))
    return RejectedRow(path, row, reason, f"{len(fields)} fields, expected {width}: {begins}")


def _header(source: Source, found: Records, dialect: Dialect) -> tuple[int, list[str]]:
    """Row and names of the header, with as many as records have fields."""
    for row, fields in found:
        if dialect.header_row is not None and row < dialect.header_row:
            continue
        if isinstance(fields, str):
            raise bad_input(f"not a header: {fields}", file=source.path, row=row)
        if not is_blank(fields):
            names = [*[""] * dialect.lead, *fields]
            return row, names[:-1] if dialect.more < 0 else names
    raise bad_input("empty file", file=source.path, expected="a header")


def without_formulas(columns: pl.DataFrame) -> tuple[pl.DataFrame, list[str]]:
    """Columns whose every cell is ``="123"`` or ``'123``, by which a spreadsheet keeps long numbers, as the text that
    is meant, and a sentence about each."""
    said = []
    for name in columns.columns:
        values = columns[name]
        first = values.first(ignore_nulls=True) or ""
        for begins, form, kept in FORMULAS:
            if first.startswith(begins) and values.str.contains(form).fill_null(True).all():
                text = values.str.extract(kept)
                columns = columns.with_columns(pl.select(pl.when(text != "").then(text).alias(name)).to_series())
                said.append(f"{name}: {shown(first)} and the like are read as the text that a spreadsheet shows")
    return columns, said


def _columns(batch: list[list[str]], header: Header) -> pl.DataFrame:
    return pl.DataFrame(
        {
            name: pl.Series([fields[at] or None for fields in batch], dtype=pl.String)
            for name, at in header.places.items()
        }
    )

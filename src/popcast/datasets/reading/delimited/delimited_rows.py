"""Rows of csv, tsv and txt: the wanted columns as text, and the rows that are short or long."""

from __future__ import annotations

from array import array
from collections.abc import Collection, Iterator

import polars as pl

from popcast.core.errors import bad_input, shown
from popcast.datasets.reading.column_names import Header, read_header
from popcast.datasets.reading.delimited import delimiters
from popcast.datasets.reading.delimited.delimited_records import Lines, is_blank, long_fields, records
from popcast.datasets.reading.encodings.text_encoding import opened_text
from popcast.datasets.reading.file_form import FileForm
from popcast.datasets.reading.row_table import MOST_REJECTED, FileRows, RejectedRow, too_many_rejected
from popcast.datasets.reading.sources import Source

Records = Iterator[tuple[int, list[str] | str]]

BATCH = 20_000
"""Rows that wait as Python's text before they become columns."""
BATCH_SIZE = 64 << 20
"""Characters of them."""


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
            rows = _rows(source, records(lines, dialect), dialect.delimiter, wanted, most_rows)
    rows.said.append(f"separated by {delimiters.shown(dialect.delimiter)}, encoding {encoding}")
    if not dialect.quotes:
        rows.said.append("quotes are part of the text, every line is a row")
    return rows


def _rows(
    source: Source, found: Records, delimiter: str, wanted: Collection[str] | None, most_rows: int | None
) -> FileRows:
    path, header = source.path, _header(source, found, wanted)
    width, numbers, rejected, pieces = header.width, array("q"), [], []
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
        if len(fields) != width:
            reason = "short row" if len(fields) < width else "long row"
            counted = f"{len(fields)} fields, expected {width}"
            rejected.append(RejectedRow(path, row, reason, f"{counted}: {shown(delimiter.join(fields[:3]))}"))
            continue
        batch.append(fields)
        numbers.append(row)
        size += sum(map(len, fields))
        if len(batch) == BATCH or size > BATCH_SIZE:
            pieces.append(_columns(batch, header))
            batch, size = [], 0
        if most_rows is not None and len(numbers) >= most_rows:
            break
    pieces.append(_columns(batch, header))
    columns, names = header.fill(pl.concat(pieces, rechunk=True))
    return FileRows(path, columns, names, numbers, rejected, [], strict=True)


def _header(source: Source, found: Records, wanted: Collection[str] | None) -> Header:
    for row, fields in found:
        if isinstance(fields, str):
            raise bad_input(f"not a header: {fields}", file=source.path, row=row)
        if not is_blank(fields):
            return read_header(fields, source.path, row, wanted)
    raise bad_input("empty file", file=source.path, expected="a header")


def _columns(batch: list[list[str]], header: Header) -> pl.DataFrame:
    return pl.DataFrame(
        {
            name: pl.Series([fields[at] or None for fields in batch], dtype=pl.String)
            for name, at in header.places.items()
        }
    )

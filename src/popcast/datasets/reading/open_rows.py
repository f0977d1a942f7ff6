"""Open files of posts, whatever kind they are of, and hand out their rows.

The end of a name says the kind: csv, tsv, txt, json, jsonl, ndjson, parquet or xlsx, each also packed as .gz or .zip.
Among texts the content decides: a ``.jsonl`` that is one array is read as that, and said so.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from popcast.core.errors import bad_input
from popcast.datasets.reading.delimited.delimited_rows import read_delimited
from popcast.datasets.reading.encodings.text_encoding import find_encoding, opened_text
from popcast.datasets.reading.file_form import AS_FOUND, FileForm
from popcast.datasets.reading.joined_rows import join
from popcast.datasets.reading.objects.json_rows import HEAD, begins_as_json, read_json
from popcast.datasets.reading.row_table import FileRows, RowTable
from popcast.datasets.reading.sources import Source, find_sources
from popcast.datasets.reading.typed.frame_rows import rows_of
from popcast.datasets.reading.typed.parquet_rows import read_parquet
from popcast.datasets.reading.typed.workbook_rows import read_workbook

__all__ = ["FileForm", "read_rows", "rows_of_frame"]


def read_rows(
    raw: Path,
    named: str | list[str],
    wanted: Collection[str] | None,
    form: FileForm = AS_FOUND,
    most_rows: int | None = None,
) -> RowTable:
    """Rows of the files ``named`` below ``raw``: their ``wanted`` columns, as far as there are such.

    named: path(s) or pattern(s); several files need the same columns. wanted: None for all columns. most_rows: a sample
    from the start. Raises BadInput, in one line, for what cannot be read or could be read in two ways.
    """
    _check(form)
    sources, said = find_sources(raw, named)
    files: list[FileRows] = []
    left = most_rows
    for source in sources:
        files.append(_read(source, wanted, form, left))
        if left is not None:
            left -= len(files[-1].numbers)
            if left <= 0:
                break
    return join(files, wanted, said)


def rows_of_frame(frame: object, name: str = "posts") -> RowTable:
    """Rows of a polars or pandas DataFrame or of a list of dicts; ``name`` stands for the file in errors.

    >>> rows_of_frame([{"id": "a", "metrics": {"likes": 3}}]).names
    ['id', 'metrics.likes']
    """
    return join([rows_of(frame, Path(name))], None, [])


def _read(source: Source, wanted: Collection[str] | None, form: FileForm, most_rows: int | None) -> FileRows:
    if source.kind == "parquet":
        return read_parquet(source, wanted, most_rows)
    if source.kind == "xlsx":
        return read_workbook(source, wanted, form, most_rows)
    encoding = find_encoding(source, form.encoding)
    with opened_text(source, encoding) as text:
        head = text.read(HEAD)
    if not head.strip():
        raise bad_input("empty file", file=source.path, expected="a header or rows")
    if head.lstrip()[:9].lower().startswith(("<html", "<!doctype", "<?xml", "<table")):
        raise bad_input("a web page or XML", file=source.path, value=head.lstrip()[:40], expected="a file of posts")
    if source.kind in ("csv", "tsv", "txt") and not begins_as_json(head):
        return read_delimited(source, encoding, wanted, form, most_rows)
    return read_json(source, encoding, wanted, most_rows)


def _check(form: FileForm) -> None:
    if form.delimiter is not None and (len(form.delimiter) != 1 or form.delimiter in '"\r\n'):
        raise bad_input("not a delimiter", value=form.delimiter, expected="table.delimiter of one character")

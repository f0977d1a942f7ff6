"""Rows of JSON: an array of objects, an object that holds one, or one object per line; whatever the name says."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from typing import TextIO

from popcast.core.errors import bad_input, shown
from popcast.datasets import raw_files
from popcast.datasets.reading.delimited.delimited_records import LONGEST_LINE
from popcast.datasets.reading.encodings.text_encoding import opened_text
from popcast.datasets.reading.objects.json_columns import JsonColumns
from popcast.datasets.reading.objects.json_values import BAD, LARGEST_VALUE, JsonStream, parsed, problem
from popcast.datasets.reading.row_table import FileRows
from popcast.datasets.reading.sources import Source

HEAD = 1 << 16
BLANK = " \t\r\n\ufeff"

EXPECTED = {"an array of objects": ("json",), "one object per line": ("jsonl", "ndjson")}
"""Form -> kinds of name that promise it: any other form is said aloud."""

Found = Iterator[tuple[int, object]]
"""Row and value, or row and the error that parsing it raised."""


def begins_as_json(head: str) -> bool:
    """Whether a text is no table of fields but an array or objects."""
    text = head.lstrip(BLANK)
    if text.startswith("["):
        return text[1:].lstrip(BLANK)[:1] in ("{", "]")
    if not text.startswith("{"):
        return False
    inner = text[1:].lstrip(BLANK)
    return inner.startswith(('"', "}"))


def read_json(source: Source, encoding: str, wanted: Collection[str] | None, most_rows: int | None) -> FileRows:
    """Rows that are objects; others are rejected, blank lines skipped. Fields that an object lacks are null."""
    with opened_text(source, encoding, newline="\n") as text:
        head = text.read(HEAD)
    first = head.lstrip(BLANK)[:1]
    if first not in ("[", "{"):
        raise bad_input("not JSON", file=source.path, value=head.lstrip(BLANK)[:20],
                        expected="[ or {, or the end of name of a csv")  # fmt: skip
    columns = JsonColumns(source.path, wanted)
    with opened_text(source, encoding, newline="\n") as text:
        if first == "[":
            found, form = _array(JsonStream(text, source.path)), "an array of objects"
        elif _is_lines(source.kind, head):
            found, form = _lines(text, source), "one object per line"
        else:
            found, form = _whole(text, source, wanted)
        for row, value in found:
            columns.add(row, value)
            if most_rows is not None and columns.height >= most_rows:
                break
    rows = columns.rows()
    if source.kind not in EXPECTED.get(form, ()):
        rows.said.insert(0, f"{form}, read as such")
    rows.said.append(f"encoding {encoding}")
    return rows


def _is_lines(kind: str, head: str) -> bool:
    """Objects line by line: as the name says, if they do not begin on a line that goes on, and as the first two lines
    show."""
    first, *rest = [line for line in head.lstrip(BLANK).split("\n") if line.strip()]
    if kind in ("jsonl", "ndjson") and not first.rstrip().endswith(("{", ",", "[")):
        return True
    try:
        parsed(first.rstrip().removesuffix(","))
    except BAD:
        return False
    return bool(rest)


def _array(stream: JsonStream) -> Found:
    return enumerate(stream.array(), 1)


def _lines(text: TextIO, source: Source) -> Found:
    row = 0
    while line := text.readline(LONGEST_LINE):
        row += 1
        if row > raw_files.MOST_ROWS:
            raise bad_input(
                f"more than {raw_files.MOST_ROWS} lines", file=source.path, expected="several smaller files"
            )
        if len(line) == LONGEST_LINE:
            raise bad_input(f"a line of more than {LONGEST_LINE >> 20} MB", file=source.path, row=row)
        line = line.strip(BLANK)
        if line:
            line = line.removesuffix(",")
            try:
                yield row, parsed(line)
            except BAD as error:
                yield row, error


def _whole(text: TextIO, source: Source, wanted: Collection[str] | None) -> tuple[Found, str]:
    """One object, which is a row or holds them, or several that take more than a line each."""
    content = text.read(LARGEST_VALUE + 1)
    if len(content) > LARGEST_VALUE:
        raise bad_input(f"an object of more than {LARGEST_VALUE >> 20} MB", file=source.path,
                        expected="an array of objects, or one object per line")  # fmt: skip
    try:
        value = parsed(content.strip(BLANK))
    except json.JSONDecodeError as error:
        if error.msg != "Extra data":
            raise bad_input(f"not valid JSON, cut off or damaged: {problem(error)}", file=source.path) from None
        return enumerate(_Text(content, source).sequence(), 1), "objects one after another"
    except BAD as error:
        raise bad_input(f"not valid JSON, cut off or damaged: {problem(error)}", file=source.path) from None
    name, rows = _held(value, source, wanted)
    return enumerate(rows, 1), f"an object that holds rows as {shown(name)}" if name else "one object"


class _Text(JsonStream):
    """A text that was read as a whole."""

    def __init__(self, content: str, source: Source) -> None:
        super().__init__(None, source.path)
        self.buffer, self.ended = content, True


def _held(value: dict, source: Source, wanted: Collection[str] | None) -> tuple[str | None, list]:
    """Dotted name and items of the one array of objects that an object holds; the object itself where it is a row.

    What has most of the wanted fields is meant; then the only array, then the only one with more than one item. An
    object that has as many of them as its array is refused.
    """
    arrays = dict(_arrays(value, ""))
    if not arrays and (rows := _by_key(value, wanted or ())):
        return "one object within it per row or column", rows
    has = {name: _has(items[0], wanted or ()) for name, items in arrays.items()}
    most = max(has.values(), default=0)
    own = _has(value, wanted or ())
    if not arrays or own > most:
        return None, [value]
    if own and own == most:
        raise bad_input("one post, or an object that holds them", file=source.path, value=", ".join(arrays),
                        expected="an array of objects, or one object per line")  # fmt: skip
    fitting = [name for name in arrays if has[name] == most]
    if len(fitting) > 1:
        fitting = [name for name in fitting if len(arrays[name]) > 1] or fitting
    if len(fitting) > 1:
        raise bad_input("several arrays of objects", file=source.path, value=", ".join(arrays), expected="one of them")
    return fitting[0], arrays[fitting[0]]


def _by_key(value: dict, wanted: Collection[str]) -> list[dict]:
    """Rows of an object of objects: ``{"id1": {...}, "id2": {...}}``, or columns as pandas writes them by default,
    ``{"likes": {"0": 5, "1": 7}}``. Only what has wanted fields is taken for either."""
    inner = list(value.values())
    if not inner or not all(isinstance(one, dict) for one in inner):
        return []
    if any(name in one for one in inner for name in wanted) and not set(wanted) & set(value):
        return inner
    if set(wanted) & set(value) and all(list(one) == list(inner[0]) for one in inner):
        return [{name: column[key] for name, column in value.items()} for key in inner[0]]
    return []


def _arrays(value: dict, prefix: str, depth: int = 0) -> Iterator[tuple[str, list]]:
    for key, inner in value.items():
        if isinstance(inner, list) and inner and all(isinstance(item, dict) for item in inner):
            yield prefix + key, inner
        elif isinstance(inner, dict) and depth < 4:
            yield from _arrays(inner, f"{prefix}{key}.", depth + 1)


def _has(record: dict, wanted: Collection[str]) -> int:
    """How many of the wanted fields, or the objects that they are in, an object has."""
    return sum(name in record or name.split(".")[0] in record for name in wanted)

"""Files of the collectors, read into records one by one: what is wrong with a row is told, not raised.

What is wrong with a whole file is a :class:`BadInput`: another header, no byte order mark, another encoding, broken
JSON, another shape, somebody else's history.
"""

from __future__ import annotations

import csv
import io
import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import ValidationError

from popcast.core.errors import bad_input
from popcast.datasets.raw_files import BOM, file_bytes, opened
from popcast.response.importing import collected_records as records

MOST_BYTES = 256 << 20
"""Bytes of one file at most."""

MOST_STORED = 5_000_000
"""Rows of a table of format E at most."""

STORED = tuple(records.StoredReply.model_fields)
_REPEATED = "\x00repeated key"


class Row(NamedTuple):
    """One row of a file: the record, or the field (where known) and the reason of its fault."""

    number: int
    record: Any = None
    field: str | None = None
    fault: str | None = None


def _text(path: Path, marked: bool = False) -> str:
    """A UTF-8 text. marked: it must begin with a byte order mark; else it may not (JSON) but is read all the same."""
    content = file_bytes(path, MOST_BYTES)
    if marked and not content.startswith(BOM):
        raise bad_input("no byte order mark", file=path, expected="UTF-8 with one, as the collector writes it")
    content = content.removeprefix(BOM)
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        row = error.object.count(b"\n", 0, error.start) + 1
        raise bad_input("not UTF-8", file=path, row=row) from None


def record_of(model: type[records.Record], value: Any, number: int) -> Row:
    """A value from :func:`json_text`, or cells by column, as a record or a fault."""
    if not isinstance(value, dict):
        return Row(number, fault="not an object")
    if (repeated := _repeated(value)) is not None:
        return Row(number, field=repeated, fault="the key stands there twice")
    try:
        return Row(number, model.model_validate(value))
    except ValidationError as error:
        field, fault = records.fault_of(error)
        return Row(number, field=field, fault=fault)


def _repeated(value: dict) -> str | None:
    """The key that stands twice in an object, or in one right below it."""
    inner = [one for one in value.values() if isinstance(one, dict)]
    return next((one[_REPEATED] for one in (value, *inner) if _REPEATED in one), None)


def news(path: Path) -> str:
    """The text of ``news.txt``; one without words is refused."""
    text = _text(path).strip()
    if not any(letter.isalnum() for letter in text):
        raise bad_input("no news in it", file=path, expected="the text of the news")
    if "\x00" in text or len(text) > records.LONGEST_TEXT:
        problem = "a NUL character" if "\x00" in text else f"more than {records.LONGEST_TEXT} characters"
        raise bad_input(problem, file=path, expected="the text of the news")
    return text


def search_rows(path: Path) -> Iterator[Row]:
    """Rows of a csv of format A, numbered as lines of an editor."""
    reader = csv.reader(io.StringIO(_text(path, marked=True), newline=""), strict=True)
    try:
        header = next(reader, [])
    except csv.Error as error:
        raise bad_input(f"not a readable header: {error}", file=path) from None
    if tuple(header) != records.HEADER:
        wrong = next((i for i, name in enumerate(records.HEADER) if i >= len(header) or header[i] != name), None)
        if wrong is None:
            raise bad_input(f"{len(header)} columns", file=path, row=1, expected=f"{len(records.HEADER)}")
        found = header[wrong] if wrong < len(header) else "nothing"
        raise bad_input(
            f"another header: column {wrong + 1}", file=path, row=1, value=found, expected=records.HEADER[wrong]
        )
    while True:
        start = reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error:
            yield Row(start, fault="not a row of a csv: quotes are open or a cell is endless")
            continue
        if not cells:
            continue
        if len(cells) != len(records.HEADER):
            yield Row(start, fault=f"not {len(records.HEADER)} cells")
        else:
            yield record_of(records.SearchRow, dict(zip(records.HEADER, cells, strict=True)), start)


def json_file(path: Path) -> Any:
    """The value of a JSON file, see :func:`json_text`."""
    try:
        return json_text(_text(path))
    except ValueError as error:
        raise bad_input(f"not valid JSON, cut off or damaged: {error}", file=path) from None


def json_text(text: str) -> Any:
    """The value of a JSON text. Objects with a repeated key are marked. Raises ValueError, one line."""
    try:
        return json.loads(text, object_pairs_hook=_object, parse_constant=_no_number)
    except RecursionError:
        raise ValueError("too deep") from None
    except ValueError as error:
        raise ValueError(str(error).splitlines()[0]) from None


def _object(pairs: list[tuple[str, Any]]) -> dict:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        found[_REPEATED] = next(name for i, name in enumerate(names) if name in names[:i])
    return found


def _no_number(name: str) -> Any:
    raise ValueError(f"{name} is no number of JSON")


def ai_search_rows(path: Path) -> Iterator[Row]:
    """Records of format B, numbered from 1."""
    value = json_file(path)
    if not isinstance(value, list):
        raise bad_input("not a list", file=path, expected="a list of answers of the AI search")
    for number, item in enumerate(value, 1):
        yield record_of(records.AiSearchRow, item, number)


def history(path: Path, user_id: str) -> tuple[Row, Iterator[Row]]:
    """Profile and posts of format C. user_id: the name of its folder, which the profile must have too."""
    value = json_file(path)
    if not isinstance(value, dict) or set(value) != {"user", "weibo"}:
        raise bad_input("another shape", file=path, expected='an object with "user" and "weibo"')
    if not isinstance(value["weibo"], list) or not isinstance(value["user"], dict):
        field = "user" if not isinstance(value["user"], dict) else "weibo"
        raise bad_input("another shape", file=path, field=field, expected="an object" if field == "user" else "a list")
    told = value["user"].get("id")
    if str(told) != user_id:
        raise bad_input(
            "another user's file", file=path, field="user.id", value=told, expected=f"{user_id}, its folder"
        )
    return record_of(records.Profile, value["user"], 1), _history_posts(value["weibo"], user_id)


def _history_posts(values: list, user_id: str) -> Iterator[Row]:
    for number, item in enumerate(values, 1):
        row = record_of(records.HistoryPost, item, number)
        if row.record is not None and row.record.user_id != user_id:
            row = Row(number, field="user_id", fault="another user than the folder's")
        yield row


def stored_rows(path: Path) -> Iterator[tuple[str, Row]]:
    """Rows of the tables ``comments`` and ``reposts`` of format E, with the table's name. The file is only read."""
    with opened(path) as file:
        if file.read(16) != b"SQLite format 3\x00":
            raise bad_input("not an SQLite file", file=path)
    found = False
    connection = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro&immutable=1", uri=True)
    try:
        connection.text_factory = bytes
        connection.execute("PRAGMA trusted_schema = OFF")
        for table in ("comments", "reposts"):
            if connection.execute("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?", (table,)).fetchone():
                found = True
                yield from ((table, row) for row in _stored(connection, table, path))
    except sqlite3.Error as error:
        raise bad_input(f"not a readable SQLite file: {error}", file=path) from None
    finally:
        connection.close()
    if not found:
        raise bad_input("no such tables", file=path, expected="comments or reposts, as the crawler writes them")


def _stored(connection: sqlite3.Connection, table: str, path: Path) -> Iterator[Row]:
    columns = {row[1].decode() for row in connection.execute(f"PRAGMA table_info({table})")}
    missing = [name for name in STORED if name not in columns]
    if missing:
        raise bad_input(f"table {table} lacks a column", file=path, field=missing[0])
    for number, cells in enumerate(connection.execute(f"SELECT {', '.join(STORED)} FROM {table} ORDER BY rowid"), 1):
        if number > MOST_STORED:
            raise bad_input(f"table {table} has more than {MOST_STORED} rows", file=path)
        try:
            values = [cell.decode() if isinstance(cell, bytes) else cell for cell in cells]
        except UnicodeDecodeError:
            yield Row(number, fault="not UTF-8")
            continue
        yield record_of(records.StoredReply, dict(zip(STORED, values, strict=True)), number)

"""Reading raw files into columns of text: JSON arrays of any size, JSON lines, csv, and plain lines.

Every reader returns strings as they stand in the file. What they mean is the loader's business. Files that cannot be
read are refused with the file and, where it is known, the row.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterable
from pathlib import Path

import orjson
import polars as pl

from popcast.core.errors import bad_input

BLOCK = 4 << 20
"""Bytes of a JSON array that are parsed at once: the 799 floats per post of SMPD's generation A make files of 2 GB."""

BETWEEN_OBJECTS = re.compile(rb"\}\s*(,)\s*\{")
BOM = b"\xef\xbb\xbf"


def find(folder: Path, names: Iterable[str]) -> Path | None:
    """The first of ``names`` (glob patterns, in order of preference) that exists below ``folder``."""
    for name in names:
        found = sorted(path for path in folder.glob(name) if path.is_file())
        if len(found) > 1:
            raise bad_input(f"{len(found)} files match {name}", file=folder, expected="one")
        if found:
            return found[0]
    return None


def need(folder: Path, names: Iterable[str]) -> Path:
    """As :func:`find`; a missing file is refused."""
    names = list(names)
    path = find(folder, names)
    if path is None:
        raise bad_input("missing file", file=folder / names[0], expected=" or ".join(names))
    return path


def read_bytes(path: Path) -> bytes:
    """Content of a file without byte order mark."""
    if not path.is_file():
        raise bad_input("missing file", file=path)
    return path.read_bytes().removeprefix(BOM)


def text_lines(path: Path) -> pl.Series:
    """Lines of a UTF-8 file without their line ends (LF or CRLF); a final line end makes no extra line."""
    try:
        text = read_bytes(path).decode()
    except UnicodeDecodeError as error:
        row = error.object.count(b"\n", 0, error.start) + 1
        raise bad_input("not UTF-8", file=path, row=row) from None
    lines = text.removesuffix("\n").split("\n") if text else []
    return pl.Series("line", lines, dtype=pl.String).str.strip_suffix("\r")


def json_value(path: Path):
    """The JSON value of a whole file."""
    try:
        return orjson.loads(read_bytes(path))
    except orjson.JSONDecodeError as error:
        raise bad_input(f"not valid JSON, cut off or damaged: {error}", file=path) from None


def json_array(
    path: Path, fields: Iterable[str], shrink: Callable[[pl.DataFrame], pl.DataFrame] | None = None
) -> pl.DataFrame:
    """Columns ``fields`` as strings from a JSON array of objects, parsed block by block in bounded memory.

    Numbers and booleans come as their text, absent keys as null, other keys are skipped. ``shrink`` is applied to
    each block, to drop long columns early. A block ends at a ``},{``; one that lies inside a string leaves an open
    string, so the parser refuses that cut and an earlier one is tried.
    """
    schema = dict.fromkeys(fields, pl.String)
    shrink = shrink or (lambda table: table)
    pieces: list[pl.DataFrame] = []
    with _opened(path) as file:
        body = file.read(BLOCK).removeprefix(BOM).lstrip()
        if not body.startswith(b"["):
            raise bad_input("not a JSON array", file=path, value=body[:20].decode(errors="replace"), expected="[")
        while block := file.read(BLOCK):
            for comma in reversed([m.start(1) for m in BETWEEN_OBJECTS.finditer(body, max(0, len(body) - (1 << 20)))]):
                piece = _objects(body[:comma] + b"]", schema)
                if piece is not None:
                    pieces.append(shrink(piece))
                    body = b"[" + body[comma + 1 :]
                    break
            body += block
    rows = sum(piece.height for piece in pieces)
    last = _objects(body, schema)
    if last is None:
        raise _damaged(body, path, rows)
    return pl.concat([*pieces, shrink(last)], rechunk=True)


def _opened(path: Path):
    if not path.is_file():
        raise bad_input("missing file", file=path)
    return path.open("rb")


def _objects(text: bytes, schema: dict) -> pl.DataFrame | None:
    """The array ``text`` as a table, None if it is not a valid array of objects."""
    try:
        return pl.read_json(io.BytesIO(text), schema=schema)
    except pl.exceptions.PolarsError:
        return None


def _damaged(text: bytes, path: Path, rows: int):
    try:
        values = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        where = f"after row {rows}: " if rows else ""
        return bad_input(f"not valid JSON, cut off or damaged: {where}{error}", file=path)
    for row, value in enumerate(values, rows + 1):
        if not isinstance(value, dict):
            return bad_input("not an object", file=path, row=row, value=value)
        for field, content in value.items():
            if isinstance(content, list | dict):
                return bad_input("not a text or number", file=path, row=row, field=field, value=content)
    return bad_input("not readable as an array of objects", file=path)


def json_lines(path: Path, schema: dict[str, pl.DataType]) -> pl.DataFrame:
    """Columns of ``schema`` from a file with one JSON object per line; a blank line is refused, except at the end.

    Every object must have every field; its value may be null.
    """
    columns: dict[str, list] = {field: [] for field in schema}
    for row, line in enumerate(read_bytes(path).rstrip().split(b"\n"), 1):
        try:
            record = orjson.loads(line)
        except orjson.JSONDecodeError as error:
            raise bad_input(f"not valid JSON: {error}", file=path, row=row) from None
        if not isinstance(record, dict):
            raise bad_input("not an object", file=path, row=row, value=record)
        for field, values in columns.items():
            if field not in record:
                raise bad_input("field is missing", file=path, row=row, field=field)
            values.append(record[field])
    return pl.DataFrame({field: typed(columns[field], dtype, path, field) for field, dtype in schema.items()})


def typed(values: list, dtype: pl.DataType, path: Path, field: str, first_row: int = 1) -> pl.Series:
    """Python values from JSON as a column of ``dtype``; the first value of another type is refused."""
    kinds = {pl.String: (str,), pl.Float64: (int, float), pl.Int64: (int,)}.get(dtype, (list,))
    for row, value in enumerate(values, first_row):
        if value is not None and (not isinstance(value, kinds) or isinstance(value, bool)):
            expected = " or ".join(kind.__name__ for kind in kinds)
            raise bad_input("wrong type", file=path, row=row, field=field, value=value, expected=expected)
    return pl.Series(field, values, dtype=dtype)


def csv(path: Path) -> pl.DataFrame:
    """A csv or csv.gz with a header, every column as text; an empty field is null. Row 1 is the header."""
    if not path.is_file():
        raise bad_input("missing file", file=path)
    try:
        return pl.read_csv(path, infer_schema=False)
    except pl.exceptions.NoDataError:
        raise bad_input("empty file", file=path, expected="a header") from None
    except (pl.exceptions.PolarsError, OSError, EOFError) as error:
        raise bad_input(f"not a readable csv: {str(error).strip().splitlines()[0]}", file=path) from None

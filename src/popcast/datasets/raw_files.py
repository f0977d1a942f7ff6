"""Reading raw files into columns of text: JSON arrays of any size, JSON lines, csv, and plain lines.

Every reader returns strings as they stand in the file. What they mean is the loader's business. Files that cannot be
read are refused with the file and, where it is known, the row.
"""

from __future__ import annotations

import gzip
import io
import re
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import BinaryIO

import orjson
import polars as pl

from popcast.core.errors import bad_input

BLOCK = 4 << 20
"""Bytes of a JSON array that are parsed at once: the 799 floats per post of SMPD's generation A make files of 2 GB."""

LARGEST_OBJECT = 256 << 20
"""Bytes of one object of a JSON array at most: what ends nowhere is no object."""

CUTS = 8
"""Places that a block is cut at on trial, before more of the file is read."""

MOST_UNPACKED = 1 << 30
"""Bytes that a packed file may unpack to: ten kilobytes of zeros can stand for any number."""

MOST_ROWS = 20_000_000
"""Rows of a parquet file, and lines of a text, at most: a column of equal values, or blank lines, have no size."""

PACKED = (b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"x\x01", b"x\x9c", b"x\xda")
"""How packed bytes begin that would be unpacked whatever the file is called."""

FOREIGN = (pl.exceptions.PolarsError, pl.exceptions.PanicException, ValueError, OverflowError)
"""What the libraries below raise on a file that they cannot read."""

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


@contextmanager
def readable(path: Path, what: str = "file") -> Iterator[None]:
    """What reading raises inside becomes one line: the system's errors and those of the libraries that parse.

    what: kind of the file, for the line. An OSError is about the disk, everything else about the content.
    """
    try:
        yield
    except PermissionError as error:
        raise bad_input(error.strerror or "not allowed", file=path) from None
    except (*FOREIGN, OSError, EOFError, zlib.error) as error:
        said = error.strerror if isinstance(error, OSError) and error.strerror else str(error).strip()
        problem = (said.splitlines() or [type(error).__name__])[0]
        raise bad_input(f"not a readable {what}: {problem}", file=path) from None


def read_bytes(path: Path, most: int | None = None) -> bytes:
    """Content of a file without byte order mark. most: bytes that it may have; a ``.gz`` is unpacked."""
    return file_bytes(path, most).removeprefix(BOM)


def file_bytes(path: Path, most: int | None = None) -> bytes:
    """Content of a file as it is. Raises BadInput where it cannot be read or has more than ``most`` bytes."""
    with opened(path) as file:
        content = file.read() if most is None else file.read(most + 1)
    if most is not None and len(content) > most:
        raise bad_input(f"more than {most >> 20} MB", file=path)
    return content


@contextmanager
def opened(path: Path) -> Iterator[BinaryIO]:
    """The file for reading, unpacked where its name ends in ``.gz``. What fails meanwhile is one line."""
    with opened_as_it_is(path) as packed:
        if path.suffix.lower() != ".gz":
            yield packed
            return
        with gzip.open(packed) as file:
            yield file


@contextmanager
def opened_as_it_is(path: Path) -> Iterator[BinaryIO]:
    """The file for reading, packed or not. What fails meanwhile is one line."""
    with readable(path):
        if path.is_dir():
            raise bad_input("a folder", file=path, expected="a file")
        if not path.is_file():
            raise bad_input("missing file", file=path)
        with path.open("rb") as file:
            yield file


def check_packed(path: Path) -> None:
    """Unpack a ``.gz`` once, in small pieces: cut off, damaged or larger than :data:`MOST_UNPACKED` is refused."""
    size = 0
    with opened(path) as file:
        while piece := file.read(1 << 20):
            size += len(piece)
            if size > MOST_UNPACKED:
                problem = f"unpacks to more than {MOST_UNPACKED >> 20} MB"
                raise bad_input(problem, file=path, expected="the unpacked file, or several smaller ones")


def text_lines(path: Path, most: int | None = None) -> pl.Series:
    """Lines of a UTF-8 file without their line ends (LF or CRLF); a final line end makes no extra line."""
    try:
        text = read_bytes(path, most).decode()
    except UnicodeDecodeError as error:
        row = error.object.count(b"\n", 0, error.start) + 1
        raise bad_input("not UTF-8", file=path, row=row) from None
    lines = text.removesuffix("\n").split("\n") if text else []
    return pl.Series("line", lines, dtype=pl.String).str.strip_suffix("\r")


def json_value(path: Path, most: int | None = None):
    """The JSON value of a whole file. most: bytes that it may have."""
    try:
        return orjson.loads(read_bytes(path, most))
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
    with opened(path) as file:
        body = file.read(BLOCK).removeprefix(BOM).lstrip()
        if not body.startswith(b"["):
            raise bad_input("not a JSON array", file=path, value=body[:20].decode(errors="replace"), expected="[")
        while block := file.read(BLOCK):
            for comma in islice(_cuts(body), CUTS):
                piece = _objects(body[:comma] + b"]", schema)
                if piece is not None:
                    pieces.append(shrink(piece))
                    body = b"[" + body[comma + 1 :]
                    break
            if len(body) > LARGEST_OBJECT:
                raise _damaged(body, path, sum(piece.height for piece in pieces))
            body += block
    rows = sum(piece.height for piece in pieces)
    last = _objects(body, schema)
    if last is None:
        raise _damaged(body, path, rows)
    return pl.concat([*pieces, shrink(last)], rechunk=True)


def _cuts(body: bytes) -> Iterator[int]:
    """Places of the commas in ``},{`` that lie outside of strings, the last one first."""
    start = max(0, len(body) - (1 << 20))
    places = [match.start(1) for match in BETWEEN_OBJECTS.finditer(body, start)]
    quotes, before = _quotes(body[:start]), start
    outside = []
    for place in places:
        quotes += _quotes(body[before:place])
        before = place
        if quotes % 2 == 0:
            outside.append(place)
    return reversed(outside)


def _quotes(text: bytes) -> int:
    """Quotes of a part of JSON that begin or end a string. It neither begins nor ends within an escape."""
    return text.replace(rb"\\", b"").replace(rb"\"", b"").count(b'"')


def _objects(text: bytes, schema: dict) -> pl.DataFrame | None:
    """The array ``text`` as a table, None if it is not a valid array of objects."""
    try:
        return pl.read_json(io.BytesIO(text), schema=schema)
    except FOREIGN:
        return None


def _damaged(text: bytes, path: Path, rows: int):
    try:
        values = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        where = f"after row {rows}: " if rows else ""
        return bad_input(f"not valid JSON, cut off or damaged: {where}{error}", file=path)
    if not isinstance(values, list):
        return bad_input("not a JSON array", file=path)
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
    return pl.DataFrame({field: _typed(columns[field], dtype, path, field) for field, dtype in schema.items()})


def _typed(values: list, dtype: pl.DataType, path: Path, field: str) -> pl.Series:
    """Python values from JSON as a column of ``dtype``; the first value of another type is refused."""
    kinds = {pl.String: (str,), pl.Float64: (int, float), pl.Int64: (int,)}.get(dtype, (list,))
    for row, value in enumerate(values, 1):
        if value is not None and (not isinstance(value, kinds) or isinstance(value, bool)):
            expected = " or ".join(kind.__name__ for kind in kinds)
            raise bad_input("wrong type", file=path, row=row, field=field, value=value, expected=expected)
        if isinstance(value, list) and any(isinstance(item, list | dict) for item in value):
            raise bad_input("a list in a list", file=path, row=row, field=field, value=value, expected="texts")
    if kinds == (list,):
        values = [
            value if value is None else [None if item is None else str(item) for item in value] for value in values
        ]
    return pl.Series(field, values, dtype=dtype)


def csv(path: Path) -> pl.DataFrame:
    """A csv or csv.gz with a header, every column as text; an empty field is null. Row 1 is the header.

    A packed file is unpacked piece by piece.
    """
    if path.suffix.lower() == ".gz":
        check_packed(path)
    else:
        with opened(path) as file:
            if file.read(4).startswith(PACKED):
                raise bad_input("packed", file=path, expected="text, or .gz at the end of its name")
    with readable(path, "csv"):
        try:
            return pl.scan_csv(path, infer_schema=False, glob=False).collect()
        except pl.exceptions.NoDataError:
            raise bad_input("empty file", file=path, expected="a header") from None

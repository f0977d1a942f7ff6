"""Seeded mutations of raw files: bytes, structure of JSON, csv and parquet, and the file system itself.

``mutate(folder, rng)`` changes one or a few files and says what it did. The same seed makes the same change.
"""

from __future__ import annotations

import gzip
import io
import json
import os
import random
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import polars as pl

ODD: tuple[Any, ...] = (
    None, "", " ", 0, -1, 1.5, 1e308, -1e308, 10**18, "9" * 4400, "1" * 400, "nan", "inf", "-inf", "NaN", True, False,
    [], {}, [1, "a"], [None], {"a": 1}, {"a": {"b": [1]}}, [[["x"]]], "\x1b[2J\x1b[31mred", "a\x00b", "a\nb", "a\tb",
    "é", "😀", "\u202e", "x" * 200_000, "[" * 100_000, "['a'", "[1e400]", "['\\ud800']", '["\\ud800"]', "{}", "=1+1",
    "../../etc/passwd", "/etc/passwd", "C:\\x", "2020-13-45", "0000-00-00", "9999-12-31 23:59:59", "1e5", "0x10",
    "１２", "-0", "1,5", "1_000", "$(touch hacked)", "`id`", "${item}", "999999999999999999999999",
)  # fmt: skip
"""Values that stand where others were expected."""


def mutate(folder: Path, rng: random.Random) -> str:
    """Change files below ``folder``; what was done, for the report of a failure."""
    done = []
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        files = sorted(path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
        if not files:
            break
        file = rng.choice(files)
        kinds = [of_bytes] * 3 + [of_disk] + [of_structure] * 5
        done.append(f"{file.relative_to(folder)}: {rng.choice(kinds)(file, rng)}")
    return "; ".join(done)


def of_bytes(file: Path, rng: random.Random) -> str:
    """Flip, cut, insert, repeat, another encoding. A packed file is changed packed or unpacked."""
    content, packed = file.read_bytes(), file.suffix == ".gz" and rng.random() < 0.5
    if packed:
        try:
            content = gzip.decompress(content)
        except (OSError, EOFError, zlib.error):  # an earlier change left nothing to unpack
            packed = False
    change = rng.choice(list(BYTES))
    content = BYTES[change](content, rng)
    file.write_bytes(gzip.compress(content, mtime=0) if packed else content)
    return change


def _flip(content: bytes, rng: random.Random) -> bytes:
    changed = bytearray(content)
    for _ in range(rng.choice((1, 1, 3, 30))):
        if changed:
            changed[rng.randrange(len(changed))] = rng.randrange(256)
    return bytes(changed)


def _span(content: bytes, rng: random.Random) -> tuple[int, int]:
    start = rng.randrange(len(content) + 1)
    return start, min(len(content), start + rng.choice((1, 2, 10, 100, 5000)))


def _drop(content: bytes, rng: random.Random) -> bytes:
    start, end = _span(content, rng)
    return content[:start] + content[end:]


def _insert(content: bytes, rng: random.Random) -> bytes:
    place = rng.randrange(len(content) + 1)
    pieces = (b"\x00", b"\xff\xfe", b"\xef\xbb\xbf", b"\x1b[2J", b'"', b"'", b",", b"\t", b"\n", b"\r", b"\r\n\r\n",
              b"{", b"}", b"[", b"]", b"\\", b"\\u", b"},{", b"nan", b"-", b"1e400", b"\xed\xa0\x80", b"\xc3",
              b"9" * 5000, b"[" * 3000, b"\x1f\x8b")  # fmt: skip
    return content[:place] + rng.choice(pieces) * rng.choice((1, 1, 1, 50)) + content[place:]


def _repeat(content: bytes, rng: random.Random) -> bytes:
    start, end = _span(content, rng)
    return content[:end] + content[start:end] * rng.choice((1, 2, 50)) + content[end:]


def _encoded(content: bytes, rng: random.Random) -> bytes:
    text = content.decode("utf-8", "replace")
    return text.encode(rng.choice(("utf-16", "utf-32", "utf-16-le", "cp1252", "utf-8-sig", "utf-7")), "replace")


def _lines(content: bytes, rng: random.Random) -> bytes:
    lines = content.split(b"\n")
    place = rng.randrange(len(lines))
    change = rng.choice(("drop", "twice", "swap", "blank", "cr"))
    if change == "drop":
        del lines[place]
    elif change == "twice":
        lines.insert(place, lines[place])
    elif change == "swap":
        rng.shuffle(lines)
    elif change == "blank":
        lines.insert(place, b"")
    return (b"\r" if change == "cr" else b"\n").join(lines)


BYTES: dict[str, Callable[[bytes, random.Random], bytes]] = {
    "flipped": _flip,
    "cut off": lambda content, rng: content[: rng.randrange(len(content) + 1)],
    "bytes dropped": _drop,
    "bytes inserted": _insert,
    "bytes repeated": _repeat,
    "other encoding": _encoded,
    "lines changed": _lines,
    "empty": lambda content, rng: b"",
    "one byte": lambda content, rng: bytes([rng.randrange(256)]),
    "zeros": lambda content, rng: bytes(rng.choice((1, 100, 100_000))),
    "noise": lambda content, rng: rng.randbytes(rng.choice((10, 1000, 100_000))),
    "twice": lambda content, rng: content + content,
}


def of_disk(file: Path, rng: random.Random) -> str:
    """The file is gone, a folder, a loop of links, a pipe, a device that fails, or packed twice."""
    change = rng.choice(("missing", "folder", "loop", "pipe", "failing", "dangling", "no rights", "packed", "renamed"))
    content = file.read_bytes()
    file.unlink()
    if change == "folder":
        file.mkdir()
    elif change == "loop":
        file.symlink_to(file.name)
    elif change == "dangling":
        file.symlink_to("nowhere")
    elif change == "pipe":
        os.mkfifo(file)
    elif change == "failing":
        file.symlink_to("/proc/self/mem")  # a read of it is an EIO
    elif change == "no rights":
        file.write_bytes(content)
        file.chmod(0)
    elif change == "packed":
        file.write_bytes(gzip.compress(content, mtime=0))
    elif change == "renamed":
        file.with_name(file.name + ".old").write_bytes(content)
    return change


def of_structure(file: Path, rng: random.Random) -> str:
    """Columns renamed, dropped, twice; values of other types, nested, huge; by the kind of the file."""
    inner = file.suffixes[0] if file.suffixes else ""
    content = file.read_bytes()
    if file.suffix == ".gz":
        try:
            content = gzip.decompress(content)
        except (OSError, EOFError, zlib.error):
            return of_bytes(file, rng)
    change = {".json": _json, ".jsonl": _jsonl, ".csv": _cells, ".txt": _cells, ".parquet": _parquet}.get(inner)
    try:
        new, said = change(content, rng)
    except Exception:  # an earlier change left nothing to take apart
        return of_bytes(file, rng)
    file.write_bytes(gzip.compress(new, mtime=0) if file.suffix == ".gz" else new)
    return said


def _odd(rng: random.Random) -> tuple[Any, str]:
    value = rng.choice(ODD)
    return value, repr(value)[:40]


def _json(content: bytes, rng: random.Random) -> tuple[bytes, str]:
    value = orjson.loads(content)
    said = _change(value, rng)
    if rng.random() < 0.05:
        value, said = _odd(rng)
    return json.dumps(value).encode(), said


def _jsonl(content: bytes, rng: random.Random) -> tuple[bytes, str]:
    records = [orjson.loads(line) for line in content.splitlines()]
    if rng.random() < 0.3:
        names = list(records[0])
        name, (value, shown) = rng.choice(names), _odd(rng)
        for record in records:
            record[name] = value
        said = f"all of {name} {shown}"
    else:
        said = _change(records, rng)
    return b"\n".join(json.dumps(record).encode() for record in records) + b"\n", said


def _change(value: Any, rng: random.Random) -> str:
    """Change one place, at random depth, of a JSON list or object."""
    while True:
        keys = list(value) if isinstance(value, dict) else list(range(len(value)))
        if not keys:
            return "nothing"
        key = rng.choice(keys)
        if isinstance(value[key], dict | list) and value[key] and rng.random() < 0.85:
            value = value[key]
            continue
        break
    change = rng.choice(("value", "value", "value", "drop", "rename", "more"))
    if change == "drop":
        del value[key]
        return f"{str(key)[:40]} dropped"
    odd, shown = _odd(rng)
    if change == "rename" and isinstance(value, dict):
        value[str(odd)[:2000]] = value.pop(key)
        return f"{str(key)[:40]} renamed"
    if change == "more":
        if isinstance(value, dict):
            value[rng.choice(("extra", "\x1b[1m", ""))] = odd
        else:
            value.insert(rng.randrange(len(value) + 1), odd)
        return f"one more: {shown}"
    value[key] = odd
    return f"{str(key)[:40]} {shown}"


def _cells(content: bytes, rng: random.Random) -> tuple[bytes, str]:
    """A table of text: cells, columns and its header."""
    lines = content.decode().split("\n")
    separator = "\t" if "\t" in lines[0] else "," if "," in lines[0] else " "
    table = [line.split(separator) for line in lines]
    odd, shown = _odd(rng)
    text = odd if isinstance(odd, str) else json.dumps(odd)
    if rng.random() < 0.3:
        text = '"' + text.replace('"', '""') + '"'
    row, column = rng.randrange(max(1, len(table) - 1)), rng.randrange(len(table[0]))
    change = rng.choice(("cell", "cell", "cell", "column", "dropped", "twice", "header", "wide", "short", "no header"))
    if change == "cell":
        table[row][min(column, len(table[row]) - 1)] = text
    elif change == "header":
        table[0][column] = text
    elif change == "short":
        table[row] = table[row][:-1]
    elif change == "no header":
        del table[0]
    elif change == "wide":
        table = [
            [*cells, *([f"c{place}" for place in range(10_000)] if not at else [])] for at, cells in enumerate(table)
        ]
    else:
        for at, cells in enumerate(table):
            if len(cells) > column:
                if change == "dropped":
                    del cells[column]
                elif change == "twice":
                    cells.insert(column, cells[column])
                elif at:
                    cells[column] = text
    return "\n".join(separator.join(cells) for cells in table).encode("utf-8", "surrogatepass"), f"{change} {shown}"


TYPES = (
    pl.Int8, pl.UInt64, pl.Float32, pl.Boolean, pl.Binary, pl.Date, pl.Datetime("ns"), pl.Datetime("ms", "Asia/Tokyo"),
    pl.Duration("us"), pl.Time, pl.Decimal(20, 4), pl.List(pl.String), pl.List(pl.Float64), pl.Categorical, pl.Null,
)  # fmt: skip


def _parquet(content: bytes, rng: random.Random) -> tuple[bytes, str]:
    table = pl.read_parquet(io.BytesIO(content))
    name = rng.choice(table.columns)
    change = rng.choice(("type", "type", "type", "null", "drop", "rename", "value", "struct", "empty", "huge"))
    if change == "type":
        kind = rng.choice(TYPES)
        values = pl.Series(name, range(table.height)).cast(pl.String).cast(pl.Int64)
        if isinstance(kind, pl.List):
            made = pl.Series(name, [[str(one)] for one in values]).cast(kind)
        elif kind == pl.Binary or kind == pl.Categorical:
            made = values.cast(pl.String).cast(kind)
        else:
            made = values.cast(kind, strict=False)
        table, said = table.with_columns(made.alias(name)), f"{name} as {kind}"
    elif change == "null":
        table, said = table.with_columns(pl.lit(None, table.schema[name]).alias(name)), f"{name} null"
    elif change == "drop":
        table, said = table.drop(name), f"{name} dropped"
    elif change == "rename":
        table, said = table.rename({name: "\x1b[2J" + name}), f"{name} renamed"
    elif change == "struct":
        table, said = table.with_columns(pl.struct(table.columns[:2]).alias(name)), f"{name} a struct"
    elif change == "empty":
        table, said = table.clear(), "no rows"
    elif change == "huge":
        table, said = pl.concat([table] * 3), "three times"
    else:
        odd, shown = _odd(rng)
        text = odd if isinstance(odd, str) else json.dumps(odd)
        table, said = table.with_columns(pl.lit(text).alias(name)), f"{name} {shown}"
    stream = io.BytesIO()
    table.write_parquet(stream)
    return stream.getvalue(), said

"""The same posts in every kind of file are the same rows: cells, names and, but for what a kind counts, row numbers."""

from __future__ import annotations

import csv
import gzip
import io
import json
import zipfile
from pathlib import Path

import openpyxl
import polars as pl
import pytest

from popcast.datasets.reading.open_rows import FileForm, read_rows, rows_of_frame

POSTS = [
    {
        "id": "34567890123456789012345",
        "text": 'Café; "crème", brûlée|Straße',
        "likes": 12,
        "public": True,
        "lang": "fr",
    },
    {"id": "34567890123456789012346", "text": "Grüße\naus Köln", "likes": None, "public": False, "lang": "de"},
    {"id": "00042", "text": "a, b; c\td | e", "likes": 170000, "public": None, "lang": "de"},
    {"id": "x7", "text": "Élan vital’s …", "likes": 3, "public": True, "lang": None},
]
"""Letters that cp1252 has, fields that need quotes, an id longer than any whole number of 64 bits."""

CHINESE = [
    {"id": str(10**18 + row), "text": text, "likes": row, "public": True, "lang": "zh"}
    for row, text in enumerate(
        ("今天天气很好，我们去公园玩了一天", "这是中国最好的城市吗？我不知道", "新的一年，大家都要开心")
    )
]

NAMES = list(POSTS[0])


def cell(value: object) -> str:
    """As csv writes a value."""
    return "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def delimited(delimiter: str, encoding: str, ends: str = "\n", before: str = ""):
    def write(posts: list[dict]) -> bytes:
        text = io.StringIO(newline="")
        text.write(before)
        quoting = csv.QUOTE_ALL if ends == "\r" else csv.QUOTE_MINIMAL
        rows = csv.writer(text, delimiter=delimiter, lineterminator=ends, quoting=quoting)
        rows.writerow(posts[0])
        rows.writerows([cell(value) for value in post.values()] for post in posts)
        return text.getvalue().encode(encoding)

    return write


def lines(encoding: str):
    return lambda posts: "\n".join(json.dumps(post, ensure_ascii=False) for post in posts).encode(encoding)


def array(posts: list[dict], indent: int | None = None) -> bytes:
    return json.dumps(posts, ensure_ascii=False, indent=indent).encode()


def held(posts: list[dict]) -> bytes:
    return json.dumps({"meta": {"count": 4}, "data": {"items": posts}, "errors": [{"a": 1}]}).encode()


def parquet(posts: list[dict]) -> bytes:
    out = io.BytesIO()
    pl.DataFrame(posts).with_columns(pl.col("lang").cast(pl.Categorical)).write_parquet(out)
    return out.getvalue()


def xlsx(posts: list[dict]) -> bytes:
    book, out = openpyxl.Workbook(), io.BytesIO()
    book.active.append(list(posts[0]))
    for post in posts:
        book.active.append(list(post.values()))
    book.save(out)
    return out.getvalue()


def gzipped(write):
    return lambda posts: gzip.compress(write(posts))


def zipped(name: str, write):
    def packed(posts: list[dict]) -> bytes:
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("__MACOSX/._" + name, b"\0\1")
            archive.writestr("export/.DS_Store", b"\0\1")
            archive.writestr("export/" + name, write(posts))
        return out.getvalue()

    return packed


KINDS = {
    f"{name}-{encoding}.csv": delimited(delimiter, encoding)
    for name, delimiter in {"comma": ",", "semicolon": ";", "tab": "\t", "bar": "|"}.items()
    for encoding in ("utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "cp1252")
} | {
    "crlf.csv": delimited(",", "utf-8", "\r\n"),
    "cr.csv": delimited(";", "cp1252", "\r"),
    "sep.csv": delimited(";", "cp1252", "\r\n", before="sep=;\r\n"),
    "upper.CSV": delimited(",", "utf-8"),
    "tab.tsv": delimited("\t", "utf-8"),
    "bar.txt": delimited("|", "utf-8"),
    "array.json": array,
    "indented.json": lambda posts: array(posts, 1),
    "held.json": held,
    "lines.json": lines("utf-8"),
    "array.jsonl": array,
    "array.txt": array,
    "lines.csv": lines("utf-8"),
    "lines.jsonl": lines("utf-8"),
    "lines.ndjson": lines("utf-8-sig"),
    "lines-utf16.jsonl": lines("utf-16"),
    "lines-cp1252.jsonl": lines("cp1252"),
    "typed.parquet": parquet,
    "typed.xlsx": xlsx,
}  # fmt: skip
KINDS |= {
    f"{name}.gz": gzipped(KINDS[name])
    for name in ("crlf.csv", "cr.csv", "tab.tsv", "array.json", "lines.jsonl", "typed.parquet", "typed.xlsx")
}
KINDS |= {
    f"{name}.zip": zipped(name, KINDS[name])
    for name in ("sep.csv", "upper.CSV", "tab.tsv", "held.json", "lines.ndjson", "typed.parquet", "typed.xlsx")
}
KINDS["twice.csv.gz.zip"] = zipped("twice.csv.gz", KINDS["crlf.csv.gz"])
KINDS["unpacked by a browser.csv.gz"] = delimited(",", "utf-8")


def texts(columns: pl.DataFrame) -> list[dict]:
    return columns.with_columns(pl.all().cast(pl.String)).to_dicts()


def expected(posts: list[dict]) -> list[dict]:
    return [{name: cell(value) or None for name, value in post.items()} for post in posts]


@pytest.mark.parametrize("name", list(KINDS))
def test_every_kind_of_file_gives_the_same_rows(tmp_path, name):
    (tmp_path / name).write_bytes(KINDS[name](POSTS))
    rows = read_rows(tmp_path, name, None)
    assert rows.names == NAMES
    assert texts(rows.columns) == expected(POSTS)
    assert rows.rejected == []
    few = read_rows(tmp_path, name, ["likes", "id", "no such column"], most_rows=2)
    assert set(few.columns.columns) == {"id", "likes"}
    assert few.names == NAMES
    assert texts(few.columns.select("id", "likes")) == [{"id": post["id"], "likes": post["likes"]} for post in
                                                        expected(POSTS)[:2]]  # fmt: skip


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("encoding", ["gb18030", "utf-8", "utf-16"])
def test_chinese_posts_in_every_encoding(tmp_path, encoding, delimiter):
    (tmp_path / "posts.csv").write_bytes(delimited(delimiter, encoding)(CHINESE))
    (tmp_path / "posts.jsonl").write_bytes(lines(encoding)(CHINESE))
    for name in ("posts.csv", "posts.jsonl"):
        rows = read_rows(tmp_path, name, None)
        assert texts(rows.columns) == expected(CHINESE)
        assert any(f"encoding {encoding}" in sentence for sentence in rows.said)
        assert texts(read_rows(tmp_path, name, None, FileForm(encoding=encoding)).columns) == expected(CHINESE)


def test_data_frames_and_dicts_are_the_same_rows():
    import pandas as pd

    frames = (pl.DataFrame(POSTS), pd.DataFrame(POSTS), POSTS, pd.DataFrame(POSTS, index=[9, 9, 9, 9]))
    for frame in frames:
        rows = rows_of_frame(frame, "mine")
        found = texts(rows.columns)
        assert [{**row, "likes": row["likes"] and row["likes"].removesuffix(".0")} for row in found] == expected(POSTS)
        assert rows.names == NAMES
        assert rows.place(1) == (Path("mine"), 2)


ROWS = {"csv": [2, 3, 5, 6], "jsonl": [1, 2, 3, 4], "json": [1, 2, 3, 4], "parquet": [1, 2, 3, 4], "xlsx": [2, 3, 4, 5]}
"""The second post has a line break in a field, so that the third begins two rows further on in a csv."""


@pytest.mark.parametrize("kind", list(ROWS))
def test_rows_are_numbered_as_an_editor_shows_them(tmp_path, kind):
    write = {"csv": delimited(",", "utf-8"), "jsonl": lines("utf-8"), "json": array, "parquet": parquet, "xlsx": xlsx}
    (tmp_path / f"a.{kind}").write_bytes(write[kind](POSTS))
    (tmp_path / f"b.{kind}").write_bytes(write[kind](POSTS))
    rows = read_rows(tmp_path, f"*.{kind}", ["id"])
    assert rows.row_numbers.tolist() == ROWS[kind] * 2
    assert rows.file_index.tolist() == [0] * 4 + [1] * 4
    assert rows.place(5) == (tmp_path / f"b.{kind}", ROWS[kind][1])
    assert rows.height == rows.columns.height == 8

"""A user's own table in every kind of file, and what is refused with which row."""

from __future__ import annotations

import gzip
from datetime import UTC, datetime
from pathlib import Path

import orjson
import polars as pl
import pytest

from popcast.core import tables
from popcast.core.errors import BadInput
from popcast.datasets import loading
from popcast.datasets.params import Dataset

COLUMNS = {
    "id": "id",
    "author": "page",
    "time": "when",
    "text": ["text", "link"],
    "tags": "tags",
    "category": "kind",
    "concept": "song",
    "media": "file",
    "numbers": ["length"],
    "author_numbers": ["fans", "user_age"],
    "posthoc": ["likes"],
    "label": "plays",
}
NAMES = ["id", "page", "when", "text", "link", "tags", "kind", "song", "file", "length", "fans", "user_age"]
NAMES += ["likes", "plays"]
VALUES = [
    ("7", "a", "2016-02-24", "two,\nlines", "go", "['x', \"d'y\"]", "video", "", "m/7.mp4", "8", "1e3", "", "3", "7"),
    ("08", "b", "2016-02-24 12:30:00", "", "None", "[]", "nan", "s", '["m/1.jpg", "m/2.jpg"]', "", "2", "3", "", "0"),
    ("9", "", "2016-02-25 00:00:00", "", "", "p q", "", "", "", "1", "", "", "", "1"),
]
ROWS = [dict(zip(NAMES, values, strict=True)) for values in VALUES]


def dataset(raw: Path, name: str = "posts.csv", columns: dict | None = None, zone: str = "UTC", **more) -> Dataset:
    layout = {"labelled": name, "columns": {**COLUMNS, **(columns or {})}, **more}
    return Dataset(kind="table", raw=str(raw), zone=zone, table=layout)


def write(path: Path, rows: list[dict] = ROWS) -> None:
    """The rows as the kind of file that the name says."""
    frame = pl.DataFrame(rows, schema=dict.fromkeys(rows[0], pl.String))
    if path.suffix == ".parquet":
        frame.write_parquet(path)
    elif ".jsonl" in path.suffixes:
        text = b"\n".join(orjson.dumps(row) for row in rows)
        path.write_bytes(gzip.compress(text) if path.suffix == ".gz" else text)
    else:
        text = frame.write_csv().encode()
        path.write_bytes(gzip.compress(text) if path.suffix == ".gz" else text)


@pytest.mark.parametrize("name", ["posts.csv", "posts.csv.gz", "posts.jsonl", "posts.jsonl.gz", "posts.parquet"])
def test_every_kind_of_file_brings_the_same_posts(tmp_path, name):
    write(tmp_path / name)
    posts, quality = loading.load("mine", dataset(tmp_path, name))
    tables.check(posts, tables.POSTS, "posts")
    assert posts["post_id"].to_list() == ["7", "08", "9"]
    assert posts["user_id"].to_list() == ["a", "b", None]
    assert posts["title"].to_list() == ["two,\nlines\n\ngo", "None", None]
    assert posts["tags"].to_list() == [["x", "d'y"], None, ["p", "q"]]
    assert posts["category"].to_list() == ["video", "nan", None]
    assert posts["concept"].to_list() == [None, "s", None]
    assert posts["media"].to_list() == [["m/7.mp4"], ["m/1.jpg", "m/2.jpg"], None]
    assert posts["post_length"].to_list() == [8.0, None, 1.0]
    assert posts["user_fans"].to_list() == [1000.0, 2.0, None]
    assert posts["user_age"].to_list() == [None, 3.0, None]
    assert posts["posthoc_likes"].to_list() == [3.0, None, None]
    assert posts["popularity"].to_list() == [3.0, 0.0, 1.0]
    assert posts["posted_at"][1] == datetime(2016, 2, 24, 12, 30, tzinfo=UTC)
    assert quality.posts["authors"] == 2


def test_typed_columns_of_parquet_and_jsonl_are_taken_as_they_are(tmp_path):
    columns = {"id": "id", "time": "when", "tags": "tags", "numbers": ["n"], "label": "y"}
    frame = pl.DataFrame(
        {
            "id": [1, 2],
            "when": [datetime(2020, 6, 1, 8), datetime(2020, 6, 1, 9)],
            "tags": [["a", ""], []],
            "n": [float("nan"), 2.0],
            "y": [0.5, 63.0],
        }
    )
    frame.write_parquet(tmp_path / "posts.parquet")
    section = {"labelled": "posts.parquet", "columns": columns, "transform": "none"}
    posts, _ = loading.load("mine", Dataset(kind="table", raw=str(tmp_path), zone="Asia/Shanghai", table=section))
    assert posts["post_id"].to_list() == ["1", "2"]
    assert posts["posted_at"][0] == datetime(2020, 6, 1, 0, tzinfo=UTC)
    assert posts["tags"].to_list() == [["a"], None]
    assert posts["post_n"].to_list() == [None, 2.0]
    lines = [{"id": 1, "when": 1590969600, "tags": ["a", ""], "y": 0.5}, {"id": 2, "when": 1590973200, "n": 2, "y": 63}]
    (tmp_path / "posts.jsonl").write_bytes(b"\n".join(orjson.dumps(line) for line in lines) + b"\n")
    section["labelled"] = "posts.jsonl"
    again, _ = loading.load("mine", Dataset(kind="table", raw=str(tmp_path), zone="Asia/Shanghai", table=section))
    assert again.equals(posts)


def test_unlabelled_posts_come_without_outcomes(tmp_path):
    write(tmp_path / "posts.csv", ROWS[:2])
    new = [{name: value for name, value in ROWS[2].items() if name not in ("plays", "likes")}]
    write(tmp_path / "new.jsonl", new)
    posts, quality = loading.load("mine", dataset(tmp_path, unlabelled="new.jsonl", tag_separator="'"))
    assert posts["popularity"].to_list() == [3.0, 0.0, None]
    assert posts["posthoc_likes"].to_list() == [3.0, None, None]
    assert posts["tags"].to_list()[2] == ["p q"]
    assert quality.posts["unlabelled"] == 1


@pytest.mark.parametrize(
    ("row", "changed", "words"),
    [
        (2, {"id": "7"}, "posts.csv: row 4: field 'id': duplicate id: got '7'"),
        (1, {"id": " "}, "row 3: field 'id': missing value"),
        (0, {"when": "last week"}, "row 2: field 'when': not a time: got 'last week'"),
        (0, {"when": ""}, "row 2: field 'when': missing time"),
        (1, {"plays": "-1"}, "row 3: field 'plays': label out of range: got '-1'"),
        (1, {"plays": "NaN"}, "row 3: field 'plays': no label: got 'NaN'"),
        (1, {"plays": ""}, "row 3: field 'plays': no label"),
        (1, {"length": "long"}, "row 3: field 'length': not a number: got 'long'"),
        (1, {"fans": "inf"}, "row 3: field 'fans': infinite value"),
        (2, {"tags": "['x'"}, "row 4: field 'tags': not a list"),
        (0, {"file": "/etc/a.jpg"}, "row 2: field 'file': media path leaves the raw folder"),
        (2, {"file": "a/../../b.jpg"}, "row 4: field 'file': media path leaves the raw folder"),
    ],
)
def test_spoilt_rows_are_refused(tmp_path, row, changed, words):
    rows = [{**values, **changed} if index == row else values for index, values in enumerate(ROWS)]
    write(tmp_path / "posts.csv", [{**values, "text": values["text"].replace("\n", " ")} for values in rows])
    with pytest.raises(BadInput) as error:
        loading.load("mine", dataset(tmp_path))
    assert words in str(error.value)


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({"author": "who"}, "field 'who': missing column"),
        ({"numbers": ["plays"]}, "'plays' is both an outcome and an input"),
        ({"author_numbers": ["likes"]}, "'likes' is both an outcome and an input"),
        ({"author_numbers": ["id"]}, "column name clashes with user_id"),
    ],
)
def test_a_wrong_column_map_is_refused(tmp_path, columns, words):
    write(tmp_path / "posts.csv")
    with pytest.raises(BadInput, match=words):
        loading.load("mine", dataset(tmp_path, columns=columns))


def test_unreadable_files_are_refused(tmp_path):
    write(tmp_path / "posts.csv.gz")
    for name, content, words in [
        ("posts.txt", b"id", "unknown kind of file"),
        ("posts.csv", b"id,page\n1,2,3,4\n", "not a readable csv"),
        ("posts.csv.gz", (tmp_path / "posts.csv.gz").read_bytes()[:60], "posts.csv.gz"),
        ("posts.jsonl", b'{"id": 1}\n{"id": ', "row 2: not valid JSON"),
        ("posts.parquet", b"PAR1", "not a readable parquet"),
    ]:
        (tmp_path / name).write_bytes(content)
        with pytest.raises(BadInput, match=words) as error:
            loading.load("mine", dataset(tmp_path, name))
        assert "\n" not in str(error.value)


def test_an_id_of_both_files_is_refused(tmp_path):
    write(tmp_path / "posts.csv")
    write(tmp_path / "new.csv", ROWS[1:2])
    with pytest.raises(BadInput, match=r"new\.csv: row 2: field 'id': duplicate id, also in posts\.csv"):
        loading.load("mine", dataset(tmp_path, unlabelled="new.csv"))

"""A user's own table in every kind of file, what is counted with its first places, and what is refused."""

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
        (2, {"id": "7"}, "posts.csv: row 4: field 'id': duplicate id (1 id occurs again, in 1 of 3 rows): got '7'"),
        (1, {"id": " "}, "row 3: field 'id': missing value"),
        (
            0,
            {"when": "last week"},
            "row 2: field 'when': a time relative to the moment at which the page was seen: got 'last week'",
        ),
        (0, {"when": ""}, "row 2: field 'when': missing time"),
        (1, {"plays": "-1"}, "row 3: field 'plays': hidden label: got '-1'"),
        (1, {"plays": "-2"}, "row 3: field 'plays': label out of range: got '-2'"),
        (1, {"plays": "0.5"}, "row 3: field 'plays': a count with a fraction: got '0.5'"),
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
        ({"author_numbers": ["id"], "id": "link", "text": []}, "column name clashes with user_id"),
        ({"author_numbers": ["id"]}, "'id' stands twice, as id and as author_numbers"),
        ({"author": "plays"}, "'plays' is both an outcome and the author of posts"),
        ({"time": "likes"}, "'likes' is both an outcome and the time of posts"),
        ({"posthoc": ["likes", "plays"]}, "'plays' stands twice, as label and as posthoc"),
        ({"posthoc": ["shares"]}, "field 'shares': missing column"),
        ({"posthoc": ["like"]}, "field 'like': missing column: expected 'likes', or another of id, page"),
        ({"media": "kind"}, "'kind' stands twice, as category and as media"),
    ],
)
def test_a_wrong_column_map_is_refused(tmp_path, columns, words):
    write(tmp_path / "posts.csv")
    with pytest.raises(BadInput, match=words):
        loading.load("mine", dataset(tmp_path, columns=columns))


def test_unreadable_files_are_refused(tmp_path):
    write(tmp_path / "posts.csv.gz")
    for name, content, words in [
        ("posts.doc", b"id", "unknown kind of file"),
        ("posts.csv", b"id,page\n1,2,3,4\n", "missing column"),
        ("posts.csv.gz", (tmp_path / "posts.csv.gz").read_bytes()[:60], "posts.csv.gz"),
        ("posts.jsonl", b'{"id": 1}\n{"id": ', "missing column"),
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


def rows_of(count: int = 200, **columns) -> list[dict]:
    """Plain posts, with ``columns`` given as functions of the row or lists."""
    plain = {"id": lambda row: f"p{row}", "page": lambda row: f"a{row % 4}", "plays": lambda row: row * 37 % 101}
    cells = {
        name: [make(row) for row in range(count)] if callable(make) else make
        for name, make in (plain | columns).items()
    }
    return [{name: str(values[row]) for name, values in cells.items()} for row in range(count)]


def plain_dataset(raw: Path, share: float = 0.01, columns: dict | None = None, **more) -> Dataset:
    layout = {"labelled": "posts.csv", "columns": {"id": "id", "label": "plays", **(columns or {})}, **more}
    return Dataset(kind="table", raw=str(raw), max_reject_share=share, table=layout)


def test_rows_that_cannot_be_read_are_counted_with_their_first_places(tmp_path):
    rows = rows_of(at=lambda row: f"2020-01-{row % 28 + 1:02}", size=lambda row: row % 9)
    for row, name, cell in [
        (3, "plays", "-1"), (4, "plays", ""), (5, "plays", "hidden"), (6, "plays", "7 thumbs"), (7, "at", "soon"),
        (8, "at", ""), (9, "size", "large"), (10, "size", "$5"), (11, "plays", "-1"), (12, "plays", "-1"),
        (13, "plays", "-1"), (14, "id", " "),
    ]:  # fmt: skip
        rows[row][name] = cell
    write(tmp_path / "posts.csv", rows)
    (tmp_path / "posts.csv").open("a").write("p999,a\n")
    columns = {"time": "at", "numbers": ["size"]}
    posts, quality = loading.load("mine", plain_dataset(tmp_path, 0.07, columns))
    assert posts.height == 188
    assert quality.rejected == {
        "plays: hidden label": 4, "plays: no label": 2, "plays: not a number": 1, "at: not a time": 1,
        "at: missing time": 1, "size: not a number": 2, "id: missing value": 1,
    } | {key: 1 for key in quality.rejected if key.startswith("unreadable")}  # fmt: skip
    assert sum(quality.rejected.values()) == 13
    assert [line.split(": got")[0] for line in quality.examples["plays: hidden label"]] == [
        f"posts.csv: row {row}: field 'plays': hidden label" for row in (5, 13, 14)
    ]
    with pytest.raises(
        BadInput, match=r"13 of 201 rows rejected \(4 x plays: hidden label, .* and 4 more reasons\)"
    ) as error:
        loading.load("mine", plain_dataset(tmp_path, 0.05, columns))
    assert "at most a share of 0.05: mend them, or raise max_reject_share, or set table.without_label: predict" in str(
        error.value
    )
    assert "\n" not in str(error.value)


def test_rows_without_a_label_can_be_predicted(tmp_path):
    rows = rows_of(100)
    for row, cell in ((3, "-1"), (4, ""), (5, "hidden")):
        rows[row]["plays"] = cell
    write(tmp_path / "posts.csv", rows)
    posts, quality = loading.load("mine", plain_dataset(tmp_path, without_label="predict"))
    assert posts.filter(pl.col("popularity").is_null())["post_id"].to_list() == ["p3", "p4", "p5"]
    assert quality.rejected == {}
    assert "plays: 3 rows without a label are posts to predict" in quality.notes


def test_few_posts_to_predict_do_not_vanish_among_many_labelled_ones(tmp_path):
    write(tmp_path / "posts.csv", rows_of(400, size=lambda row: row % 9))
    write(tmp_path / "new.csv", [{"id": "n1", "size": "large"}, {"id": "n2", "size": "3"}])
    settings = {"columns": {"numbers": ["size"]}, "unlabelled": "new.csv"}
    with pytest.raises(
        BadInput, match=r"new.csv: row 2: field 'size': not a number: got 'large'.*1 of 2 rows rejected"
    ):
        loading.load("mine", plain_dataset(tmp_path, 0.4, **settings))
    posts, quality = loading.load("mine", plain_dataset(tmp_path, 0.5, **settings))
    assert (posts.height, quality.rejected) == (401, {"size: not a number": 1})


def test_a_column_in_which_most_times_do_not_read_is_refused_at_the_first(tmp_path):
    write(tmp_path / "posts.csv", rows_of(20, at=lambda row: f"week {row}" if row % 3 else "2020-01-01"))
    with pytest.raises(BadInput, match=r"row 3: field 'at': not a time \(as 13 of 20 rows\): got 'week 1'"):
        loading.load("mine", plain_dataset(tmp_path, 0.9, {"time": "at"}))


@pytest.mark.parametrize(("repeated", "by", "kept"), [
    ("first", None, [1, 2, 3]), ("last", None, [11, 12, 3]), ("first", "seen", [11, 2, 3]),
    ("last", "seen", [1, 12, 3]),
    ("last", "views", [1, 12, 3]), ("last", "trending", [1, 12, 3]),
])  # fmt: skip
def test_repeated_ids(tmp_path, repeated, by, kept):
    lines = [("a", 1, "2020-01-09 10:00", "1,200", "17.02.12"), ("b", 2, "2020-01-01 10:00", "7", "17.14.11"),
             ("c", 3, "", "9", "17.14.11"), ("a", 11, "2020-01-08 10:00", "900", "17.30.11"),
             ("b", 12, "2020-01-02 10:00", "8", "17.15.11")]  # fmt: skip
    names = ("id", "plays", "seen", "views", "trending")
    write(tmp_path / "posts.csv", [{n: str(cell) for n, cell in zip(names, line, strict=True)} for line in lines])
    order = {} if by is None else {"repeated_by": by}
    posts, quality = loading.load("mine", plain_dataset(tmp_path, repeated=repeated, **order))
    plays = dict(zip(posts["post_id"], (2 ** posts["popularity"] - 1).round(6), strict=True))
    assert plays == dict(zip("abc", kept, strict=True))
    assert quality.rejected == {f"id: repeated id, the {repeated} is kept": 2}
    with pytest.raises(
        BadInput, match=r"row 5: field 'id': duplicate id \(2 ids occur again, in 2 of 5 rows\): got 'a'"
    ):
        loading.load("mine", plain_dataset(tmp_path))


def test_an_order_that_cannot_be_read_is_refused(tmp_path):
    write(
        tmp_path / "posts.csv",
        [{"id": "a", "plays": "1", "seen": "2020-01-01"}, {"id": "a", "plays": "2", "seen": "x"}],
    )
    with pytest.raises(BadInput, match=r"row 3: field 'seen': no order: got 'x', expected numbers or times"):
        loading.load("mine", plain_dataset(tmp_path, repeated="last", repeated_by="seen"))


def test_without_an_id_a_post_is_known_by_a_hash_of_its_inputs(tmp_path):
    write(tmp_path / "posts.csv", [{"t": t, "plays": p} for t, p in (("a", "1"), ("b", "2"), ("a", "3"))])
    write(tmp_path / "new.csv", [{"t": "a"}, {"t": "c"}])
    section = plain_dataset(tmp_path, columns={"id": None, "text": ["t"]}, unlabelled="new.csv")
    posts, quality = loading.load("mine", section)
    ids = posts["post_id"].to_list()
    assert len(ids[0]) == 16
    assert ids[2:4] == [f"{ids[0]}-2", f"{ids[0]}-3"]
    assert len(set(ids)) == 5
    assert "ids are a hash of the row, as no column is mapped to id" in quality.notes
    write(tmp_path / "posts.csv", [{"plays": p, "t": t} for t, p in (("b", "20"), ("a", "1"))])
    assert loading.load("mine", section)[0]["post_id"].to_list()[:2] == [ids[1], ids[0]]


def test_what_was_found_by_looking_is_said(tmp_path):
    write(tmp_path / "posts.csv", rows_of(50, plays=["1.234"] * 50, at=lambda row: f"{row % 28 + 1:02}/01/2020"))
    _, quality = loading.load("mine", plain_dataset(tmp_path, columns={"time": "at"}))
    assert "plays: '1.234' is read as 1234, as a count is whole" in quality.notes
    assert "at: the day comes before the month, as '13/01/2020' shows" in quality.notes
    assert quality.as_dict()["notes"] == quality.notes


def test_both_files_are_read_alike(tmp_path):
    write(tmp_path / "posts.csv", rows_of(50, at=["03/04/2020", "13/04/2020"] * 25, fans=["2,5", "1.234"] * 25))
    write(tmp_path / "new.csv", [{"id": "n", "at": "05/06/2020", "fans": "2.345"}])
    columns = {"time": "at", "author_numbers": ["fans"]}
    posts, _ = loading.load("mine", plain_dataset(tmp_path, columns=columns, unlabelled="new.csv"))
    assert posts["posted_at"].to_list()[-1] == datetime(2020, 6, 5, tzinfo=UTC)
    assert posts["user_fans"].to_list()[-1] == 2345

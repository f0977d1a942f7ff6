"""What users bring: exports of platforms and tools, each read as what it says or refused in one line with what to do.

The overlays are the short ones that a new user writes; nothing in them says how the file is to be read.
"""

from __future__ import annotations

import gzip
import json
import math
import random
import zipfile
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

from popcast.core import paths, tables
from popcast.core.errors import BadInput
from popcast.datasets import loading
from popcast.datasets.params import Dataset
from tests.plans import run_stage

COLUMNS = {"id": "id", "text": ["words"], "label": "likes"}


def load(raw: Path, name: str = "posts.csv", share: float = 0.01, columns: dict | None = None, **layout):
    """Posts and quality of a file below ``raw``."""
    table = {"labelled": name, "columns": {**COLUMNS, **(columns or {})}, **layout}
    posts, quality = loading.load("mine", Dataset(kind="table", raw=str(raw), max_reject_share=share, table=table))
    return tables.check(posts, tables.POSTS, "posts"), quality


def refused(raw: Path, *names, **more) -> str:
    with pytest.raises(BadInput) as error:
        load(raw, *names, **more)
    line = str(error.value)
    assert "\n" not in line
    assert line.isprintable()
    return line.replace(f"{raw}/", "")


def counts(posts: pl.DataFrame) -> list[int | None]:
    return [None if one is None else round(2**one - 1) for one in posts["popularity"]]


def write(raw: Path, count: int = 20, name: str = "posts.csv", **columns) -> None:
    """A csv of plain posts; ``columns`` are lists of cells, filled up with their last one, or functions of the row."""
    plain = {"id": lambda row: str(row), "words": lambda row: f"w{row}", "likes": lambda row: str(row * 7 % 23)}
    made = {}
    for column, cells in (plain | columns).items():
        made[column] = [cells(row) if callable(cells) else cells[min(row, len(cells) - 1)] for row in range(count)]
    pl.DataFrame(made, schema=dict.fromkeys(made, pl.String)).write_csv(raw / name)


@pytest.mark.parametrize(
    "other",
    [
        [{"kind": "photo", "url": "x"}], [1, 2], [[1], [2]], {"a": {"b": [1]}}, None, 3, "text", True, [], {}, [None],
        [{"a": 1}, 2], math.nan,
    ],
)  # fmt: skip
@pytest.mark.parametrize("name", ["posts.jsonl", "posts.json", "posts.ndjson", "posts.jsonl.gz"])
def test_columns_that_nobody_mapped_do_not_matter(tmp_path, name, other):
    rows = [{"id": str(row), "words": "w", "likes": row, "other": other if row % 2 else None} for row in range(4)]
    text = json.dumps(rows) if name == "posts.json" else "\n".join(map(json.dumps, rows))
    packed = gzip.compress(text.encode()) if name.endswith(".gz") else text.encode()
    (tmp_path / name).write_bytes(packed)
    posts, _ = load(tmp_path, name)
    assert counts(posts) == [0, 1, 2, 3]


@pytest.mark.parametrize("use", ["author", "category", "id"])
@pytest.mark.parametrize("cell", [[{"name": "a"}], [["a"]], {"name": "a"}])
def test_an_object_where_a_value_is_expected_is_refused(tmp_path, use, cell):
    rows = [{"id": str(row), "words": "w", "likes": row, "who": cell} for row in range(4)]
    (tmp_path / "posts.jsonl").write_text("\n".join(map(json.dumps, rows)))
    assert "field 'who'" in refused(tmp_path, "posts.jsonl", columns={use: "who"})


@pytest.mark.parametrize("hidden", ["-1", "", "hidden", "Hidden", "N/A", "-", "null", "unavailable", "?", "-1.0"])
def test_hidden_labels_are_left_out_and_counted(tmp_path, hidden):
    write(tmp_path, 60, likes=["1", hidden, "3", hidden, "5"])
    posts, quality = load(tmp_path, share=0.1)
    assert posts.height == 58
    assert sum(quality.rejected.values()) == 2
    assert "row 3: field 'likes'" in next(iter(quality.examples.values()))[0]
    said = refused(tmp_path)
    assert "posts.csv: row 3: field 'likes': " in said
    assert "2 of 60 rows rejected" in said
    assert "max_reject_share, or set table.without_label: predict" in said


@pytest.mark.parametrize(
    ("cell", "hour"),
    [
        ("2020-05-01 01:14:36 UTC", 1), ("2020-05-01 01:14:36 MST", 8), ("2020-05-01 01:14:36 EDT", 5),
        ("2020-05-01 03:14:36 CEST", 1), ("2020-05-01t01:14:36z", 1), ("2020-05-01 01:14:36.123456 +0200", 23),
        ("Fri May 01 01:14:36 +0000 2020", 1), ("Fri, 01 May 2020 01:14:36 GMT", 1), ("01.05.2020 01:14", 1),
        ("1588295676", 1), ("1588295676123", 1), ("1588295676123456", 1), ("1588295676.5", 1),
        ("2020年5月1日 01:14", 1), ("May 1, 2020 1:14 PM", 13), ("2020-05-01", 0),
    ],
)  # fmt: skip
def test_times_of_an_export(tmp_path, cell, hour):
    write(tmp_path, at=[cell])
    posts, _ = load(tmp_path, columns={"time": "at"})
    assert posts["posted_at"].dt.hour().to_list() == [hour] * 20


@pytest.mark.parametrize(
    ("cell", "words"),
    [
        ("2020-05-01 01:14:36 CST", "CST is the name of several time zones"),
        ("2020-05-01 01:14:36 QQT", "unknown time zone, write an offset"),
        ("03/04/2020", "may be 2020-04-03 or 2020-03-04"),
        ("03/04/20", "a year of two digits"),
        ("5 min ago", "a time relative to"),
    ],
)
def test_times_that_are_refused_with_their_row(tmp_path, cell, words):
    write(tmp_path, at=[cell])
    said = refused(tmp_path, columns={"time": "at"})
    assert said.startswith("posts.csv: row 2: field 'at': ")
    assert words in said
    assert f"got '{cell}'" in said


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (["1,234", "987", "1.2K", "100万+"], [1234, 987, 1200, 1_000_000]),
        (["1.234", "987", "12.500"], [1234, 987, 12_500]),
        (["2,8 Tsd.", "1.234", "1,5 Mio."], [2800, 1234, 1_500_000]),
        (["1 234", "12 345 678"], [1234, 12_345_678]),
        (["1.5 lakh", "2 crore", "5"], [150_000, 20_000_000, 5]),
        (["3M", "1.2k", "17"], [3_000_000, 1200, 17]),
        (["1.2万", "3亿", "5"], [12_000, 300_000_000, 5]),
        (["3만", "1.5천"], [30_000, 1500]),
        (["17.0", "5.0"], [17, 5]),
        (["1.2 mil", "4,000"], [1200, 4000]),
    ],
)
def test_counts_as_pages_show_them(tmp_path, cells, expected):
    write(tmp_path, likes=cells, fans=cells)
    posts, _ = load(tmp_path, columns={"posthoc": ["fans"]})
    assert counts(posts)[: len(cells)] == expected
    assert posts["posthoc_fans"].to_list()[: len(cells)] == expected


def test_followers_of_a_european_export(tmp_path):
    write(tmp_path, likes=["2,8 Tsd.", "17"], followers=["17.958", "994"], size=["1.234", "7"])
    posts, quality = load(tmp_path, columns={"author_numbers": ["followers"], "numbers": ["size"]})
    assert posts["user_followers"].to_list()[:2] == [17_958, 994]
    assert posts["post_size"].to_list()[:2] == [1234, 7]
    assert "size: '1.234' is read as 1234, as '2,8 Tsd.' of another column shows" in quality.notes


@pytest.mark.parametrize(
    ("cells", "words"),
    [
        (["1.234", "2.8K"], "may be 1.234 or 1234"),
        (["1.5", "2"], "a count with a fraction"),
        (["$5", "7"], "not a number"),
        (["12 thumbs", "7"], "not a number"),
        (["5 %", "7"], "not a number"),
        (["3 dozen", "7"], "not a number"),
    ],
)
def test_counts_that_are_refused_with_their_row(tmp_path, cells, words):
    write(tmp_path, likes=cells)
    said = refused(tmp_path)
    assert said.startswith("posts.csv: row 2: field 'likes': ")
    assert words in said
    assert f"got '{cells[0]}'" in said


def test_numbers_of_json_are_what_they_say(tmp_path):
    rows = [{"id": str(row), "words": "w", "likes": row, "size": 17.958, "fans": 1.234} for row in range(4)]
    (tmp_path / "posts.jsonl").write_text("\n".join(map(json.dumps, rows)))
    posts, _ = load(tmp_path, "posts.jsonl", columns={"numbers": ["size"], "author_numbers": ["fans"]})
    assert posts["post_size"].to_list() == [17.958] * 4
    assert posts["user_fans"].to_list() == [1.234] * 4


@pytest.mark.parametrize(
    ("cell", "tags"),
    [
        ("[{'text': 'food', 'indices': [0, 4]}]", ["food"]), ('[{"name": "food"}, {"name": "b c"}]', ["food", "b c"]),
        ("['food', 'b c']", ["food", "b c"]), ("['food' 'b c']", ["food", "b c"]), ('food|"b c"', ["food", "b c"]),
        ("food;b c", ["food", "b c"]), ("#food #b", ["#food", "#b"]), ("#food#b", ["#food", "#b"]), ("[none]", None),
        ("[]", None), ("nan", None), ("[deleted]", None), ("{'food'}", ["food"]),
        ("array(['food'], dtype=object)", ["food"]), ("food", ["food"]),
    ],
)  # fmt: skip
def test_tags_as_tools_print_them(tmp_path, cell, tags):
    write(tmp_path, tags=[cell])
    posts, _ = load(tmp_path, columns={"tags": "tags"})
    assert posts["tags"].to_list() == [tags] * 20


@pytest.mark.parametrize("cell", ["[{'id': 3}]", "[Tag(text='a')]", "[['a']]", "['a'", "[{'text': {'a': 1}}]"])
def test_tags_without_a_text_are_refused(tmp_path, cell):
    write(tmp_path, tags=[cell])
    assert refused(tmp_path, columns={"tags": "tags"}).startswith("posts.csv: row 2: field 'tags': not a list: got ")


@pytest.mark.parametrize("tags", [[{"text": "food", "n": 1}], [{"name": "food"}], ["food"], "food", {"tag": "food"}])
@pytest.mark.parametrize("name", ["posts.jsonl", "posts.parquet"])
def test_tags_are_the_same_in_typed_files(tmp_path, name, tags):
    rows = [{"id": str(row), "words": "w", "likes": row, "tags": tags} for row in range(4)]
    if name == "posts.jsonl":
        (tmp_path / name).write_text("\n".join(map(json.dumps, rows)))
    else:
        pl.DataFrame(rows).write_parquet(tmp_path / name)
    if isinstance(tags, dict):
        assert "field 'tags'" in refused(tmp_path, name, columns={"tags": "tags"})
    else:
        assert load(tmp_path, name, columns={"tags": "tags"})[0]["tags"].to_list() == [["food"]] * 4


@pytest.mark.parametrize("cell", ['a|"b c"', 'a | "b c"', '"a"|b c', "['a', 'b c']"])
def test_quotes_around_separated_tags_go(tmp_path, cell):
    write(tmp_path, tags=[cell, "[none]", "x"])
    posts, _ = load(tmp_path, columns={"tags": "tags"}, tag_separator="|")
    assert posts["tags"].to_list()[:3] == [["a", "b c"], None, ["x"]]


@pytest.mark.parametrize("word", ["[deleted]", "[removed]", "[none]", "nan", "None", "n/a", ""])
def test_an_author_that_nobody_is(tmp_path, word):
    write(tmp_path, who=["ann", word, "bob"])
    posts, quality = load(tmp_path, columns={"author": "who"})
    assert posts["user_id"].to_list()[:3] == ["ann", None, "bob"]
    assert quality.repaired == ({"author_unknown_by_a_word": 1} if word else {})


@pytest.mark.parametrize(
    ("word", "kept"), [("None", True), ("NA", True), ("null", True), ("[deleted]", False), (" ", False)]
)
def test_titles_are_what_people_wrote(tmp_path, word, kept):
    write(tmp_path, words=["one", word, "two"])
    assert load(tmp_path)[0]["title"].to_list()[:3] == ["one", word if kept else None, "two"]


def test_words_of_the_user_mean_not_known_in_every_column(tmp_path):
    cells = ["one", "Geheim", "two"]
    write(tmp_path, who=cells, kind=cells, words=cells, tags=cells, size=["1", "geheim", "2"], at=["2020-01-01"])
    columns = {"author": "who", "category": "kind", "tags": "tags", "numbers": ["size"], "time": "at"}
    posts, quality = load(tmp_path, columns=columns, missing=["geheim"])
    used = posts.select("user_id", "category", "title", "tags", "post_size")
    assert used.row(1) == (None, None, None, None, None)
    assert used.row(2) == ("two", "two", "two", ["two"], 2.0)
    assert quality.rejected == {}


@pytest.mark.parametrize(
    ("cells", "words"),
    [
        (["8.55E+17", "8.56E+17"], "an id spoilt by a spreadsheet"),
        (["8,55E+17", "7"], "an id spoilt by a spreadsheet"),
        (["1.23457E+17", "7"], "an id spoilt by a spreadsheet"),
        (["855000000000000000", "856000000000000000"], "that all end in zeros, as a spreadsheet leaves them"),
    ],
)
def test_ids_that_a_spreadsheet_has_spoilt_are_refused(tmp_path, cells, words):
    write(tmp_path, 2, id=cells)
    said = refused(tmp_path)
    assert said.startswith("posts.csv: row 2: field 'id': ")
    assert words in said
    assert "export again, with the column as text" in said


@pytest.mark.parametrize(
    ("cells", "ids"),
    [
        (["12345678901234567890123", "7"], ["12345678901234567890123", "7"]),
        (["855000000000000001", "856000000000000000"], ["855000000000000001", "856000000000000000"]),
        (["1.0", "2.0"], ["1", "2"]), (["1.0", "b"], ["1.0", "b"]), (["007", "7"], ["007", "7"]),
        (["1e5x", "12e"], ["1e5x", "12e"]),
    ],
)  # fmt: skip
def test_ids_stay_as_they_are(tmp_path, cells, ids):
    write(tmp_path, 2, id=cells)
    assert load(tmp_path)[0]["post_id"].to_list() == ids


RANDOM = random.Random(3)
LABELS = [RANDOM.randrange(5000) for _ in range(60)]
COPIES = {
    "same": lambda x: x, "plus one": lambda x: x + 1, "thousandfold": lambda x: x * 1000,
    "log": lambda x: math.log(x + 1), "rank": lambda x: sorted(LABELS).index(x), "half": lambda x: x // 2,
    "negative": lambda x: -x,
    "shown": lambda x: f"{x:,}", "nearly": lambda x: x + 20 * (x % 3),
}  # fmt: skip


@pytest.mark.parametrize("use", ["numbers", "author_numbers", "category", "subcategory", "concept", "tags"])
@pytest.mark.parametrize("copy", COPIES)
def test_the_label_in_disguise_is_refused_by_both_names(tmp_path, use, copy):
    write(tmp_path, 60, likes=[str(one) for one in LABELS], reach=[str(COPIES[copy](one)) for one in LABELS])
    said = refused(tmp_path, columns={use: ["reach"] if use.endswith("numbers") else "reach"})
    assert "field 'reach': the label 'likes' in disguise: " in said
    assert "expected it under posthoc, or left out" in said
    assert load(tmp_path, columns={"posthoc": ["reach"]})[0].height == 60


def test_numbers_that_only_resemble_the_label_are_inputs(tmp_path):
    noisy = [str(one + RANDOM.randrange(3000)) for one in LABELS]
    write(tmp_path, 60, likes=[str(one) for one in LABELS], reach=noisy)
    assert load(tmp_path, columns={"numbers": ["reach"]})[0]["post_reach"].null_count() == 0
    write(tmp_path, 12, likes=lambda row: str(4 * row), hour=lambda row: str(row))  # too few to say
    assert load(tmp_path, columns={"numbers": ["hour"]})[0].height == 12


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({"author": "likes"}, "'likes' is both an outcome and the author of posts"),
        ({"id": "likes"}, "'likes' is both an outcome and the id of posts"),
        ({"numbers": ["likes"]}, "'likes' is both an outcome and an input of the models"),
        ({"text": ["words", "likes"]}, "'likes' is both an outcome and an input of the models"),
        ({"posthoc": ["likes"]}, "'likes' stands twice"),
        ({"posthoc": ["views"]}, "field 'views': missing column: expected one of id, words, likes"),
        ({"category": "words", "concept": "words"}, "'words' stands twice, as category and as concept"),
    ],
)
def test_outcomes_cannot_sneak_in(tmp_path, columns, words):
    write(tmp_path)
    assert words in refused(tmp_path, columns=columns)


@pytest.mark.parametrize("use", ["id", "author", "category", "subcategory", "concept"])
def test_a_text_may_be_one_thing_more(tmp_path, use):
    write(tmp_path)
    posts, _ = load(tmp_path, columns={use: "words"})
    name = {"id": "post_id", "author": "user_id"}.get(use, use)
    assert posts.select(name, "title").row(1) == ("w1", "w1")


def test_several_files_packed_and_by_pattern(tmp_path):
    write(tmp_path, 3, "posts-1.csv", at=["01/02/2020 10:00"])
    write(tmp_path, 3, "posts-2.csv", id=lambda row: f"b{row}", at=["13/02/2020 10:00"], likes=["1.234"])
    posts, _ = load(tmp_path, "posts-*.csv", columns={"time": "at"})
    assert posts["posted_at"].to_list()[0] == datetime(2020, 2, 1, 10, tzinfo=UTC)
    assert counts(posts)[3:] == [1234] * 3
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as packed:
        packed.write(tmp_path / "posts-1.csv", "posts.csv")
    assert load(tmp_path, "all.zip")[0].height == 3
    write(tmp_path, 3, "posts-3.csv", at=["soon"])
    said = refused(tmp_path, ["posts-2.csv", "posts-3.csv"], columns={"time": "at"})
    assert said.startswith("posts-3.csv: row 2: field 'at': not a time")


PARAMS = """
base: {seed: 1}
datasets:
  mine:
    kind: table
    raw: raw
    max_reject_share: 0.2
    table: {labelled: posts.csv, columns: {text: [words], label: likes}}
splits:
  mine: {method: published}
features: {}
runs: {}
models: {}
blend: {}
evaluation: {}
"""


def test_quality_of_the_stage_names_what_was_found_and_left_out(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "raw").mkdir()
    (tmp_path / "params.yaml").write_text(PARAMS.replace("{text", "{id: id, text"))
    write(tmp_path / "raw", 20, likes=["1.234", "hidden", "7"])
    result = run_stage("posts", "mine")
    assert result.exit_code == 0, result.output
    quality = json.loads(paths.quality("mine").read_bytes())
    assert quality["rejected"] == {"likes: no label": 1}
    assert quality["examples"] == {
        "likes: no label": ["posts.csv: row 3: field 'likes': no label: got 'hidden', expected a number"]
    }
    assert "likes: '1.234' is read as 1234, as a count is whole" in quality["notes"]
    assert quality["posts"]["labelled"] == 19

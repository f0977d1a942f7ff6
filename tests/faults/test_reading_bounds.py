"""Large, packed and hostile content: bounded work, one short line, and the same values as before for what is fine."""

from __future__ import annotations

import ast
import gzip
import json
import os
import random
from pathlib import Path

import polars as pl
import pytest

from popcast.core.errors import BadInput, bad_input, one_line, shown
from popcast.datasets import loading, raw_files
from popcast.datasets.params import Dataset
from popcast.datasets.reading import open_rows
from popcast.datasets.text_lists import read_list
from popcast.simulation.audience import population
from tests.faults.raw_folders import COLUMNS, rows


def table(raw: Path, name: str) -> pl.DataFrame:
    posts, _ = loading.load("mine", Dataset(kind="table", raw=str(raw), table={"labelled": name, "columns": COLUMNS}))
    return posts


def refused(raw: Path, name: str) -> str:
    with pytest.raises(BadInput) as error:
        table(raw, name)
    said = str(error.value)
    assert said.isprintable()
    assert len(said) <= 1000
    return said.removeprefix(f"{raw}/")


def test_an_error_line_is_short_and_reaches_no_terminal():
    said = bad_input("bad\x1b[2J\nline", file="a\x1b[31m.csv", field="\x1b]0;x\x07" * 500, row=3, value="\x1b" * 9999,
                     expected="one of " + ", ".join(f"c{place}" for place in range(10_000)))  # fmt: skip
    assert str(said).isprintable()
    assert len(str(said)) <= 1000
    assert r"\x1b[2J line" in str(said)
    assert len(str(BadInput("x" * 10**6))) == 1000
    assert str(BadInput("a\udcff\u202eb é")) == r"a\udcff\u202eb é"
    deep: list = []
    for _ in range(100_000):
        deep = [deep]
    assert len(shown(deep)) <= 80
    assert shown(10**5000) == "a whole number of 16610 bits"
    assert shown({"a": [1, "b"]}) == "{'a': [1, 'b']}"
    assert one_line("a\r\n\tb") == "a b"


def test_ten_thousand_columns_and_escapes_in_a_header(tmp_path):
    names = [f"\x1b[2Jcolumn {place}" for place in range(10_000)]
    (tmp_path / "posts.csv").write_text(",".join(names) + "\n" + ",".join("1" * 10_000) + "\n")
    said = refused(tmp_path, "posts.csv")
    assert said.startswith(r"posts.csv: field 'fans': missing column: expected one of \x1b[2Jcolumn 0, \x1b[2Jcolumn 1")


@pytest.mark.parametrize("name", ["posts.csv.gz", "posts.jsonl.gz"])
def test_a_packed_file_unpacks_to_a_limit(tmp_path, name, monkeypatch):
    text = pl.DataFrame(rows()).write_csv() if "csv" in name else "\n".join(map(json.dumps, rows()))
    packed = gzip.compress(text.encode())
    (tmp_path / name).write_bytes(packed)
    assert table(tmp_path, name).height == 24
    monkeypatch.setattr(raw_files, "MOST_UNPACKED", 8 << 20)
    (tmp_path / name).write_bytes(packed + gzip.compress(bytes(64 << 20)))
    assert len((tmp_path / name).read_bytes()) < 100_000
    assert "unpacks to more than 8 MB, expected" in refused(tmp_path, name).replace("MB: expected", "MB, expected")
    (tmp_path / name).write_bytes(packed[:-9])
    assert "not a readable file" in refused(tmp_path, name)


def test_packed_bytes_under_the_name_of_a_text_are_not_unpacked(tmp_path):
    (tmp_path / "posts.csv").write_bytes(gzip.compress(pl.DataFrame(rows()).write_csv().encode()))
    assert refused(tmp_path, "posts.csv").startswith("posts.csv: packed: expected text, or .gz at the end of its name")


def test_rows_of_a_parquet_file_are_counted_before_they_are_read(tmp_path, monkeypatch):
    lazy = pl.select(id=pl.int_range(300).cast(pl.String), plays=pl.lit(1))
    lazy.write_parquet(tmp_path / "posts.parquet")
    monkeypatch.setattr(raw_files, "MOST_ROWS", 299)
    assert refused(tmp_path, "posts.parquet").startswith("posts.parquet: 300 rows: expected 299 at most")


FAILING = {"folder": Path.mkdir, "loop": lambda path: path.symlink_to(path.name), "pipe": os.mkfifo,
           "failing": lambda path: path.symlink_to("/proc/self/mem")}  # fmt: skip


@pytest.mark.parametrize("kind", list(FAILING))
@pytest.mark.parametrize("name", ["posts.csv", "posts.csv.gz", "posts.jsonl", "posts.jsonl.gz", "posts.parquet"])
def test_what_is_no_readable_file(tmp_path, kind, name):
    FAILING[kind](tmp_path / name)
    said = refused(tmp_path, name)
    wanted = {"folder": "a folder", "failing": "Input/output error"}.get(kind, "missing file")
    assert f"{name}: {'not a readable file: ' if kind == 'failing' else ''}{wanted}" in said


def test_a_folder_that_cannot_be_listed_is_one_line(tmp_path, monkeypatch):
    def failing(*_):
        raise OSError(5, "Input/output error", "raw/place")

    monkeypatch.setattr(open_rows, "opened_text", failing)
    (tmp_path / "posts.csv").write_text("id\n")
    with pytest.raises(BadInput, match=r"^raw/place: Input/output error$"):
        table(tmp_path, "posts.csv")


DEEP = (
    "[" * 100_000, "[" * 100_000 + "]" * 100_000, "['" + "(" * 100_000, "[" + "-" * 100_000 + "1]",
    "[1" + "+1" * 50_000, "['a' 'b' c]", "[[1]]", "[{}]", "['x'", "[b'x']", "['\\ud800']", '["\\ud800"]',
    "[__import__('os')]", "[1]]",
)  # fmt: skip


@pytest.mark.parametrize("cell", DEEP)
def test_a_cell_of_tags_that_is_no_list(tmp_path, cell):
    changed = [{**row, "tags": cell} if place == 3 else row for place, row in enumerate(rows())]
    pl.DataFrame(changed).write_csv(tmp_path / "posts.csv")
    assert refused(tmp_path, "posts.csv").startswith("posts.csv: row 5: field 'tags': not a list")


def test_lists_of_texts_read_the_same_in_both_notations():
    rng = random.Random(5)
    letters = "ab'\"\\ñ,[]{}\n😀 \t"
    for _ in range(2000):
        words = ["".join(rng.choice(letters) for _ in range(rng.randrange(5))) for _ in range(rng.randrange(4))]
        assert read_list(repr(words)) == words
        assert read_list(json.dumps(words)) == words
    for text in ("['a', 1, 2.5, None, True]", "[ 'a' ,'b', ]", "[u'\\x41', '\\u00e9\\n', '\\'']", "[]", "[ ]"):
        assert read_list(text) == [str(item) for item in ast.literal_eval(text) if item is not None]
    assert read_list("['a', 1]", texts_only=True) is None


def test_a_json_array_is_cut_outside_of_strings(tmp_path, monkeypatch):
    monkeypatch.setattr(raw_files, "BLOCK", 200)
    words = ['},{"a":"', '\\"},{', "plain", '"},{"', "\\"]
    records = [{"a": words[place % 5] * (place % 3 + 1), "b": str(place)} for place in range(400)]
    (tmp_path / "a.json").write_text(json.dumps(records, separators=(",", ":")))
    assert raw_files.json_array(tmp_path / "a.json", ["a", "b"]).to_dicts() == records
    monkeypatch.setattr(raw_files, "LARGEST_OBJECT", 4000)
    (tmp_path / "b.json").write_text('[{"a": "' + "},{" * 100_000)
    with pytest.raises(BadInput, match=r"b\.json: not valid JSON, cut off or damaged"):
        raw_files.json_array(tmp_path / "b.json", ["a", "b"])


def test_a_hundred_megabytes_of_persona_are_not_looked_at(tmp_path):
    file = tmp_path / "personas.csv"
    with file.open("wb") as opened:
        opened.write(b"name,role_description,relation\n")
        opened.truncate(100 << 20)
    with pytest.raises(BadInput, match=r"personas\.csv: more than 64 MB"):
        population.read_table(file)
    file.write_text(f"name,role_description,relation\nAnn,{'x' * 5000},[]\n")
    with pytest.raises(BadInput, match=r"row 2: field 'role_description': 5000 characters: got 'xxx.*4000 at most"):
        population.read_table(file)
    (tmp_path / "p.json").write_text(json.dumps([{"name": "Ann", "role_description": "é" * 10**6, "relation": []}]))
    with pytest.raises(BadInput, match="1000000 characters"):
        population.read_table(tmp_path / "p.json")

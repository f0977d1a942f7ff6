"""Which files a name stands for: patterns, lists, zips and their members; and that several have the same columns."""

from __future__ import annotations

import gzip
import io
import json
import zipfile
from pathlib import Path

import polars as pl
import pytest

from popcast.core.errors import BadInput
from popcast.datasets import raw_files
from popcast.datasets.reading.open_rows import FileForm, read_rows

POSTS = "id,text,likes\n{0}1,a,1\n{0}2,b,2\n"


def refused(folder: Path, named, wanted=None) -> str:
    with pytest.raises(BadInput) as error:
        read_rows(folder, named, wanted)
    assert str(error.value).isprintable()
    return str(error.value).removeprefix(f"{folder}/")


def zipped(path: Path, members: dict[str, bytes | str]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


@pytest.fixture
def folder(tmp_path):
    for name in ("posts-b.csv", "posts-a.csv", "other.csv", "deep/posts-c.csv"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(POSTS.format(name[-5]))
    (tmp_path / "posts-folder.csv").mkdir()
    return tmp_path


NAMED = {
    "posts-a.csv": "a", "posts-*.csv": "ab", "posts-[b].csv": "b", "*.csv": "rab", "**/*.csv": "crab", "deep/*": "c",
    ("posts-b.csv", "posts-a.csv"): "ba", ("posts-b.csv", "posts-*.csv", "posts-a.csv"): "ba", "./posts-a.csv": "a",
}  # fmt: skip


@pytest.mark.parametrize("named", list(NAMED))
def test_names_and_patterns(folder, named):
    rows = read_rows(folder, named if isinstance(named, str) else list(named), ["id"])
    assert rows.columns["id"].to_list() == [letter + digit for letter in NAMED[named] for digit in "12"]
    assert [path.stem[-1] for path in rows.files] == list(NAMED[named])
    assert rows.height == 2 * len(NAMED[named])


def test_a_file_whose_name_looks_like_a_pattern(tmp_path):
    (tmp_path / "posts[1].csv").write_text(POSTS.format("x"))
    (tmp_path / "posts1.csv").write_text(POSTS.format("y"))
    assert read_rows(tmp_path, "posts[1].csv", None).columns["id"][0] == "x1"


WRONG = {
    "missing.csv": "missing.csv: missing file",
    "none-*.csv": "none-*.csv: no file matches",
    "deep": "deep: a folder: expected a file or a pattern",
    "posts-folder.*": "posts-folder.*: no file matches",
    "../*.csv": "not a name below the raw folder: got '../*.csv'",
    "deep/../../x.csv": "not a name below the raw folder",
    "/etc/*": "not a name below the raw folder",
    "": "not a name below the raw folder",
    "a\0b": "not a name below the raw folder",
    "x" * 5000: "x",
    "notes.docx": "notes.docx: unknown kind of file: expected .csv, .tsv,",
    "notes*": "notes.docx: unknown kind of file",
}


@pytest.mark.parametrize("named", list(WRONG))
def test_names_that_stand_for_nothing(folder, named):
    (folder / "notes.docx").write_text("id\n")
    said = refused(folder, named).removeprefix(f"{folder}: ")
    assert said.startswith(WRONG[named])
    assert refused(folder, [named, "posts-a.csv"]).removeprefix(f"{folder}: ") == said
    assert "no files named" in refused(folder, [])


def test_columns_in_another_order_are_the_same(folder):
    (folder / "posts-b.csv").write_text("likes; id ;text\n7;z;c\n")
    rows = read_rows(folder, "posts-*.csv", None)
    assert rows.columns.rows() == [("a1", "a", "1"), ("a2", "b", "2"), ("z", "c", "7")]
    assert rows.said == ["posts-a.csv: separated by ,, encoding utf-8", "posts-b.csv: separated by ;, encoding utf-8"]
    assert [row.file.name for row in read_rows(folder, "posts-*.csv", None, most_rows=1).rejected] == []


def test_files_of_other_columns_are_refused_by_file_and_column(folder):
    (folder / "posts-b.csv").write_text("id,text\nz,c\n")
    expected = "posts-b.csv: field 'likes': missing column: expected the columns of posts-a.csv"
    assert refused(folder, "posts-*.csv", ["id"]) == expected
    (folder / "posts-b.csv").write_text("id,text,likes,more\nz,c,1,2\n")
    assert refused(folder, "posts-*.csv", ["id"]).startswith(
        "posts-b.csv: field 'more': a column that posts-a.csv lacks"
    )


def test_the_index_of_a_data_frame_is_no_column_that_files_must_have(tmp_path):
    (tmp_path / "a.csv").write_text(",id\n0,1\n")
    (tmp_path / "b.csv").write_text("id\n2\n")
    assert read_rows(tmp_path, "*.csv", ["id"]).columns["id"].to_list() == ["1", "2"]
    assert read_rows(tmp_path, "*.csv", None).columns["id"].to_list() == ["1", "2"]


def test_objects_leave_out_what_they_lack_but_no_wanted_column(tmp_path):
    (tmp_path / "a.jsonl").write_text('{"id": 1, "likes": 2}\n')
    (tmp_path / "b.jsonl").write_text('{"id": 2, "geo": {"x": 1}}\n')
    rows = read_rows(tmp_path, "*.jsonl", ["id"])
    assert (rows.columns["id"].to_list(), rows.names) == (["1", "2"], ["id", "likes", "geo.x"])
    assert refused(tmp_path, "*.jsonl", ["id", "likes"]).startswith("b.jsonl: field 'likes': missing column")
    assert read_rows(tmp_path, "*.jsonl", None).columns.rows() == [("1", "2", None), ("2", None, "1")]


def test_files_of_several_kinds_have_one_type_for_a_column(tmp_path):
    (tmp_path / "a.csv").write_text("id,likes\n1,2\n")
    pl.DataFrame({"id": [3], "likes": [4]}).write_parquet(tmp_path / "b.parquet")
    (tmp_path / "c.json").write_text(json.dumps([{"id": 5, "likes": 6}]))
    assert read_rows(tmp_path, ["*"], None).columns.rows() == [("1", "2"), ("3", "4"), ("5", "6")]
    pl.DataFrame({"id": [3], "likes": [17.958]}).write_parquet(tmp_path / "b.parquet")
    said = refused(tmp_path, ["*"])
    assert said.startswith("b.parquet: field 'likes': a column of type Float64 that is String in another file")
    pl.DataFrame({"id": [4], "likes": [7]}).write_parquet(tmp_path / "d.parquet")
    assert read_rows(tmp_path, ["b.parquet", "d.parquet"], None).columns.rows() == [(3, 17.958), (4, 7.0)]
    pl.DataFrame({"id": [3], "likes": [2**60]}).write_parquet(tmp_path / "d.parquet")
    said = refused(tmp_path, ["b.parquet", "d.parquet"])
    assert "a column of type Float64 that is Int64" in said


def test_members_of_a_zip(tmp_path):
    data = gzip.compress(POSTS.format("b").encode())
    zipped(tmp_path / "posts.zip", {"x/": "", "x/b.csv.gz": data, "x/a.csv": POSTS.format("a"), "README.txt": "hello",
                                    "logo.png": b"\0", "__MACOSX/x/._a.csv": b"\0", ".hidden.csv": "q\n"})  # fmt: skip
    rows = read_rows(tmp_path, "posts.zip", ["id"])
    assert rows.columns["id"].to_list() == ["a1", "a2", "b1", "b2"]
    assert rows.files == [tmp_path / "posts.zip/x/a.csv", tmp_path / "posts.zip/x/b.csv.gz"]
    assert rows.said[0] == "posts.zip: left out: README.txt, logo.png"
    one = read_rows(tmp_path, "posts.zip/x/a.csv", ["id"])
    assert (one.columns["id"].to_list(), one.place(0)) == (["a1", "a2"], (tmp_path / "posts.zip/x/a.csv", 2))
    assert read_rows(tmp_path, ["posts.zip/x/*.gz"], ["id"]).columns["id"].to_list() == ["b1", "b2"]
    assert refused(tmp_path, "posts.zip/y.csv").startswith("posts.zip: a zip without such a file: got 'x/b.csv.gz, ")


def test_zips_that_are_not_read(tmp_path, monkeypatch):
    zipped(tmp_path / "none.zip", {"a.png": b"x", "b/": ""})
    assert refused(tmp_path, "none.zip").startswith(
        "none.zip: a zip without a file of posts: got 'a.png', expected .csv"
    )
    zipped(tmp_path / "empty.zip", {})
    assert refused(tmp_path, "empty.zip").startswith("empty.zip: a zip without a file of posts: got 'nothing'")
    zipped(tmp_path / "out.zip", {"../../a.csv": POSTS.format("a")})
    assert refused(tmp_path, "out.zip").startswith("out.zip: a member outside of the zip: got '../../a.csv'")
    (tmp_path / "text.zip").write_text("id,text\n1,a\n")
    assert refused(tmp_path, "text.zip").startswith("text.zip: not a readable zip: File is not a zip file")
    whole = zipped(tmp_path / "x.zip", {"a.csv": POSTS.format("a") * 99}).read_bytes()
    (tmp_path / "cut.zip").write_bytes(whole[: len(whole) // 2])
    assert refused(tmp_path, "cut.zip").startswith("cut.zip: not a readable zip")
    flagged = bytearray(whole)
    flagged[6] |= 1
    flagged[whole.index(b"PK\1\2") + 8] |= 1
    (tmp_path / "secret.zip").write_bytes(flagged)
    assert refused(tmp_path, "secret.zip") == "secret.zip/a.csv: encrypted: expected a zip without a password"
    newer = bytearray(whole)
    newer[whole.index(b"PK\1\2") + 6] = 223
    (tmp_path / "version.zip").write_bytes(newer)
    assert refused(tmp_path, "version.zip").startswith("version.zip: not a readable zip: zip file version 22.3")
    (tmp_path / "unnamed.zip").write_bytes(whole.replace(b"a.csv", b"\0.csv"))
    assert refused(tmp_path, "unnamed.zip").startswith("unnamed.zip: a zip without a file of posts")
    other = bytearray(whole)
    other[8] = other[whole.index(b"PK\1\2") + 10] = 97
    (tmp_path / "method.zip").write_bytes(other)
    assert refused(tmp_path, "method.zip").startswith("method.zip/a.csv: not a readable zip: That compression method")
    spoilt = bytearray(whole)
    spoilt[40] ^= 255
    (tmp_path / "spoilt.zip").write_bytes(spoilt)
    assert refused(tmp_path, "spoilt.zip").startswith("spoilt.zip/a.csv: not a readable")
    monkeypatch.setattr(raw_files, "MOST_UNPACKED", 1 << 20)
    zipped(tmp_path / "bomb.zip", {"a.csv": bytes(8 << 20)})
    assert refused(tmp_path, "bomb.zip").startswith("bomb.zip: unpacks to more than 1 MB: expected the unpacked file")
    zipped(tmp_path / "inner.zip", {"a.csv.gz": gzip.compress(b"id\n" + bytes(8 << 20))})
    assert "inner.zip/a.csv.gz: unpacks to more than 1 MB" in refused(tmp_path, "inner.zip")


BOMBS = ("csv", "tsv", "json", "jsonl", "parquet", "xlsx")


@pytest.mark.parametrize("kind", BOMBS)
def test_a_gz_unpacks_to_a_limit(tmp_path, kind, monkeypatch):
    monkeypatch.setattr(raw_files, "MOST_UNPACKED", 4 << 20)
    beginning = {"parquet": b"PAR1", "xlsx": b"PK\3\4", "json": b"[", "jsonl": b"{"}.get(kind, b"id,text\n")
    (tmp_path / f"posts.{kind}.gz").write_bytes(gzip.compress(beginning + b" " * (64 << 20)))
    assert refused(tmp_path, f"posts.{kind}.gz").startswith(f"posts.{kind}.gz: unpacks to more than 4 MB")
    (tmp_path / f"cut.{kind}.gz").write_bytes(gzip.compress(beginning + POSTS.encode() * 9)[:-9])
    assert refused(tmp_path, f"cut.{kind}.gz").startswith(f"cut.{kind}.gz: not a readable file: Compressed file ended")


def _content(kind: str) -> bytes:
    out = io.BytesIO()
    table = pl.DataFrame({"id": ["1"], "text": ["a"]})
    if kind == "parquet":
        table.write_parquet(out)
    elif kind == "zip":
        with zipfile.ZipFile(out, "w") as archive:
            archive.writestr("posts.csv", table.write_csv())
    else:
        return {"gz": gzip.compress(table.write_csv().encode()), "csv": table.write_csv().encode(),
                "json": b'[{"id": "1"}]', "xls": b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(99)}[kind]  # fmt: skip
    return out.getvalue()


MISNAMED = {
    ("zip", "posts.csv"): "packed: expected text, or .zip or .xlsx at the end of its name",
    ("gz", "posts.csv"): "packed: expected text, or .gz at the end of its name",
    ("gz", "posts.jsonl"): "packed: expected text, or .gz at the end of its name",
    ("parquet", "posts.csv"): "a parquet file: expected text, or .parquet at the end of its name",
    ("xls", "posts.csv"): "packed: expected text",
    ("csv", "posts.parquet"): "not a readable parquet: does not begin with PAR1: got b'id,t'",
    ("csv", "posts.xlsx"): "not an xlsx workbook: got b'id,text\\n1,a\\n'",
    ("xls", "posts.xlsx"): "not an xlsx workbook: got",
    ("zip", "posts.xlsx"): "not a readable xlsx: ",
    ("json", "posts.parquet"): "not a readable parquet",
    ("zip", "posts.csv.gz"): "packed: expected text",
}


@pytest.mark.parametrize(("kind", "name"), list(MISNAMED))
def test_content_under_the_name_of_another_kind(tmp_path, kind, name):
    (tmp_path / name).write_bytes(_content(kind))
    assert refused(tmp_path, name).startswith(f"{name}: {MISNAMED[kind, name]}")


def test_the_form_is_for_texts_alone(tmp_path):
    (tmp_path / "posts.parquet").write_bytes(_content("parquet"))
    assert read_rows(tmp_path, "posts.parquet", None, FileForm(";", "cp1252", "x")).height == 1


@pytest.mark.parametrize("kind", ["csv", "tsv", "txt", "json", "jsonl", "ndjson", "parquet", "xlsx"])
@pytest.mark.parametrize("packed", ["", ".gz"])
def test_an_empty_file_is_one_line(tmp_path, kind, packed):
    name = f"posts.{kind}{packed}"
    (tmp_path / name).write_bytes(gzip.compress(b"") if packed else b"")
    assert refused(tmp_path, name).startswith(f"{name}: ")

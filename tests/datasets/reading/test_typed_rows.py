"""Typed files and tables: parquet, xlsx, data frames; types stay, and what has no type of its own becomes text."""

from __future__ import annotations

import io
import zipfile
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path

import numpy as np
import openpyxl
import pandas as pd
import polars as pl
import pytest

from popcast.core.errors import BadInput
from popcast.datasets import raw_files
from popcast.datasets.reading.open_rows import FileForm, read_rows, rows_of_frame

NOON = datetime(2025, 1, 3, 9, 41)


def refused(folder: Path, name: str, wanted=None, **form) -> str:
    with pytest.raises(BadInput) as error:
        read_rows(folder, name, wanted, FileForm(**form))
    return str(error.value).removeprefix(f"{folder}/")


STAY = {
    "Int8": pl.Series([1, None], dtype=pl.Int8), "UInt64": pl.Series([2**63, None], dtype=pl.UInt64),
    "Float64": pl.Series([0.5, None]), "Date": pl.Series([date(2025, 1, 3), None]),
    "Datetime": pl.Series([NOON, None], dtype=pl.Datetime("ns")), "Binary": pl.Series([b"a", None]),
    "Datetime zone": pl.Series([NOON, None]).dt.replace_time_zone("Asia/Tokyo"), "Time": pl.Series([time(9), None]),
    "Duration": pl.Series([timedelta(1), None]), "Decimal": pl.Series([Decimal("0.25"), None]),
    "List": pl.Series([["a", None], None]), "List of numbers": pl.Series([[1, 2], None]),
}  # fmt: skip
CHANGED = {
    "Categorical": (pl.Series(["a", None], dtype=pl.Categorical), ["a", None]),
    "Enum": (pl.Series(["a", None], dtype=pl.Enum(["a"])), ["a", None]),
    "Boolean": (pl.Series([True, False]), ["true", "false"]), "Null": (pl.Series([None, None]), [None, None]),
    "empty": (pl.Series(["", "a"]), [None, "a"]), "NaN": (pl.Series([float("nan"), 1.5]), [None, 1.5]),
    "Array": (pl.Series([[1, 2], None], dtype=pl.Array(pl.Int64, 2)), [[1, 2], None]),
    "List of truths": (pl.Series([[True, None], None]), [["true", None], None]),
    "List of lists": (pl.Series([[["a"]], None]), ['[["a"]]', None]),
    "List of objects": (pl.Series([[{"text": "é", "n": 1}], None]), ['[{"text":"é","n":1}]', None]),
}  # fmt: skip


@pytest.mark.parametrize("packed", [False, True])
def test_types_of_parquet_and_polars(tmp_path, packed):
    table = pl.DataFrame(STAY)
    table = table.with_columns(values.alias(name) for name, (values, _) in CHANGED.items())
    table.write_parquet(tmp_path / "posts.parquet")
    if packed:
        with zipfile.ZipFile(tmp_path / "posts.zip", "w") as archive:
            archive.write(tmp_path / "posts.parquet", "posts.parquet")
    for rows in (read_rows(tmp_path, "posts.zip" if packed else "posts.parquet", None), rows_of_frame(table)):
        assert rows.names == table.columns
        for name, values in STAY.items():
            assert rows.columns[name].dtype == values.dtype, name
            assert rows.columns[name].to_list() == values.to_list(), name
        for name, (_, expected) in CHANGED.items():
            assert rows.columns[name].to_list() == expected, name
            assert rows.columns[name].dtype not in (pl.Boolean, pl.Null, pl.Categorical), name


def test_objects_of_parquet_have_dotted_names(tmp_path):
    table = pl.DataFrame({" id ": [1, 2], "user": [{"name": "ann", "at": {"x": 1.5}}, None], "a.b": ["c", "d"]})
    table.write_parquet(tmp_path / "posts.parquet")
    rows = read_rows(tmp_path, "posts.parquet", ["id", "user.at.x", "a.b", "nothing"])
    assert rows.names == ["id", "user.name", "user.at.x", "a.b"]
    assert rows.columns.rows() == [(1, 1.5, "c"), (2, None, "d")]
    said = refused(tmp_path, "posts.parquet", ["user"])
    assert said == "posts.parquet: field 'user': an object: expected one of user.name, user.at.x"
    assert read_rows(tmp_path, "posts.parquet", ["nothing"]).height == 2
    pl.DataFrame({"id": [1], "id ": [2], "x": [3]}).write_parquet(tmp_path / "posts.parquet")
    assert read_rows(tmp_path, "posts.parquet", ["x"]).columns.rows() == [(3,)]
    assert "columns 1 and 2 have the same name" in refused(tmp_path, "posts.parquet", ["id"])


def test_rows_of_parquet_are_counted_before_they_are_read(tmp_path, monkeypatch):
    pl.select(id=pl.int_range(300)).write_parquet(tmp_path / "posts.parquet")
    assert read_rows(tmp_path, "posts.parquet", None, most_rows=7).columns["id"].to_list() == list(range(7))
    monkeypatch.setattr(raw_files, "MOST_ROWS", 299)
    assert refused(tmp_path, "posts.parquet") == "posts.parquet: 300 rows: expected 299 at most"


def outcome(folder: Path, name: str) -> object:
    try:
        return read_rows(folder, name, ["id"]).columns.rows()
    except BadInput as error:
        return "refused" if str(error).startswith(f"{folder}/{name}: ") else str(error)


def workbook(path: Path, *sheets: tuple[str, list[list]]) -> None:
    book = openpyxl.Workbook()
    book.remove(book.active)
    for name, rows in sheets:
        sheet = book.create_sheet(name)
        for row in rows:
            sheet.append(row)
    book.save(path)


def test_cells_of_a_workbook(tmp_path):
    header = [" id ", "whole", "half", "day", "mixed", "truth", "error", "long", "words", None, "empty"]
    workbook(tmp_path / "posts.xlsx", ("a", [
        [], header,
        ["x1", 3.0, 0.5, NOON, 17.958, True, "#N/A", 8.55e17, "", None, None],
        [], [None, "  "],
        [7, 4, 2, NOON, "2,8 Tsd.", False, 3, 12, " a ", None, None],
        [8.0, None, None, None, 3, None, "#DIV/0!"],
        ["long", 1, 1, NOON, "a", True, 1, 1, "b", None, None, "more"],
    ]))  # fmt: skip
    rows = read_rows(tmp_path, "posts.xlsx", None)
    assert rows.names == ["id", "whole", "half", "day", "mixed", "truth", "error", "long", "words", "empty"]
    assert rows.columns.to_dict(as_series=False) == {
        "id": ["x1", "7", "8"], "whole": [3, 4, None], "half": [0.5, 2.0, None], "day": [NOON, NOON, None],
        "mixed": ["17.9580", "2,8 Tsd.", "3"], "truth": ["true", "false", None], "error": [None, 3, None],
        "long": [8.55e17, 12.0, None], "words": [None, " a ", None], "empty": [None] * 3,
    }  # fmt: skip
    assert rows.columns.dtypes[1:4] == [pl.Int64, pl.Float64, pl.Datetime("us")]
    assert rows.row_numbers.tolist() == [3, 6, 7]
    assert [(row.row, row.reason, row.shown) for row in rows.rejected] == [
        (8, "long row", "12 cells, expected 11: 'more'")
    ]
    assert rows.said == ["posts.xlsx: 2 cells that show an error, read as null"]


def test_sheets_of_a_workbook(tmp_path):
    notes, posts = [["About this export"], ["made by a tool"]], [["id", "likes"], [1, 2]]
    path = tmp_path / "posts.xlsx"
    workbook(path, ("empty", []), ("notes", notes), ("posts", posts), ("last", []))
    rows = read_rows(tmp_path, "posts.xlsx", ["id", "likes"])
    assert rows.columns.rows() == [(1, 2)]
    assert rows.said == ["posts.xlsx: sheet 'posts', not 'notes'"]
    assert read_rows(tmp_path, "posts.xlsx", None, FileForm(sheet="posts")).names == ["id", "likes"]
    assert read_rows(tmp_path, "posts.xlsx", None).said == ["posts.xlsx: sheet 'posts', not 'notes'"]
    said = refused(tmp_path, "posts.xlsx", sheet="Posts")
    assert said == "posts.xlsx: no such sheet: got 'Posts', expected one of empty, notes, posts, last"
    assert refused(tmp_path, "posts.xlsx", sheet="empty") == "posts.xlsx: sheet empty is empty: expected a header"
    workbook(path, ("2024", posts), ("2025", posts))
    assert refused(tmp_path, "posts.xlsx").startswith("posts.xlsx: 2 sheets with the same columns: got '2024, 2025'")
    workbook(path, ("a", []), ("b", []))
    assert refused(tmp_path, "posts.xlsx").startswith("posts.xlsx: empty file")
    workbook(path, ("a", [["id", "likes", "id"], [1, 2, 3]]))
    assert "row 1: field 'id': columns 1 and 3 have the same name" in refused(tmp_path, "posts.xlsx")
    assert read_rows(tmp_path, "posts.xlsx", ["likes"]).columns.rows() == [(2,)]


def test_hostile_workbooks(tmp_path, monkeypatch):
    path = tmp_path / "posts.xlsx"
    workbook(path, ("a", [["id"], [1]]))
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    assert refused(tmp_path, "posts.xlsx").startswith("posts.xlsx: not a readable xlsx")
    with zipfile.ZipFile(io.BytesIO(whole)) as parts:
        for name in parts.namelist():
            for content in (b"", b"<a>", b"\0\1", None):
                with zipfile.ZipFile(path, "w") as changed:
                    for part in parts.namelist():
                        if part != name or content is not None:
                            changed.writestr(part, content if part == name else parts.read(part))
                assert outcome(tmp_path, "posts.xlsx") in ([(1,)], "refused"), (name, content)
    monkeypatch.setattr(raw_files, "MOST_UNPACKED", 1 << 20)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as bomb:
        bomb.writestr("xl/worksheets/sheet1.xml", bytes(16 << 20))
    assert refused(tmp_path, "posts.xlsx").startswith("posts.xlsx: unpacks to more than 1 MB")


def test_tables_of_python(tmp_path):
    frame = pd.DataFrame({
        "i": [1, 2], "f": [0.5, np.nan], "o": ["a", None], "m": ["a", 3], "b": [True, False], "n": [None, None],
        "t": pd.to_datetime(["2025-01-03T09:41Z", None]), "l": [["a", 1], None], "c": pd.Categorical(["x", None]),
        "big": [10**30, 1], "p": [{"a": 1}, None],
    }).rename(columns={"i": " i "})  # fmt: skip
    rows = rows_of_frame(frame.drop(columns="p").set_index(pd.Index([7, 7])))
    found = rows.columns.to_dict(as_series=False)
    assert found["i"] == [1, 2]
    assert found["f"] == [0.5, None]
    assert found["o"] == ["a", None]
    assert found["m"] == ["a", "3"]
    assert found["b"] == ["true", "false"]
    assert found["n"] == [None, None]
    assert found["t"] == [datetime(2025, 1, 3, 9, 41, tzinfo=UTC), None]
    assert found["l"] == [["a", "1"], None]
    assert found["c"] == ["x", None]
    assert found["big"] == [str(10**30), "1"]
    with pytest.raises(BadInput, match=r"^posts: field 'a': columns 1 and 2 have the same name"):
        rows_of_frame(pd.DataFrame([[1, 2]], columns=["a", "a"]))
    with pytest.raises(BadInput, match="posts of type int: expected a DataFrame or a list of dicts"):
        rows_of_frame(3)
    with pytest.raises(BadInput, match=r"^mine: row 2: not a dict: got 3"):
        rows_of_frame([{"a": 1}, 3], "mine")
    assert rows_of_frame([]).height == 0
    assert rows_of_frame(pd.DataFrame({"a": []})).height == 0


def test_lists_of_dicts_with_any_values():
    rows = rows_of_frame([
        {"id": np.int64(3), "at": NOON, "n": {"likes": np.float64(1.5), "x": pd.NaT}, "tags": ("a", 1), "w": 2**70},
        {"id": 4, "at": pd.Timestamp(NOON), "n": {"likes": float("nan")}, "tags": [], "extra": np.bool_(True)},
        {"id": 5, "at": None, "tags": np.array(["b"]), "extra": False, "w": Decimal("1.5")},
    ])  # fmt: skip
    assert rows.columns.to_dict(as_series=False) == {
        "id": [3, 4, 5], "at": [NOON, NOON, None], "n.likes": [1.5, None, None], "n.x": [None] * 3,
        "tags": [["a", "1"], [], ["b"]], "w": [str(2**70), None, "1.5"], "extra": [None, "true", "false"],
    }  # fmt: skip
    assert rows.row_numbers.tolist() == [1, 2, 3]

"""Hostile rows of every format are rejected and counted, hostile files are one line; nothing is guessed."""

from __future__ import annotations

import json
import os
import random
import sqlite3
from pathlib import Path

import pytest

from popcast.core.errors import LONGEST, BadInput
from popcast.datasets.weibo_ids import mid_of
from popcast.response.importing.response_loading import load
from tests.faults.mutations import mutate
from tests.response import collected
from tests.response.collected import ANNA, BERT, HEADER, NOW, SECTION, at
from tests.response.test_importing import stored
from tests.response.test_importing_ced import SECTION as CED
from tests.response.test_importing_ced import folder as ced_folder
from tests.response.test_importing_ced import label

LOOSE = SECTION.model_copy(update={"max_reject_share": 1.0})
ROUNDED = ("3.5e15", "3.5E+15", "3501756485200075.0", "3.501756e+15")
NO_NUMBERS = ("", "-3501756485200075", "abc", "３５０１７５６４８５２０００７５", "9" * 30, "0" * 16)


@pytest.fixture
def raw(tmp_path) -> Path:
    return collected.folder(tmp_path / "raw")


def rejected(raw: Path, form: str) -> list[dict]:
    """Examples of rejected rows of one format; all rows that are read are kept, rejected or noted."""
    report = load(LOOSE, raw, "weibo", now=NOW).report
    counts = report["formats"][form]
    others = sum(counts["noted"].values()) if form in ("C", "E comments") else 0
    assert counts["read"] == counts["kept"] + sum(counts["rejected"].values()) + others
    return [example for example in report["examples"] if example["format"] == form]


SEARCH_CELLS = [
    *[("id", value) for value in (*ROUNDED, *NO_NUMBERS, "z0JH2lOMb")],
    *[("user_id", value) for value in ("1.7e9", "1.7E+09", "", "-1", "abc", "1", "1" * 20)],
    *[("bid", value) for value in ("z0JH2lOM-", "中文", "z0JH2lOMb")],  # the last one is of another post
    *[
        (name, value)
        for name in ("转发数", "评论数", "点赞数")
        for value in ("-3", "1.5", "many", "", "1.2千", "9" * 40)
    ],
    *[("发布时间", value) for value in ("", "yesterday", "2023-02-30 10:00", "2023/04/10 10:00", "04月10日 10:00")],
    *[
        ("发布时间", value)
        for value in ("2024-01-02 00:00", "9999-12-31 23:59", "0001-01-01 00:00", "1999-01-01 00:00")
    ],
    ("user_authentication", "VIP"),
    ("retweet_id", "3.5E+15"),
    ("微博正文", "x" * 20_001),
    ("微博正文", "a\x00b"),
    ("用户昵称", "n" * 5_000),
]


@pytest.mark.parametrize(("column", "value"), SEARCH_CELLS)
def test_a_hostile_cell_of_a_search(raw, column, value):
    rows = [collected.search_row(at(100, hour), ANNA, "#地铁延误# 好", "地铁延误") for hour in (9, 10, 11)]
    rows[1][column] = value
    (raw / "search" / "地铁延误" / "地铁延误.csv").write_bytes(collected.csv_bytes(rows))
    (example,) = rejected(raw, "A")
    assert example["row"] == 3
    assert example["field"] in (column, None if column == "bid" else column)
    assert value not in json.dumps(example, ensure_ascii=False) or len(value) < 3 or column == "id"


@pytest.mark.parametrize("value", ["1.2万", "100万+", "3亿", "0", "17", "10万+"])
def test_counts_as_the_site_shows_them_are_read(raw, value):
    row = collected.search_row(at(100), ANNA, "#地铁延误# 好", "地铁延误", 点赞数=value)
    (raw / "search" / "地铁延误" / "地铁延误.csv").write_bytes(collected.csv_bytes([row]))
    assert not rejected(raw, "A")


def row_line(hour: int) -> bytes:
    return collected.csv_bytes([collected.search_row(at(100, hour), ANNA, "好", "地铁延误")]).split(b"\r\n")[1]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"1,2,3", "not 19 cells"),
        (row_line(9) + b",more", "not 19 cells"),
        (row_line(9).replace(b"iPhone", b"").replace("好".encode(), b'"open'), "not a row of a csv"),
        (row_line(9).replace("好".encode(), b'"' + b"x" * 200_000 + b'"'), "not a row of a csv"),
        (row_line(10), "the post stands there twice"),
    ],
)
def test_a_hostile_line_of_a_search(raw, line, reason):
    head = collected.csv_bytes([]).rstrip(b"\r\n")
    content = b"\r\n".join([head, row_line(10), line, row_line(11), b""])
    (raw / "search" / "地铁延误" / "地铁延误.csv").write_bytes(content)
    examples = rejected(raw, "A")
    assert any(example["reason"].startswith(reason) for example in examples)


GOOD = collected.csv_bytes([collected.search_row(at(100), ANNA, "好", "地铁延误")])
SEARCH_FILES = {
    "no mark": (GOOD.removeprefix(b"\xef\xbb\xbf"), "no byte order mark"),
    "two marks": (b"\xef\xbb\xbf" + GOOD, "another header"),
    "utf-16": (GOOD.decode("utf-8-sig").encode("utf-16"), "no byte order mark"),
    "gbk": (b"\xef\xbb\xbf" + GOOD.decode("utf-8-sig").encode("gbk"), "row 1: not UTF-8"),
    "half a letter": (GOOD + b"\xe5\xa5", "not UTF-8"),
    "no header": (b"\xef\xbb\xbf" + row_line(9), "another header"),
    "empty": (b"", "no byte order mark"),
    "only a mark": (b"\xef\xbb\xbf", "another header"),
    "fewer columns": (collected.csv_bytes([], HEADER[:-1]), "another header: column 19"),
    "more columns": (collected.csv_bytes([], [*HEADER, "more"]), "20 columns"),
    "other order": (collected.csv_bytes([], [HEADER[1], HEADER[0], *HEADER[2:]]), "another header: column 1"),
    "semicolons": (";".join(HEADER).encode("utf-8-sig"), "another header"),
    "packed": (b"\x1f\x8b" + b"\x00" * 20, "no byte order mark"),
    "endless header": (b"\xef\xbb\xbf" + b"x" * 300_000, "not a readable header"),
}


def refused(raw: Path, said: str) -> None:
    with pytest.raises(BadInput) as error:
        load(LOOSE, raw, "weibo", now=NOW)
    line = str(error.value)
    assert said in line
    assert "\n" not in line
    assert len(line) <= LONGEST


@pytest.mark.parametrize("case", SEARCH_FILES)
def test_a_hostile_search_file(raw, case):
    content, said = SEARCH_FILES[case]
    (raw / "search" / "地铁延误" / "地铁延误.csv").write_bytes(content)
    refused(raw, said)


ANSWERS = [
    *[("weibo_id", value) for value in (*ROUNDED, *NO_NUMBERS, "z0JH2lOM!", "ZZZZZZZZZ", 3.5e15, None, True, [1])],
    *[("user_id", value) for value in ("", "abc", 1.7e9, "1.7E+09", None, {})],
    *[("username", value) for value in ("", None, 5, ["x"], "n" * 5_000, "a\x00", "\ud800")],
    *[("content", value) for value in ("", None, 7, "c" * 20_001, "a\x00", "\udfff", {"a": 1})],
    ("weibo_id", mid_of(at(1) + 10**8 * 3, 1)),  # a number of the future
    ("more", "field"),
]


@pytest.mark.parametrize(("field", "value"), ANSWERS)
def test_a_hostile_record_of_the_ai_search(raw, field, value):
    rows = [collected.answer(at(300, hour), ANNA, "#水价上涨# 好") for hour in (9, 10, 11)]
    rows[1][field] = value
    content = json.dumps(rows, ensure_ascii=True)
    collected.put(raw / "ai" / "水价上涨" / "answers.json", content)
    (example,) = rejected(raw, "B")
    assert (example["row"], example["field"]) == (2, field)


@pytest.mark.parametrize("row", [None, 5, "text", [], [{}], {}, {"username": "x"}])
def test_what_is_no_record_of_the_ai_search(raw, row):
    rows = [collected.answer(at(300, 9), ANNA, "#水价上涨# 好"), row]
    collected.put(raw / "ai" / "水价上涨" / "answers.json", rows)
    (example,) = rejected(raw, "B")
    assert example["row"] == 2


def test_a_repeated_key_is_a_fault(raw):
    row = json.dumps(collected.answer(at(300, 9), ANNA, "好"))[:-1] + ', "user_id": "1700000009"}'
    collected.put(raw / "ai" / "水价上涨" / "answers.json", f"[{row}]")
    (example,) = rejected(raw, "B")
    assert (example["field"], example["reason"]) == ("user_id", "the key stands there twice")


JSON_FILES = {
    "object": ('{"a": 1}', "not a list"),
    "text": ('"a"', "not a list"),
    "nothing": ("", "not valid JSON"),
    "cut off": ('[{"username": "x"', "not valid JSON"),
    "two values": ("[] []", "not valid JSON"),
    "NaN": ("[NaN]", "not valid JSON"),
    "deep": ("[" * 100_000, "not valid JSON"),
    "deep objects": ('{"a":' * 100_000, "not valid JSON"),
    "endless number": ("[" + "9" * 10_000 + "]", "not valid JSON"),
    "gbk": ('["好"]'.encode("gbk"), "not UTF-8"),
    "utf-16": ("[]".encode("utf-16"), "not UTF-8"),
}


@pytest.mark.parametrize("case", JSON_FILES)
def test_a_hostile_json_file(raw, case):
    content, said = JSON_FILES[case]
    collected.put(raw / "ai" / "水价上涨" / "answers.json", content)
    refused(raw, said)


POSTS = [
    *[("id", value) for value in (3.5e15, "3.5E+15", "abc", None, -5, True, 10**25)],
    *[("bid", value) for value in ("z0JH2lOMb", "no bid!", None, 5)],
    *[("user_id", value) for value in (int(BERT), "abc", 1.7e9, None)],
    *[("text", value) for value in (None, 5, "x" * 20_001, "a\x00b", "\ud800")],
    *[("attitudes_count", value) for value in (-1, 1.5, "many", None, True, 10**12)],
    *[("full_created_at", value) for value in ("", None, 5, "2023-13-01 00:00:00")],
    *[("full_created_at", value) for value in ("2024-06-01 00:00:00", "2008-01-01 00:00:00")],
    *[("created_at", value) for value in ("", "刚刚", 1_680_000_000)],
    ("topics", ["a", "b"]),
    ("retweet", {"id": 1}),
    ("retweet", "text"),
    ("edited", True),
]  # fmt: skip


@pytest.mark.parametrize(("field", "value"), POSTS)
def test_a_hostile_post_of_a_history(raw, field, value):
    posts = collected.history(ANNA, range(80, 83))
    posts[1][field] = value
    content = json.dumps({"user": collected.profile(ANNA), "weibo": posts}, ensure_ascii=True)
    collected.put(raw / "weibo_search" / ANNA / f"{ANNA}.json", content)
    (example,) = rejected(raw, "C")
    assert example["row"] == 2
    assert example["field"] is None or example["field"].split(".")[0] == field
    assert ANNA not in json.dumps(example)


PROFILES = [
    ("gender", "x"), ("followers_count", -1), ("followers_count", "9.5"), ("verified", "yes"), ("screen_name", None),
    ("description", "x" * 5_000), ("more", 1), ("urank", "9"),
]  # fmt: skip


@pytest.mark.parametrize(("field", "value"), PROFILES)
def test_a_hostile_profile_leaves_the_history(raw, field, value):
    content = {"user": collected.profile(ANNA, **{field: value}), "weibo": collected.history(ANNA, range(80, 83))}
    collected.put(raw / "weibo_search" / ANNA / f"{ANNA}.json", content)
    (example,) = rejected(raw, "C user")
    assert example["field"] == field


HISTORY_FILES = {
    "list": ([], "another shape"),
    "no posts": ({"user": {}}, "another shape"),
    "more": ({"user": {}, "weibo": [], "x": 1}, "another shape"),
    "posts no list": ({"user": collected.profile(ANNA), "weibo": {}}, "another shape"),
    "user no object": ({"user": [], "weibo": []}, "another shape"),
    "another user": ({"user": collected.profile(BERT), "weibo": []}, "another user's file"),
    "no user": ({"user": {}, "weibo": []}, "another user's file"),
    "twice": ('{"user": {}, "user": {}, "weibo": []}', "another shape"),
}


@pytest.mark.parametrize("case", HISTORY_FILES)
def test_a_hostile_history_file(raw, case):
    content, said = HISTORY_FILES[case]
    collected.put(raw / "weibo_search" / ANNA / f"{ANNA}.json", content)
    refused(raw, said)


def test_a_folder_of_a_user_without_a_file(raw):
    (raw / "weibo_search" / ANNA / f"{ANNA}.json").unlink()
    refused(raw, "missing file")


def spoiled(raw: Path, case: str) -> str:
    """Spoil the folder of a topic; what the line says."""
    folder = raw / "search" / "地铁延误"
    if case == "no news":
        (folder / "news.txt").unlink()
        return "news.txt: missing file"
    if case == "empty news":
        (folder / "news.txt").write_text("\ufeff \n。\n")
        return "news.txt: no news in it"
    if case == "news in gbk":
        (folder / "news.txt").write_bytes("新闻".encode("gbk"))
        return "not UTF-8"
    if case == "news is a folder":
        (folder / "news.txt").unlink()
        (folder / "news.txt").mkdir()
        return "news.txt: a folder"
    if case == "two data files":
        collected.put(folder / "more.json", [])
        return "2 data files"
    if case == "no data file":
        (folder / "地铁延误.csv").unlink()
        return "0 data files"
    if case == "hash in the name":
        folder.rename(folder.with_name("#地铁#"))
        return "no hashtag"
    if case == "same topic twice":
        collected.put(raw / "ai" / "地铁延误" / "answers.json", [])
        collected.put(raw / "ai" / "地铁延误" / "news.txt", "新闻一条")
        return "a second folder of #地铁延误#"
    (raw / "weibo_other").mkdir()
    return "histories of no segment"


CASES = (
    "no news", "empty news", "news in gbk", "news is a folder", "two data files", "no data file", "hash in the name",
    "same topic twice", "unknown segment",
)  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_a_hostile_folder(raw, case):
    refused(raw, spoiled(raw, case))


@pytest.mark.skipif(os.name != "posix", reason="names of files are text there")
def test_a_name_that_is_no_text(raw):
    folder = os.fsencode(raw / "search") + b"/\xff\xfe"
    try:
        os.mkdir(folder)
    except OSError:
        pytest.skip("this disk takes no such name")
    refused(raw, "no hashtag")


def test_no_folder_and_an_empty_one(tmp_path):
    refused(tmp_path / "absent", "no such folder")
    (tmp_path / "empty").mkdir()
    refused(tmp_path / "empty", "the folder holds no topics")


STORED = [
    ("id", "3.5E+15"), ("id", None), ("weibo_id", 3.5e15), ("user_id", "abc"), ("created_at", "刚刚"),
    ("created_at", "2030-01-01 00:00:00"), ("text", None), ("text", "x" * 20_001), ("text", b"\xff\xfe"),
    ("like_count", -1), ("like_count", 0.5),
]  # fmt: skip


@pytest.mark.parametrize(("column", "value"), STORED)
def test_a_hostile_row_of_the_database(raw, column, value):
    order = ("id", "bid", "weibo_id", "user_id", "created_at", "user_screen_name", "text", "like_count")
    good = dict(
        zip(
            order, (mid_of(at(100), 1), "", mid_of(at(100, 9), 7), ANNA, "2023-04-10 20:00", "安", "好", 1), strict=True
        )
    )
    stored(raw / "weibo.db", [tuple((good | {column: value}).values())])
    (example,) = rejected(raw, "E comments")
    assert example["field"] in (column, None)


def test_hostile_databases(raw):
    path = raw / "weibo.sqlite"
    for content in (b"", b"SQLite format 3\x00" + b"\x00" * 5, b"SQLite format 3\x00" + os.urandom(4096), b"text"):
        path.write_bytes(content)
        refused(raw, "SQLite file")
    path.unlink()
    with sqlite3.connect(path) as base:
        base.execute("CREATE TABLE weibo (id)")
        base.execute(
            "CREATE VIEW comments AS WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT x FROM n"
        )
    base.close()
    refused(raw, "no such tables")
    path.unlink()
    with sqlite3.connect(path) as base:
        base.execute("CREATE TABLE reposts (id, bid)")
    base.close()
    refused(raw, "table reposts lacks a column")


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("kind", ["collector", "ced"])
def test_spoiled_folders_are_read_or_refused_in_one_line(tmp_path, kind, seed):
    raw = tmp_path / "raw"
    if kind == "ced":
        ced_folder(raw)
    else:
        collected.folder(raw)
    mutate(raw, random.Random(seed))
    section = (CED if kind == "ced" else SECTION).model_copy(update={"max_reject_share": 1.0})
    line = None
    try:
        found = load(section, raw, kind, label=label, now=NOW)
    except BadInput as error:
        line = str(error)
    if line is None:
        assert found.responses.height
    else:
        assert "\n" not in line
        assert len(line) <= LONGEST

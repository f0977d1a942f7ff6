"""The ced-weibo files as canonical tables, on files written here and on the real ones."""

from __future__ import annotations

import gzip
import json
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

from popcast.core.errors import LONGEST, BadInput
from popcast.datasets.weibo_ids import mid_of, to_bid
from popcast.response.importing.response_loading import load
from popcast.response.params import ResponseSet
from tests.response.collected import NOW, at, clock

SECTION = ResponseSet(kind="ced", raw="data/raw/ced", generated=True, salt_variable=None, max_reject_share=1.0)
PEOPLE = ("0a1b2c3d4e5f", "ffff00001111")


def packed(path: Path, text: str | bytes) -> None:
    path.write_bytes(gzip.compress(text if isinstance(text, bytes) else text.encode()))


def post(number: int, day: int, withheld: bool = False, **fields) -> dict:
    row = {
        "post_id": f"{number}_zAbc{number}", "author_hash": "abcdef012345", "time": at(day),
        "text": f"第{number}条消息",
        "pics": 1, "has_url": False, "followers": 10, "friends": 20, "messages": 30, "verified": True,
        "verified_type": 0, "account_time": at(day) - 86_400 * 5, "gender": "m",
    }  # fmt: skip
    outcomes = {"likes": 1, "reposts": 2, "comments": 3, "n_responses": 4, "n_text": 5}
    return row | ({} if withheld else outcomes) | fields


def bid(day: int, hour: int, counter: int = 0) -> str:
    return to_bid(mid_of(at(day, hour), counter))


def responses() -> list[list[str]]:
    """Both people answer posts 1 to 4, the first one at 9, the second one at 10 o'clock of the day."""
    return [
        [f"{number}_zAbc{number}", bid(day, hour), user, clock(at(day, hour)), f"回复@_:说{number}"]
        for number, day in ((1, 10), (2, 20), (3, 30), (4, 40))
        for user, hour in zip(PEOPLE, (13, 14), strict=True)
    ]


def table(header: str, rows: list[list[str]]) -> str:
    return "\n".join([header, *(",".join(row) for row in rows)]) + "\n"


def emoticons() -> list[list[str]]:
    faces = ("[怒]", "[怒][怒]", "[哈哈]", "[话筒]")
    return [["1_zAbc1", bid(10, 15, n), clock(at(10, 15)), face] for n, face in enumerate(faces)]


def folder(raw: Path, **files) -> Path:
    """A folder of four open posts and one withheld; ``files`` take the place of rows by their names."""
    raw.mkdir(parents=True, exist_ok=True)
    posts = files.get("posts", [post(number, 10 * number) for number in range(1, 5)])
    tests = files.get("posts_test", [post(5, 50, withheld=True)])
    later = [["5_zAbc5", bid(50, 13), PEOPLE[0], clock(at(50, 13))]]
    for name, rows in (("posts", posts), ("posts_test", tests)):
        packed(raw / f"{name}.jsonl.gz", "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
    packed(raw / "responses_train.csv.gz", table("post_id,mid,user,time,text", files.get("responses", responses())))
    packed(raw / "responses_test.csv.gz", table("post_id,mid,user,time", files.get("later", later)))
    packed(raw / "emoticons_train.csv.gz", table("post_id,mid,time,emoticons", files.get("emoticons", emoticons())))
    return raw


def label(texts: list[str]) -> list[str | None]:
    return ["negative" if "怒" in text else "positive" if "哈哈" in text else None for text in texts]


def test_posts_are_topics_and_responses_are_histories(tmp_path):
    found = load(SECTION, folder(tmp_path / "raw"), "ced", label=label, now=NOW)
    topics = {row["topic_id"]: row for row in found.topics.to_dicts()}
    assert [topics[f"{n}_zAbc{n}"]["split"] for n in range(1, 6)] == ["train", "train", "valid", "test", "unlabelled"]
    first = topics["1_zAbc1"]
    assert (first["source"], first["hashtag"], first["news_text"]) == ("post", None, "第1条消息")
    assert first["news_time"] == datetime.fromtimestamp(at(10), UTC)
    facts = {name: value for name, value in first.items() if name.startswith("fact_")}
    assert facts == {
        "fact_account_days": 5.0, "fact_followers": 10.0, "fact_friends": 20.0, "fact_gender": 1.0,
        "fact_has_url": 0.0, "fact_messages": 30.0, "fact_pics": 1.0, "fact_verified": 1.0,
    }  # fmt: skip
    assert not {"likes", "reposts", "comments", "n_responses"} & set(found.topics.columns)
    assert found.responses.height == 9
    withheld = found.responses.filter(pl.col("topic_id") == "5_zAbc5").row(0, named=True)
    assert withheld["text"] is None
    assert withheld["text_raw"] is None
    assert found.history.height == 8
    assert found.history["text"].to_list()[0] == "回复@用户:说1"
    assert found.counts.to_dicts() == [{"post_id": "1_zAbc1", "counts": [2.0, 0.0, 1.0]}]
    names = json.dumps([found.topics.write_json(), found.responses.write_json(), found.users.write_json()])
    assert not any(person in names for person in (*PEOPLE, "abcdef012345"))


def test_missing_facts_are_null_and_a_time_without_year_too(tmp_path):
    absent = dict.fromkeys(("followers", "friends", "messages", "verified", "verified_type", "account_time", "gender"))
    rows = responses()
    rows[0][3] = "06月08日 18:22"
    raw = folder(tmp_path / "raw", posts=[post(1, 10, **absent), *(post(n, 10 * n) for n in (2, 3, 4))], responses=rows)
    found = load(SECTION, raw, "ced", now=NOW)
    first = found.topics.filter(pl.col("topic_id") == "1_zAbc1").row(0, named=True)
    assert [first[name] for name in ("fact_followers", "fact_gender", "fact_account_days")] == [None, None, None]
    assert found.responses["posted_at"].null_count() == 1
    assert found.report["formats"]["responses_train"]["noted"] == {"time without a year: null": 1}
    assert found.report["formats"]["responses_train"]["kept"] == 8


def test_the_test_files_may_be_missing(tmp_path):
    raw = folder(tmp_path / "raw")
    for name in ("posts_test.jsonl.gz", "responses_test.csv.gz"):
        (raw / name).unlink()
    found = load(SECTION, raw, "ced", now=NOW)
    assert "unlabelled" not in found.topics["split"].to_list()


POSTS = [
    ("post_id", "1_zAbc1"), ("post_id", "../x"), ("post_id", 5), ("time", "1291262818"), ("time", 10**30),
    ("time", at(400)), ("time", 5), ("text", ""), ("text", None), ("text", "\u200b "), ("text", "x" * 20_001),
    ("text", "a\x00"), ("text", "\ud800"), ("gender", "x"), ("followers", -1), ("followers", 1.5), ("verified", 1),
    ("author_hash", "a b"), ("new", 1), ("pics", None),
]  # fmt: skip


@pytest.mark.parametrize(("field", "value"), POSTS)
def test_a_hostile_post(tmp_path, field, value):
    raw = folder(tmp_path / "raw")
    rows = [post(1, 10), post(2, 20, **{field: value}), post(3, 30), post(4, 40)]
    packed(raw / "posts.jsonl.gz", "".join(json.dumps(row, ensure_ascii=True) + "\n" for row in rows))
    report = load(SECTION, raw, "ced", now=NOW).report
    (example,) = (one for one in report["examples"] if one["format"] == "posts")
    assert (example["row"], example["field"]) == (2, field)


@pytest.mark.parametrize(
    "line", [b"", b"[]", b"5", b"{", b'{"a":' * 100_000, "好".encode("gbk"), b'{"post_id": "x", "post_id": "y"}']
)
def test_a_hostile_line(tmp_path, line):
    raw = folder(tmp_path / "raw")
    good = [json.dumps(post(number, 10 * number)).encode() for number in range(1, 5)]
    packed(raw / "posts.jsonl.gz", b"\n".join([*good[:3], line, good[3]]) + b"\n")
    report = load(SECTION, raw, "ced", now=NOW).report
    assert sum(report["formats"]["posts"]["rejected"].values()) == 1
    assert report["formats"]["posts"]["kept"] == 4


CELLS = [
    (0, "9_none"), (0, ""), (1, "bad id!"), (1, ""), (1, "ZZZZZZZZZ"), (1, bid(10, 13)), (2, ""), (2, "a b"),
    (3, ""), (3, "soon"), (3, "2012-13-01 00:00:00"), (3, "2031-01-01 00:00:00"), (3, "1999-01-01 00:00:00"),
    (4, ""), (4, "x" * 20_001), (4, "a\x00b"),
]  # fmt: skip


@pytest.mark.parametrize(("column", "value"), CELLS)
def test_a_hostile_response(tmp_path, column, value):
    rows = responses()
    rows[3][column] = value
    found = load(SECTION, folder(tmp_path / "raw", responses=rows), "ced", now=NOW)
    (example,) = (one for one in found.report["examples"] if one["format"] == "responses_train")
    assert example["row"] == 5
    assert example["field"] == ("post_id", "mid", "user", "time", "text")[column]
    assert found.report["formats"]["responses_train"]["kept"] == 7


FILES = {
    "other header": ("responses_train.csv.gz", gzip.compress(b"mid,post_id,user,time,text\n"), "another header"),
    "a mark": ("responses_train.csv.gz", gzip.compress("post_id,mid,user,time,text\n".encode("utf-8-sig")), "header"),
    "no gzip": ("responses_train.csv.gz", b"post_id,mid,user,time,text\n", "not a readable file"),
    "cut off": ("posts.jsonl.gz", gzip.compress(b"{}" * 5000)[:30], "not a readable file"),
    "gbk": (
        "responses_train.csv.gz",
        gzip.compress("post_id,mid,user,time,text\n1_zAbc1,zABCD,u,t,好\n".encode("gbk")),
        "responses_train.csv.gz",
    ),
    "empty": ("emoticons_train.csv.gz", gzip.compress(b""), "another header"),
}


@pytest.mark.parametrize("case", FILES)
def test_a_hostile_file(tmp_path, case):
    name, content, said = FILES[case]
    raw = folder(tmp_path / "raw")
    (raw / name).write_bytes(content)
    with pytest.raises(BadInput) as error:
        load(SECTION, raw, "ced", label=label, now=NOW)
    assert said in str(error.value)
    assert len(str(error.value)) <= LONGEST
    (raw / name).unlink()
    with pytest.raises(BadInput, match="missing file"):
        load(SECTION, raw, "ced", label=label, now=NOW)


def test_a_withheld_response_cannot_be_an_open_one_too(tmp_path):
    rows = responses()
    later = [
        ["5_zAbc5", rows[0][1], PEOPLE[0], clock(at(50, 13))],
        ["1_zAbc1", bid(50, 9), PEOPLE[0], clock(at(50, 9))],
    ]
    counts = load(SECTION, folder(tmp_path / "raw", later=later), "ced", now=NOW).report["formats"]["responses_test"]
    assert counts["rejected"] == {"of no post of the set": 1, "the post stands there twice": 1}


def test_the_real_files(shared_data):
    section = SECTION.model_copy(update={"max_reject_share": 0.01})
    found = load(section, shared_data("ced-weibo"), "ced", label=label)
    assert found.topics.height == 2709 + 678
    assert set(found.topics["split"].value_counts().rows()) == {
        ("train", 1897), ("unlabelled", 678), ("valid", 406), ("test", 406),
    }  # fmt: skip
    formats = found.report["formats"]
    assert formats["responses_train"] == {
        "read": 38_808, "kept": 38_808, "rejected": {}, "noted": {"time without a year: null": 1},
    }  # fmt: skip
    assert formats["emoticons_train"]["kept"] == 160_708
    assert formats["responses_test"]["rejected"] == {"the post stands there twice": 78}
    assert found.responses["text_raw"].null_count() == 9_307 - 78
    time = pl.col("news_time")
    spans = found.topics.group_by("split").agg(time.max().alias("last"), time.min().alias("first"))
    ends = {row["split"]: row for row in spans.to_dicts()}
    assert ends["train"]["last"] <= ends["valid"]["first"]
    assert ends["valid"]["last"] <= ends["test"]["first"]
    assert ends["test"]["last"] <= ends["unlabelled"]["first"]

"""Collectors' folders as canonical tables: what is kept, what it becomes, and that nobody can be named from it."""

from __future__ import annotations

import json
import sqlite3
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

from popcast.core.errors import BadInput
from popcast.datasets.weibo_ids import mid_of, to_bid
from popcast.response.importing import dry_run
from popcast.response.importing.response_loading import load
from tests.response import collected
from tests.response.collected import ANNA, BERT, NAMES, NOW, SECTION, at


@pytest.fixture
def raw(tmp_path) -> Path:
    return collected.folder(tmp_path / "raw")


def read(raw: Path, **changes):
    changes = {"label": None, "now": NOW} | changes
    section = SECTION.model_copy(update=changes.pop("section", {}))
    return load(section, raw, "weibo", **changes)


def test_tables_of_a_small_folder(raw):
    found = read(raw)
    topics = {row["hashtag"]: row for row in found.topics.to_dicts()}
    assert {name: row["split"] for name, row in topics.items()} == {
        "地铁延误": "train", "球队夺冠": "valid", "水价上涨": "test",
    }  # fmt: skip
    assert {row["source"] for row in topics.values()} == {"search", "ai_search"}
    assert topics["地铁延误"]["news_text"] == "今天地铁延误，大家都在说。"
    assert found.responses.height == 6
    first = found.responses.row(0, named=True)
    assert first["response_id"] == mid_of(at(100, 9), 7)
    assert first["bid"] == to_bid(first["response_id"])
    assert (first["reposts"], first["comments"], first["likes"]) == (3, 12_000, 1_000_000)
    assert first["posted_at"] == datetime(2023, 4, 10, 1, 0, tzinfo=UTC)
    assert first["topics"] == ["地铁延误"]
    assert (first["ip"], first["level"], first["is_retweet_source"]) == ("江苏", "普通用户", False)
    assert found.users.height == 2
    assert found.users["gender"].to_list() == ["f", "f"]
    assert found.history.height == 2 * 46
    assert found.counts is None
    formats = found.report["formats"]
    assert formats["A"]["kept"] == 4
    assert formats["B"]["kept"] == 2
    assert formats["C"]["read"] == 184
    assert formats["C"]["noted"] == {"in the history of another segment too": 92}
    assert formats["D"]["kept"] == 3


def test_answers_of_the_ai_search_get_the_time_of_their_number(raw):
    found = read(raw)
    topic = found.topics.filter(pl.col("hashtag") == "水价上涨")["topic_id"].item()
    own = found.responses.filter(pl.col("topic_id") == topic).sort("posted_at")
    assert own["posted_at"].dt.epoch("s").to_list() == [at(300, 9), at(300, 10)]
    assert own["likes"].null_count() == 2
    assert own["response_id"].str.contains(r"^\d{16}$").all()


def test_an_original_of_a_retweet_is_context(raw):
    path = raw / "search" / "地铁延误" / "地铁延误.csv"
    source = collected.search_row(at(100, 8), BERT, "#地铁延误# 通知", "地铁延误", ip="", user_authentication="")
    answer = collected.search_row(at(100, 9), ANNA, "#地铁延误# 看到了", "地铁延误", retweet_id=source["id"])
    path.write_bytes(collected.csv_bytes([source, answer]))
    found = read(raw)
    marked = dict(found.responses.select("response_id", "is_retweet_source").iter_rows())
    assert marked[source["id"]] is True
    assert sum(marked.values()) == 1
    assert found.report["formats"]["A"]["noted"] == {"originals of retweets, context only": 1}


def everything(found) -> str:
    tables = (found.topics, found.responses, found.users, found.history)
    return "\n".join(table.write_json() for table in tables) + json.dumps(found.report, ensure_ascii=False)


def test_no_number_and_no_name_of_a_user_is_left(raw, monkeypatch):
    stranger = "1800000009"
    told = f"{NAMES[ANNA]}说，@{NAMES[BERT]} 你好，uid {BERT}，weibo.com/u/{stranger}?x=1 weibo.com/n/王小明"
    again = collected.crawled(at(99), stranger, f"路人甲乙 uid {stranger} //@王小明:好", "别的话题呀")
    post = collected.crawled(at(101), ANNA, told, f"{NAMES[ANNA]}的一天", retweet=again)
    content = {"user": collected.profile(ANNA), "weibo": [post, {**post, "id": 1}]}
    collected.put(raw / "weibo_search" / ANNA / f"{ANNA}.json", content)
    path = raw / "search" / "地铁延误" / "地铁延误.csv"
    path.write_bytes(collected.csv_bytes([collected.search_row(at(100), ANNA, told, "地铁延误")]))
    collected.put(raw / "search" / "地铁延误" / "news.txt", f"记者@王小明 采访了用户{BERT}")
    monkeypatch.setenv("POPCAST_SALT", "sixteen letters or more")
    found = read(raw, section={"salt_variable": "POPCAST_SALT", "max_reject_share": 1.0})
    text = everything(found)
    for secret in (ANNA, BERT, stranger, *NAMES.values(), "王小明", "路人甲乙"):
        assert secret not in text, secret
    own = found.history.filter(pl.col("retweet_text").is_not_null()).row(0, named=True)
    aliases = dict(found.users.select("user_id", "alias").iter_rows())
    assert own["text"].startswith(f"{aliases[own['user_id']]}说，@用户 你好")
    assert "@用户" in own["retweet_text"]
    assert (
        found.report["examples"][0]["file"] == f"weibo_search/{aliases[own['user_id']]}/{aliases[own['user_id']]}.json"
    )
    assert found.report["examples"][0]["row"] == 2


def test_pseudonyms_follow_the_salt(raw, monkeypatch):
    def users(salt: str) -> list[str]:
        monkeypatch.setenv("OWN_SALT", salt)
        return read(raw, section={"salt_variable": "OWN_SALT"}).users["user_id"].to_list()

    assert users("a salt of sixteen") == users("a salt of sixteen")
    assert not set(users("a salt of sixteen")) & set(users("another salt, also long"))


@pytest.mark.parametrize("salt", [None, "", "   ", "short", " fifteen letters "])
def test_a_missing_or_short_salt_is_one_line(raw, monkeypatch, salt):
    monkeypatch.delenv("OWN_SALT", raising=False)
    if salt is not None:
        monkeypatch.setenv("OWN_SALT", salt)
    with pytest.raises(BadInput, match="environment variable OWN_SALT") as error:
        read(raw, section={"salt_variable": "OWN_SALT"})
    assert (salt or "x").strip() not in str(error.value).replace("salt", "") or not (salt or "").strip()


def test_names_stay_where_aliases_are_off(raw):
    found = read(raw, section={"aliases": False})
    assert set(found.users["alias"].to_list()) == set(NAMES.values())
    assert ANNA not in everything(found)


def test_counts_come_from_the_labeller(raw):
    asked = []

    def label(texts: list[str]) -> list[str | None]:
        asked.extend(texts)
        return ["negative" if "贵" in text else "positive" if "9" in text else None for text in texts]

    counts = dict(read(raw, label=label).counts.iter_rows())
    assert sorted(counts.values()) == [[0.0, 0.0, 1.0], [0.0, 0.0, 1.0], [1.0, 0.0, 0.0]]
    assert len(asked) == len(set(asked)) == 6
    with pytest.raises(ValueError, match="unknown classes"):
        read(raw, label=lambda texts: ["happy"] * len(texts))


def test_same_folder_same_tables(raw):
    first, second = read(raw), read(raw)
    for name in ("topics", "responses", "users", "history"):
        assert getattr(first, name).equals(getattr(second, name))


def stored(path: Path, rows: list[tuple], table: str = "comments") -> None:
    with sqlite3.connect(path) as base:
        base.execute(
            f"CREATE TABLE {table} (id, bid, weibo_id, root_id, user_id, created_at, user_screen_name, text, pic_url,"
            " like_count)"
        )
        base.executemany(f"INSERT INTO {table} VALUES (?, ?, ?, NULL, ?, ?, ?, ?, '', ?)", rows)
    base.close()


def test_comments_of_the_crawler_add_responses(raw):
    on = mid_of(at(100, 9), 7)
    new = [mid_of(at(100, 20), number) for number in range(4)]
    stored(
        raw / "weibo.db",
        [
            (new[0], "", on, int(BERT), clocked(100, 20), NAMES[BERT], "同意", 4),
            (new[1], "", to_bid(on), ANNA, "Mon Apr 10 20:00:00 +0800 2023", NAMES[ANNA], "不同意", 0),
            (new[2], "", mid_of(at(5), 1), ANNA, clocked(100, 20), NAMES[ANNA], "别处的", 0),
            (new[3], "", on, ANNA, "昨天", NAMES[ANNA], "没有时间", 0),
        ],
    )
    before = (raw / "weibo.db").read_bytes()
    found = read(raw, section={"max_reject_share": 0.3})
    own = found.responses.filter(pl.col("response_id").is_in(new)).sort("response_id")
    assert own["text"].to_list() == ["同意", "不同意"]
    assert own["posted_at"].dt.epoch("s").to_list() == [at(100, 20)] * 2
    assert (
        own["topic_id"].unique().to_list() == found.responses.filter(pl.col("response_id") == on)["topic_id"].to_list()
    )
    counts = found.report["formats"]["E comments"]
    assert (counts["read"], counts["kept"], counts["rejected"]) == (4, 2, {"not a time": 1})
    assert (raw / "weibo.db").read_bytes() == before
    assert sorted(path.name for path in raw.glob("weibo.db*")) == ["weibo.db"]


def test_one_number_is_one_users(raw):
    path = raw / "weibo_search" / BERT / f"{BERT}.json"
    posts = [{**post, "user_id": int(BERT)} for post in collected.history(ANNA, range(80, 83))]
    collected.put(path, {"user": collected.profile(BERT), "weibo": posts})
    counts = read(raw, section={"max_reject_share": 1.0}).report["formats"]["C"]
    assert counts["rejected"] == {"the number of another user's post": 1}


def clocked(day: int, hour: int) -> str:
    return collected.clock(at(day, hour))


def test_topics_without_times_are_divided_by_the_seed(raw):
    for path in raw.glob("search/*/*.csv"):
        path.unlink()
    for number, folder in enumerate(sorted(raw.glob("search/*"))):
        old = [collected.answer(at(1), ANNA, "#旧事一桩# 早", weibo_id=f"40112345{number}{n}") for n in range(2)]
        collected.put(folder / "answers.json", old)
    splits = {tuple(read(raw, seed=seed).topics["split"].to_list()) for seed in range(6)}
    assert len(splits) > 1
    assert read(raw).responses["posted_at"].null_count() == 4


def test_dry_run_tells_what_an_import_would_say(raw):
    report = dry_run.check(raw, SECTION, now=NOW)
    assert report["error"] is None
    assert report["tables"] == {"topics": 3, "responses": 6, "users": 2, "history": 92}
    (raw / "search" / "地铁延误" / "news.txt").write_text(" \n")
    report = dry_run.check(raw, SECTION, now=NOW)
    assert report["tables"] is None
    assert "news.txt: no news in it" in report["error"]
    json.dumps(report)


def test_the_report_comes_before_the_error(raw):
    rows = [collected.search_row(at(100, hour), ANNA, "#地铁延误# 好", "地铁延误") for hour in range(5)]
    rows[0]["点赞数"] = "-1"
    (raw / "search" / "地铁延误" / "地铁延误.csv").write_bytes(collected.csv_bytes(rows))
    reports = []
    with pytest.raises(BadInput, match=r"1 of 7 rows of format A rejected, 1 of them: not a count"):
        read(raw, on_report=reports.append)
    assert reports[0]["formats"]["A"]["rejected"] == {"not a count": 1}
    assert reports[0]["examples"] == [
        {
            "format": "A",
            "file": "search/地铁延误/地铁延误.csv",
            "row": 2,
            "field": "点赞数",
            "reason": "not a count",
        }
    ]
    read(raw, section={"max_reject_share": 0.2})

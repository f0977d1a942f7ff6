"""The generated Weibo has the exact layouts of socialalign.md 2 and the dependencies that it promises."""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from popcast.core.errors import BadInput
from popcast.datasets.sample import Weibo, generate, generate_weibo, settings
from popcast.datasets.sample import weibo_texts as texts
from popcast.datasets.weibo_ids import either, to_bid
from tests.response.collected import HEADER


@pytest.fixture(scope="module")
def raw(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("generated")
    generate("weibo", {}, 7, folder / "raw", folder / "hidden.csv")
    assert (folder / "hidden.csv").read_text() == "post_id,popularity\n"
    return folder / "raw"


def searched(raw: Path) -> dict[str, list[dict]]:
    found = {}
    for path in sorted(raw.glob("search/*/*.csv")):
        content = path.read_bytes()
        assert content.startswith(b"\xef\xbb\xbf")
        rows = csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline=""))
        assert list(rows.fieldnames) == HEADER
        found[path.parent.name] = list(rows)
    return found


def asked(raw: Path) -> dict[str, list[dict]]:
    return {path.parent.name: json.loads(path.read_text()) for path in sorted(raw.glob("ai_search/*/*.json"))}


def test_topics_of_both_searches(raw):
    a, b = searched(raw), asked(raw)
    assert (len(a), len(b)) == (4, 2)
    for name in (*a, *b):
        news = next(raw.glob(f"*/{name}/news.txt")).read_text()
        assert len(news.strip()) > 20
    for name, rows in a.items():
        answers = [row for row in rows if row["ip"] or row["user_authentication"]]
        sources = [row for row in rows if not row["ip"] and not row["user_authentication"]]
        assert (len(answers), len(sources)) == (30, 1)
        assert sources[0]["id"] in {row["retweet_id"] for row in answers}
        assert all(row["bid"] == to_bid(row["id"]) and f"#{name}#" in row["微博正文"] for row in rows)
    for rows in b.values():
        assert len(rows) == 30
        assert all(list(row) == ["username", "user_id", "weibo_id", "content"] for row in rows)
        kinds = Counter(row["weibo_id"].isdigit() for row in rows)
        assert kinds[True] > 3
        assert kinds[False] > 3
        assert len({either(row["weibo_id"]) for row in rows}) == 30


def test_every_user_has_a_history_and_recurs(raw):
    users: Counter = Counter()
    for segment, tables in (("search", searched(raw)), ("ai_search", asked(raw))):
        own = {row["user_id"] for rows in tables.values() for row in rows if row.get("ip", "x")}
        folders = {path.name for path in (raw / f"weibo_{segment}").iterdir()}
        assert folders == own
        users.update(row["user_id"] for rows in tables.values() for row in rows if row.get("ip", "x"))
        for user in folders:
            content = json.loads((raw / f"weibo_{segment}" / user / f"{user}.json").read_text())
            assert list(content) == ["user", "weibo"]
            assert content["user"]["id"] == user
            posts = content["weibo"]
            assert 15 <= len(posts) <= 40 + 6
            assert [post["id"] for post in posts] == sorted((post["id"] for post in posts), reverse=True)
            assert all(isinstance(post["id"], int) and post["full_created_at"] for post in posts)
    assert np.mean(list(users.values())) > 2


def test_feelings_follow_topic_and_temper(raw):
    said = {word: kind for kind, words in texts.SAID.items() for word in words}
    valence = {name: value for name, value, _, _ in map(texts.event, range(6))}

    def feeling(text: str) -> int:
        kinds = [kind for word, kind in said.items() if word in text]
        return (kinds.count("positive") > 0) - (kinds.count("negative") > 0)

    means = {name: np.mean([feeling(row["微博正文"]) for row in rows]) for name, rows in searched(raw).items()}
    means |= {name: np.mean([feeling(row["content"]) for row in rows]) for name, rows in asked(raw).items()}
    assert np.corrcoef([valence[name] for name in means], list(means.values()))[0, 1] > 0.9
    people = generate_weibo._people(Weibo(), 7, "weibo")
    tempers, posted = [], []
    for user in people:
        for path in raw.glob(f"weibo_*/{user.number}/*.json"):
            own = [post["text"] for post in json.loads(path.read_text())["weibo"]]
            tempers.append(user.temper)
            posted.append(np.mean([feeling(text) for text in own]))
    assert np.corrcoef(tempers, posted)[0, 1] > 0.6


def test_same_seed_same_bytes_another_seed_others(tmp_path):
    small = {"topics": 3, "ai_topics": 1, "users": 5, "history_low": 11, "history_high": 14}

    def content(name: str, seed: int) -> dict[str, bytes]:
        generate("weibo", small, seed, tmp_path / name, tmp_path / f"{name}.csv")
        files = sorted(path for path in (tmp_path / name).rglob("*") if path.is_file())
        return {str(path.relative_to(tmp_path / name)): path.read_bytes() for path in files}

    first = content("first", 1)
    assert first == content("second", 1)
    assert first != content("third", 2)


@pytest.mark.parametrize(
    "values", [{"topics": 2}, {"topics": 200}, {"ai_topics": 7}, {"history_low": 50}, {"users": 0}, {"user": 9}]
)
def test_impossible_sizes_are_refused(values):
    with pytest.raises(BadInput):
        settings("weibo", values)


def test_all_events_differ():
    assert len({texts.event(number)[0] for number in range(144)}) == 144

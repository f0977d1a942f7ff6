"""Cases: who becomes one, what each guard takes away, and that nothing later or withheld gets in."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from popcast.core import tables
from popcast.response import response_tables as contracts
from popcast.response.casework import case_guards, word_tokens
from popcast.response.casework.case_building import build
from popcast.response.casework.params import Casework, Cleaning, Retrieval
from popcast.response.importing.canonical_tables import Canonical, checked, frame
from popcast.response.importing.response_loading import load
from tests.response import collected
from tests.response.test_history_search import naive
from tests.response.test_importing_ced import SECTION as CED

START = datetime(2023, 1, 1, tzinfo=UTC)
PARTS = ("train", "valid", "test", "unlabelled")


def day(number: float) -> datetime:
    return START + timedelta(days=number)


def topic(name: str, split: str, when: float | None) -> dict:
    time = None if when is None else day(when)
    return {"topic_id": name, "hashtag": f"{name}城事件", "news_text": f"关于{name}的新闻，大家都在讨论天气和交通",
            "news_time": time, "source": "search", "split": split}  # fmt: skip


def response(name: str, topic_id: str, user: str, when: float | None, text: str | None, **fields) -> dict:
    return {
        "response_id": name, "topic_id": topic_id, "user_id": user, "text": text, "text_raw": text,
        "posted_at": None if when is None else day(when), "is_retweet_source": False,
    } | fields  # fmt: skip


def post(name: str, user: str, when: float | None, text: str, **fields) -> dict:
    time = None if when is None else day(when)
    return {"post_id": name, "user_id": user, "posted_at": time, "text": text, "topics": ["日常的记录"]} | fields


def canonical(topics: list[dict], responses: list[dict], history: list[dict]) -> Canonical:
    users = sorted({row["user_id"] for row in [*responses, *history]})
    found = {
        "topics": frame(topics, contracts.TOPICS),
        "responses": frame(responses, contracts.RESPONSES),
        "users": frame([{"user_id": user, "alias": f"用户{user}"} for user in users], contracts.USERS),
        "history": frame(history, contracts.HISTORY),
    }
    return checked(found, "small", {})


def settings(**retrieval) -> Casework:
    return Casework(retrieval=Retrieval(**{"min_history": 1, "top": 3} | retrieval))


TOPICS = [topic(name, split, 10 * place) for place, (name, split) in enumerate(zip("甲乙丙丁", PARTS, strict=True), 1)]


def diary(user: str, days: range, head: str = "h") -> list[dict]:
    return [post(f"{head}{user}{number:03}", user, number, f"第{number}天的天气和心情") for number in days]


def one(
    history: list[dict], text: str | None = "我想说的是今天的交通真不好", when: float | None = 11, **rest
) -> tuple[set, dict]:
    """Posts that are left for one response of user u to topic 甲 (train), with all found shown."""
    changes = {"topics": TOPICS, "responses": []} | rest
    target = response("target", "甲", "u", when, text, bid="zTarget")
    made, facts = build(
        canonical(changes["topics"], [target, *changes["responses"]], history), changes.get("by", settings(top=50))
    )
    row = made.filter(pl.col("case_id") == "target")
    return set(row["history"].item().to_list()) if row.height else set(), facts


def test_a_case_keeps_its_contract_and_shows_the_best_first():
    history = diary("u", range(1, 30))
    made, facts = build(canonical(TOPICS, [response("r", "甲", "u", 20.5, "我说两句")], history), settings())
    row = made.row(0, named=True)
    assert made.columns == list(contracts.CASES.columns)
    assert (row["case_id"], row["response_id"], row["split"], row["target_text"]) == ("r", "r", "train", "我说两句")
    assert row["n_history"] == 20
    assert not row["time_unknown"]
    corpus = {one["post_id"]: word_tokens.bigrams(one["text"]) for one in reversed(history[:20])}
    scores = naive(list(corpus.values()), word_tokens.bigrams(TOPICS[0]["news_text"]))
    ranked = sorted(zip(corpus, scores, strict=True), key=lambda pair: -round(pair[1], 9))[:3]
    assert row["history"] == [name for name, _ in ranked]
    assert row["bm25"] == pytest.approx([score for _, score in ranked], abs=1e-6)
    assert facts["history"] == {
        "posts": 29, "kept": 29, "users": 1, "per_case_min": 20, "per_case_max": 20, "per_case_total": 20,
    }  # fmt: skip
    assert facts["cases"] == {"all": 1, "time_unknown": 0, "train": {"cases": 1, "topics": 1, "users": 1}}


def test_retweeted_words_are_searched_too():
    history = [*diary("u", range(1, 6)), post("again", "u", 2, "转一下这个", retweet_text="大家都在讨论天气和交通")]
    made, _ = build(canonical(TOPICS, [response("r", "甲", "u", 20, "我说两句")], history), settings())
    assert made["history"].item()[0] == "again"


GUARDS = {
    "by its number": ("drop_target", post("target", "u", 5, "别的内容在这里"), "the response itself"),
    "by its bid": ("drop_target", post("other", "u", 5, "别的内容在这里", bid="zTarget"), "the response itself"),
    "bid as number": ("drop_target", post("zTarget", "u", 5, "别的内容在这里"), "the response itself"),
    "later": ("only_earlier", post("x", "u", 12, "后来的内容"), "not strictly before"),
    "at the same time": ("only_earlier", post("x", "u", 11, "同时的内容"), "not strictly before"),
    "without a time": ("only_earlier", post("x", "u", None, "不知什么时候"), "not strictly before"),
    "event in topics": ("drop_event", post("x", "u", 5, "早就知道", topics=["甲城事件"]), "about the same topic"),
    "event in the text": ("drop_event", post("x", "u", 5, "早就知道 #甲城事件#"), "about the same topic"),
    "event retweeted": (
        "drop_event",
        post("x", "u", 5, "早就知道", retweet_topics=["甲城事件"], retweet_text="通知"),
        "about the same topic",
    ),
    "event in a retweeted text": (
        "drop_event",
        post("x", "u", 5, "早就", retweet_text="#甲城事件# 通知"),
        "about the same topic",
    ),
    "a valid topic": ("drop_other_splits", post("x", "u", 5, "别的 #乙城事件#"), "about a topic of another split"),
    "a test topic": ("drop_other_splits", post("x", "u", 5, "别的 #丙城事件#"), "about a topic of another split"),
    "a withheld topic": ("drop_other_splits", post("x", "u", 5, "别的 #丁城事件#"), "about a topic of another split"),
    "a copy": ("drop_copies", post("x", "u", 5, "我想说的是今天的交通真不好！"), "a copy of the response"),
    "a copy retweeted": (
        "drop_copies",
        post("x", "u", 5, "同感", retweet_text="我想说的是今天的交通真不好"),
        "a copy of the response",
    ),
}


@pytest.mark.parametrize("case", GUARDS)
def test_each_guard_takes_its_post_and_can_be_switched_off(case):
    flag, suspect, reason = GUARDS[case]
    history = [*diary("u", range(1, 9)), suspect]
    left, facts = one(history)
    assert left == {row["post_id"] for row in diary("u", range(1, 9))}
    assert {name for name, count in facts["dropped_pairs"].items() if count} == {reason}
    others = {"drop_event": False} if flag == "drop_target" else {}  # the response is about its topic as well
    left, facts = one(history, by=settings(top=50, **{flag: False}, **others))
    assert suspect["post_id"] in left
    assert reason not in facts["dropped_pairs"]


def test_a_short_response_is_a_habit_and_no_copy():
    history = [*diary("u", range(1, 9)), post("x", "u", 5, "支持支持")]
    assert "x" in one(history, "支持支持")[0]
    assert "x" not in one(history, "支持支持", by=settings(top=50, copy_length=0))[0]


@pytest.mark.parametrize(
    ("target", "other", "copied"),
    [
        ("abcdefghijkl", "abcdefghijkl", True),
        ("abcdefghijkl", "abcdefghijklm", True),  # 10 of 11 pieces
        ("abcdefghijkl", "abcdefghijklmn", True),  # 10 of 12
        ("abcdefghijkl", "abcdefghijklmno", False),  # 10 of 13
        ("abcdefghijkl", "zbcdefghijkl", True),  # 9 of 11
        ("abcdefghijkl", "abcdefghijkz", True),
        ("abcdefghijkl", "abczefghijkl", False),
        ("abcdefghijkl", "abc", False),
        (None, "abcdefghijkl", False),
    ],
)
def test_copies_by_jaccard(target, other, copied):
    for columns in ({"text": other, "retweet_text": None}, {"text": "-", "retweet_text": other}):
        pairs = pl.DataFrame([{"target_text": target, **columns}], schema=dict.fromkeys(
            ("target_text", "text", "retweet_text"), pl.String))  # fmt: skip
        assert case_guards.copies(pairs, 0.8, 10).to_list() == [copied]


def test_without_a_time_the_news_counts_and_without_both_nothing():
    history = diary("u", range(1, 30))
    left, _ = one(history, when=None)
    assert left == {row["post_id"] for row in diary("u", range(1, 10))}
    unknown = [topic("甲", "train", None), *TOPICS[1:]]
    left, facts = one(history, when=None, topics=unknown)
    assert len(left) == 29
    assert facts["cases"]["time_unknown"] == 1


def test_skips_are_counted_by_reason():
    responses = [
        response("good", "甲", "u", 20, "我说两句"),
        response("source", "甲", "u", 20, "原文在此", is_retweet_source=True),
        response("tags", "甲", "u", 20, "#甲城事件# #别的事#"),
        response("site", "甲", "u", 20, "#甲城事件# 转发微博"),
        response("empty", "甲", "u", 20, None, text_raw="//"),
        response("few", "甲", "v", 20, "我也说两句"),
        response("none", "甲", "w", 20, "我没有历史"),
        response("withheld", "丁", "u", 45, None),
    ]
    history = [*diary("u", range(1, 30)), *diary("v", range(1, 5))]
    made, facts = build(canonical(TOPICS, responses, history), settings(min_history=10))
    assert made["case_id"].to_list() == ["good", "withheld"]
    assert facts["skipped"] == {
        "originals of retweets": 1, "nothing left of the text": 1, "hashtags only": 1, "words of the site only": 1,
        "user without a history": 1, "fewer than 10 posts left": 1,
    }  # fmt: skip
    withheld = made.filter(pl.col("case_id") == "withheld").row(0, named=True)
    assert (withheld["target_text"], withheld["split"], withheld["n_history"]) == (None, "unlabelled", 29)
    kept = build(canonical(TOPICS, responses, history), Casework(cleaning=Cleaning(placeholders=False)))[0]
    assert "site" in kept["case_id"].to_list()


def test_no_case_at_all_is_an_empty_table():
    made, facts = build(canonical(TOPICS, [response("r", "甲", "u", 20, "我说两句")], []), settings(min_history=5))
    assert made.height == 0
    assert facts["history"]["per_case_min"] is None
    tables.check(made, contracts.CASES, "cases")
    made, _ = build(canonical(TOPICS, [response("r", "甲", "u", 20, "我说两句")], []), settings(min_history=0))
    assert made.row(0, named=True)["history"] == []


def ced_like() -> Canonical:
    """Responses that are each other's histories: users u and v answer all four topics, one day after each."""
    responses = [
        response(f"{user}{place}", name, user, 10 * place + hour, f"{user}对{name}这件事情说了一句话")
        for place, name in enumerate("甲乙丙丁", 1)
        for user, hour in (("u", 1), ("v", 2))
    ]
    more = [topic("戊", "train", 5), topic("己", "valid", 15), topic("庚", "test", 25)]
    responses += [
        response(f"{user}{name}", name, user, when + 1, f"{user}早些时候对{name}说的话")
        for name, when in (("戊", 5), ("己", 15), ("庚", 25))
        for user in "uv"
    ]
    history = [
        post(row["response_id"], row["user_id"], 0, row["text"], topics=None) | {"posted_at": row["posted_at"]}
        for row in responses
        if row["topic_id"] != "丁"
    ]
    withheld = [row | {"text": None, "text_raw": None} if row["topic_id"] == "丁" else row for row in responses]
    return canonical([*TOPICS, *more], withheld, history)


CED_SETTINGS = Casework(
    cleaning=Cleaning(blocklist=False, only_hashtagged=False), retrieval=Retrieval(min_history=0, top=50)
)


def test_histories_made_of_responses_keep_splits_apart():
    made, _ = build(ced_like(), CED_SETTINGS)
    shown = {row["case_id"]: set(row["history"]) for row in made.to_dicts()}
    assert shown["u戊"] == set()
    assert shown["u1"] == {"u戊"}  # train sees train
    assert shown["u己"] == {"u戊", "u1"}  # valid sees train
    assert shown["u2"] == {"u戊", "u1", "u己"}  # and older valid topics
    assert shown["u庚"] == shown["u3"] == {"u戊", "u1", "u己", "u2"}  # test sees train and valid, no test
    assert shown["u4"] == shown["u3"]  # withheld: the same
    texts = {row["post_id"]: row for row in ced_like().history.to_dicts()}
    for row in made.to_dicts():
        assert all(texts[name]["posted_at"] < row["target_time"] for name in row["history"])
        assert all(texts[name]["user_id"] == row["user_id"] for name in row["history"])


def changed(found: Canonical, table: str, where: pl.Expr, **columns) -> Canonical:
    frame = getattr(found, table).with_columns(
        **{name: pl.when(where).then(pl.lit(value)).otherwise(pl.col(name)) for name, value in columns.items()}
    )
    return Canonical(**{**vars(found), table: frame})


def histories(found: Canonical, by: Casework = CED_SETTINGS) -> dict[str, tuple]:
    made, _ = build(found, by)
    return {row["case_id"]: (row["n_history"], row["history"], row["bm25"]) for row in made.to_dicts()}


def test_later_posts_change_no_case():
    found = ced_like()
    whole = histories(found)
    for cut in (12, 17, 22, 27, 32):
        when = day(cut)
        later = changed(found, "history", pl.col("posted_at") >= when, text="天气交通大家讨论新闻，完全改写过的一段话")
        removed = Canonical(**{**vars(found), "history": found.history.filter(pl.col("posted_at") < when)})
        times = dict(found.responses.select("response_id", "posted_at").iter_rows())
        for other in (histories(later), histories(removed)):
            early = {name: told for name, told in whole.items() if times[name] <= when}
            assert early == {name: other[name] for name in early}


def test_a_target_changes_no_history_of_any_case():
    found = ced_like()
    whole = histories(found)
    other = changed(found, "responses", pl.col("response_id") == "u2", text="天气和交通，大家都在讨论的新的一句话")
    assert histories(other) == whole


def test_texts_of_test_topics_reach_no_other_case():
    found = ced_like()
    tests = found.topics.filter(pl.col("split").is_in(["test", "unlabelled"]))["topic_id"].implode()
    ids = found.responses.filter(pl.col("topic_id").is_in(tests))["response_id"].implode()
    other = changed(found, "history", pl.col("post_id").is_in(ids), text="天气交通大家讨论新闻，完全改写过的一段话")
    assert histories(other) == histories(found)
    gone = Canonical(**{**vars(found), "history": found.history.filter(~pl.col("post_id").is_in(ids))})
    assert histories(gone) == histories(found)


def test_order_of_rows_changes_nothing():
    found = ced_like()
    shuffled = {name: getattr(found, name).sample(fraction=1, shuffle=True, seed=3)
                for name in ("topics", "responses", "users", "history")}  # fmt: skip
    first, facts = build(found, CED_SETTINGS)
    second, again = build(Canonical(**{**vars(found), **shuffled}), CED_SETTINGS)
    assert first.equals(second)
    assert facts == again


def test_cases_of_a_collectors_folder(tmp_path):
    found = load(collected.SECTION, collected.folder(tmp_path / "raw"), "weibo", now=collected.NOW)
    made, facts = build(found, settings(min_history=3))
    assert made.height == 6
    assert facts["skipped"]["originals of retweets"] == 0
    texts = dict(found.history.select("post_id", "posted_at").iter_rows())
    for row in made.to_dicts():
        assert all(texts[name] < row["target_time"] for name in row["history"])


def test_the_real_responses(shared_data):
    found = load(CED.model_copy(update={"max_reject_share": 0.01}), shared_data("ced-weibo"), "ced")
    made, facts = build(found, Casework(cleaning=CED_SETTINGS.cleaning, retrieval=Retrieval(min_history=1)))
    assert facts["cases"]["all"] == made.height > 30_000
    assert facts["cases"]["unlabelled"]["cases"] > 7_000
    about = found.responses.join(found.topics, on="topic_id").select(
        history="response_id", shown_topic="topic_id", shown_split="split", shown_time="posted_at"
    )
    pairs = made.explode("history").drop_nulls("history").join(about, on="history", how="left")
    assert pairs["shown_topic"].null_count() == 0
    assert pairs.filter(pl.col("shown_topic") == pl.col("topic_id")).height == 0
    late = pl.col("target_time").is_not_null() & ~(pl.col("shown_time") < pl.col("target_time")).fill_null(False)
    assert pairs.filter(late).height == 0
    for split, closed in case_guards.CLOSED.items():
        own = pairs.filter(pl.col("split") == split)
        assert own.height > 1000
        assert not set(own["shown_split"].unique().to_list()) & set(closed)

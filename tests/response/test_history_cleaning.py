"""Cleaning of texts and histories (socialalign.md 3): every rule, every fix, and our own blocklist."""

from __future__ import annotations

import polars as pl
import pytest

from popcast.core.yaml_reading import read_yaml
from popcast.response import response_tables as contracts
from popcast.response.casework import history_cleaning
from popcast.response.casework.history_cleaning import blocklist, cleaned
from popcast.response.casework.params import Cleaning
from popcast.response.casework.text_cleaning import clean_text, clean_topics, hashtags, says_nothing, without_hashtags
from popcast.response.importing.canonical_tables import frame

TEXTS = [
    ("好看 张三的微博视频", "好看"),
    ("好看\nL张三的微博视频 \u200b", "好看"),
    ("好看 张三的微博直播", "好看"),
    ("#张三的微博视频# 好看", "好看"),
    ("#话题##张三的微博直播#好看", "#话题#好看"),
    ("说到一半...\n全文", "说到一半"),
    ("说到一半...全文", "说到一半"),
    ("一二三全文", "一二三全文"),
    ("我读了全文", "我读了全文"),
    ("看 网页链接 微博正文 好", "看 好"),
    ("看https://weibo.com/u/1?x=2#a好", "看 好"),
    ("看http://t.cn/A6x//好", "看 好"),
    ("看 t.cn/A6x 好", "看 好"),
    ("看 http: 好", "看 好"),
    ("好//@某人:不好", "好@某人:不好"),
    ("## 好 # # 吗", "好 吗"),
    ("#A##B# 好", "#A##B# 好"),
    ("#热门视频# 好", "好"),
    ("#A# 好 #热门视频#", "#A# 好"),
    ("  a \n\n b\t c ", "a b c"),
    ('说"好"\u202e反\x07', "说'好'反"),
    ("网页链接", ""),
    ("", ""),
]


@pytest.mark.parametrize(("text", "clean"), TEXTS)
def test_texts(text, clean):
    assert clean_text(text) == clean
    assert clean_text(clean) == clean


def test_topics_lose_the_sites_own_wherever_it_stands():
    for topics in (["热门视频", "A", "B"], ["A", "热门视频", "B"], ["A", "B", "热门视频"], ["A", "", "#B#", "A"]):
        assert clean_topics(topics) == ["A", "B"]
    assert hashtags("#A#x#B #C# ##") == ["A", "B"]
    assert without_hashtags("#A# #B#") == ""


@pytest.mark.parametrize(
    "text", ["转发微博", "转发微博。", "轉發微博", "Repost", "repost weibo", "分享图片", "[转发微博]"]
)
def test_words_of_the_site_only(text):
    assert says_nothing(text)


@pytest.mark.parametrize("text", ["", "。。。", "[怒]", "转发", "转发微博好", "分享图片给你", "👍"])
def test_few_words_are_words(text):
    assert not says_nothing(text)


def test_the_blocklist_is_ours_and_narrow():
    values = read_yaml(history_cleaning.FILE)
    assert len(values) >= 8
    entries = [
        (kind, word)
        for category in values.values()
        for kind in ("substring", "whole_topic")
        for word in category.get(kind, [])
    ]
    assert {word for _, word in entries if len(word) == 1} == {"@", "【"}
    assert all(isinstance(word, str) and word.strip() for _, word in entries)
    for category in values.values():
        words = category.get("substring", [])
        assert len(words) == len(set(words))
        if category.get("whole_topic"):
            assert set(category["fields"]) <= {"topics", "retweet_topics"}
    assert set(blocklist()) == {"retweet_topics", "retweet_text", "topics", "text"}
    assert not set(blocklist()["text"].whole_topic)


def post(text: str = "#每天的心情# 今天还不错", topics=("每天的心情",), **fields) -> dict:
    return {"user_id": "u", "text": text, "topics": list(topics), **fields}


RULES = [
    ("retweet topic blocked", post(retweet_topics=["转发抽奖活动"], retweet_text="抽奖啦")),
    ("retweet topic blocked", post(retweet_topics=["热门视频"])),
    ("retweet text blocked", post(retweet_text="抱歉，作者已设置仅展示半年内微博")),
    ("topic blocked", post(topics=["每天的心情", "某某后援会"])),
    ("topic blocked", post("转发微博", topics=["某某后援会"])),
    ("text blocked", post("#每天的心情# 转发微博")),
    ("text blocked", post("#每天的心情# @用户 你好")),
    ("text blocked", post("【通知】#每天的心情#")),
    ("own name in the text", post("#每天的心情# 我是小明同学呀")),
    ("topic of 3 characters or fewer", post(topics=["每天的心情", "心情"])),
    ("hashtags only", post("#每天的心情# #再来一个#")),
    ("no topic", post("没有话题的一句话", topics=())),
    (None, post()),
    (None, post(topics=["每天的热门视频"])),
]


@pytest.mark.parametrize(("rule", "row"), RULES)
def test_each_rule_in_its_order(rule, row):
    history = frame([row | {"post_id": "p"}], contracts.HISTORY)
    users = frame([{"user_id": "u", "alias": "小明同学"}], contracts.USERS)
    kept, dropped = cleaned(history, users, Cleaning())
    assert {name: count for name, count in dropped.items() if count} == ({} if rule is None else {rule: 1})
    assert kept.height == (rule is None)
    assert kept.schema == history.schema


def test_rules_can_be_switched_off():
    rows = [row | {"post_id": str(place)} for place, (_, row) in enumerate(RULES)]
    history = frame(rows, contracts.HISTORY)
    users = frame([{"user_id": "u", "alias": "小明同学"}], contracts.USERS)
    off = Cleaning(blocklist=False, short_topics=False, only_hashtagged=False, placeholders=False)
    kept, dropped = cleaned(history, users, off)
    assert dropped == {"hashtags only": 1}
    assert kept.height == len(RULES) - 1
    _, dropped = cleaned(history, users, Cleaning(blocklist=False, only_hashtagged=False))
    assert dropped == {"topic of 3 characters or fewer": 1, "hashtags only": 1, "words of the site only": 2}


def test_an_empty_name_blocks_nothing():
    history = frame([post() | {"post_id": "p"}], contracts.HISTORY)
    users = pl.DataFrame({"user_id": ["u"], "alias": [""]})
    assert cleaned(history, users, Cleaning())[0].height == 1

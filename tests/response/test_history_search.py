"""BM25 of every case is the equation of the sheet, counted by hand."""

from __future__ import annotations

import math
import random

import numpy as np
import pytest

from popcast.core.errors import BadInput
from popcast.response.casework import history_search, word_tokens

LETTERS = "地铁新线延误水价上涨球队夺冠大家都说好的吧"


def naive(posts: list[list[str]], query: list[str], k1: float = 1.5, b: float = 0.75) -> list[float]:
    """socialalign.md 4, word by word."""
    n, mean = len(posts), sum(map(len, posts)) / len(posts)
    scores = []
    for post in posts:
        score = 0.0
        for word in query:
            df = sum(word in other for other in posts)
            idf = math.log((n - df + 0.5) / (df + 0.5) + 1)
            tf = post.count(word)
            score += idf * tf * (k1 + 1) / (tf + k1 * (1 - b + b * len(post) / mean)) if tf else 0.0
        scores.append(score)
    return scores


def drawn(seed: int, cases: int = 40):
    """Posts, queries and pairs of cases: each case has a corpus of its own, and corpora share posts."""
    rng = random.Random(seed)
    posts = [word_tokens.bigrams("".join(rng.choices(LETTERS, k=rng.randint(0, 30)))) for _ in range(60)]
    queries = [word_tokens.bigrams("".join(rng.choices(LETTERS, k=rng.randint(1, 80)))) for _ in range(5)]
    queries.append([])
    pairs = []
    for case in range(cases):
        query = rng.randrange(len(queries))
        pairs += [(case, post, query) for post in rng.sample(range(60), rng.randint(1, 20))]
    return posts, queries, *(np.array(column) for column in zip(*pairs, strict=True))


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(("k1", "b"), [(1.5, 0.75), (0.9, 0.0), (2.0, 1.0)])
def test_equal_to_the_equation(seed, k1, b):
    posts, queries, case, post, query = drawn(seed)
    score = history_search.scores(posts, queries, case, post, query, k1, b)
    for number in set(case.tolist()):
        rows = np.flatnonzero(case == number)
        corpus = [posts[row] for row in post[rows]]
        if any(corpus):
            expected = naive(corpus, queries[query[rows[0]]], k1, b)
            np.testing.assert_allclose(score[rows], expected, rtol=1e-9, atol=1e-9)
        else:
            assert not score[rows].any()


def test_a_case_depends_on_its_own_corpus_only():
    posts, queries, case, post, query = drawn(3)
    score = history_search.scores(posts, queries, case, post, query)
    one = case == 7
    rng = random.Random(1)
    others = [posts[row] if row in set(post[one].tolist()) else rng.choices(["新词", "地铁"], k=9) for row in range(60)]
    alone = history_search.scores(others, queries, case[one], post[one], query[one])
    assert alone.tolist() == score[one].tolist()
    again = history_search.scores(others, queries, case, post, query)
    assert again[one].tolist() == score[one].tolist()


def test_the_best_are_stable():
    case = np.array([0] * 5 + [1] * 2 + [2])
    score = np.array([0.0, 1.0, 0.0, 1.0, 1.0 + 1e-12, 3.0, 4.0, 0.0])
    assert history_search.best(case, score, 3).tolist() == [1, 3, 4, 6, 5, 7]
    assert history_search.best(np.zeros(0, np.int64), np.zeros(0), 3).tolist() == []


def test_no_pairs_no_scores():
    empty = np.zeros(0, np.int64)
    assert history_search.scores([], [], empty, empty, empty).tolist() == []


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("地铁", ["地铁"]),
        ("地铁延误", ["地铁", "铁延", "延误"]),
        ("好", ["好"]),
        ("AI、5G 和Café", ["ai", "5g", "和", "café"]),
        ("#地铁#延误", ["地铁", "延误"]),
        ("", []),
        ("，。！[]", []),
        ("地铁地铁", ["地铁", "铁地", "地铁"]),
        ("𠮷野家", ["𠮷野", "野家"]),
    ],
)
def test_tokens(text, tokens):
    assert word_tokens.bigrams(text) == tokens


def test_words_of_jieba():
    pytest.importorskip("jieba")
    tokens = word_tokens.tokenizer("jieba")("地铁新线今天延误 了")
    assert "".join(tokens) == "地铁新线今天延误了"
    assert "地铁" in tokens


def test_without_jieba_one_line_names_the_extra(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "jieba", None)
    with pytest.raises(BadInput, match=r"popcast\[response\]"):
        word_tokens.tokenizer("jieba")
    assert word_tokens.tokenizer("bigrams")("好") == ["好"]

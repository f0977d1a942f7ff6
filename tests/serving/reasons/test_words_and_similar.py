"""Words that carry a forecast are named with their sign; similar posts are older than the draft and have outcomes."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import polars as pl
import pytest

from popcast.serving.reasons.left_out_words import left_out, words_of
from popcast.serving.reasons.similar_posts import FILE, SHOWN


def test_the_word_that_makes_posts_popular_is_named_first(forecast, drafts):
    """In the made posts each "kitten" doubles the likes."""
    posts = forecast.prepared(drafts[:3].with_columns(title=pl.lit("storm kitten sunset kitten"), tags=None))
    for words in words_of(forecast, posts):
        assert words[0].word == "kitten"
        assert words[0].value > 0.05
        assert words[0].factor == pytest.approx(2 ** words[0].value)
        assert [abs(w.value) for w in words] == sorted((abs(w.value) for w in words), reverse=True)


@pytest.mark.parametrize("title", [None, "!!! ... ?", "?", "\u4f60\u597d \U0001f600"])
def test_titles_with_few_words(forecast, drafts, title):
    posts = drafts[:1].with_columns(title=pl.lit(title, pl.String), tags=pl.lit(None, pl.List(pl.String)))
    assert {word.word for word in words_of(forecast, forecast.prepared(posts))[0]} <= {"\u4f60\u597d"}


def test_a_word_is_left_out_wherever_it_stands_and_only_as_a_whole():
    rest = {word: text for _, word, text in left_out({"title": "Cat cats a CAT", "tags": ["x", "y", "x"]})}
    assert rest == {"Cat": "cats a", "cats": "Cat a CAT", "a": "Cat cats CAT", "x": ["y"], "y": ["x", "x"]}


def test_similar_posts_are_older_and_have_what_they_got(forecast, drafts):
    early = forecast.known["posted_at"].sort()[50]
    for moment in (early, early + timedelta(days=2000)):
        posts = drafts[:3].with_columns(posted_at=pl.lit(moment).cast(drafts.schema["posted_at"]))
        for one in forecast.explain(posts, against=4, words=False):
            assert 1 <= len(one.similar) <= SHOWN
            assert all(post.posted_at < moment and post.count >= 0 for post in one.similar)
            likeness = [post.similarity for post in one.similar]
            assert likeness == sorted(likeness, reverse=True)


def test_the_same_words_are_the_most_similar(forecast, drafts):
    found = forecast.explain(drafts[:1], against=4, words=False)[0].similar
    words = set(drafts["title"][0].split())
    assert len(words & set(found[0].title.split())) >= 2


def test_where_nothing_is_kept_or_older_there_are_none(forecast, drafts):
    first = forecast.known["posted_at"].min()
    posts = drafts[:1].with_columns(posted_at=pl.lit(first).cast(drafts.schema["posted_at"]))
    assert forecast.explain(posts, against=4, words=False)[0].similar == []
    without = replace(forecast, files={name: one for name, one in forecast.files.items() if name != FILE})
    assert without.explain(drafts[:1], against=4, words=False)[0].similar == []

"""Who a bundle takes a new post for, and what a blend learns of an author's past."""

from __future__ import annotations

import polars as pl
import pytest

from popcast.blend.drift import model_age
from popcast.blend.segments import blend_segments
from popcast.serving import known_posts
from tests.generated import make_posts


@pytest.fixture(scope="module")
def posts() -> pl.DataFrame:
    return make_posts(200)


def test_a_known_id_is_that_post_only_if_author_time_and_title_are_its_own(posts):
    known = known_posts.known_posts(posts)
    assert known_posts.inner_ids(posts, known).to_list() == posts["post_id"].to_list()
    other = posts[:2].with_columns(title=pl.lit("another one"))
    assert known_posts.inner_ids(other, known).to_list() == [f"{one} (new)" for one in other["post_id"]]
    twice = pl.concat([posts[:1]] * 3)
    inner = known_posts.inner_ids(twice, known)
    assert inner[0] == posts["post_id"][0]
    assert inner.n_unique() == 3


def test_learned_from_are_the_posts_with_a_label(posts):
    known = known_posts.known_posts(posts)
    assert known_posts.learned_from(posts, known) == posts["popularity"].count()
    assert "popularity" not in known.columns


@pytest.mark.parametrize("final_fit", ["labelled", "train"])
def test_segments_and_ages_of_posts_without_label_are_those_of_the_whole_table(posts, final_fit):
    asked = posts.filter(split="unlabelled")
    found = known_posts.segments_and_ages(asked.drop("split", "fold"), known_posts.known_posts(posts), final_fit, False)
    whole = asked.select("post_id").join(blend_segments(posts, final_fit, False), on="post_id", maintain_order="left")
    ages = asked.select("post_id").join(model_age(posts, final_fit), on="post_id", maintain_order="left")
    assert found[0].to_list() == whole["segment"].to_list()
    assert found[1].to_list() == ages["age"].to_list()
    assert set(found[0]) <= {"known_author", "new_author"}

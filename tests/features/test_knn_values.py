"""Block ``knn_values`` against a plain loop, its columns, and what may not change it (smp2025.md section 7)."""

import numpy as np
import polars as pl
import pytest

from popcast.core.errors import BadInput
from popcast.features.common.contract import Context
from popcast.features.knn_values import Block, Params
from tests.features.test_neighbours import make_embedding, plain_neighbours, vectors_of, without_time
from tests.generated import make_posts, new_posts

NAMES = ["title_words", "tags_count", "user_photo_count", "post_faces"]


def context(final_fit: str = "labelled") -> Context:
    return Context("generated", seed=1, final_fit=final_fit)


def value(post: dict, name: str) -> float | None:
    if name == "title_words":
        return None if post["title"] is None else len(post["title"].split())
    if name == "tags_count":
        return None if post["tags"] is None else len(post["tags"])
    return post[name]


@pytest.mark.parametrize("timed", [True, False])
def test_equals_a_plain_loop(timed):
    posts = make_posts(130)
    fresh = new_posts(posts, 6).with_columns(popularity=pl.lit(None, dtype=pl.Float64))
    if not timed:
        posts, fresh = without_time(posts), fresh.with_columns(posted_at=pl.lit(None, dtype=fresh.schema["posted_at"]))
    asked = pl.concat([posts, fresh], how="diagonal")
    embedding = make_embedding(asked)
    vectors = vectors_of(embedding)
    params = Params(columns=NAMES, labels=True, exclude_hours=3.0)
    table = Block(params, context()).fit(posts, embedding).transform(asked, embedding)
    assert table["post_id"].to_list() == asked["post_id"].to_list()
    of = {post["post_id"]: post for post in posts.iter_rows(named=True)}
    rules = params.model_copy(update={"k_stored": 9})
    compared = 0
    for query, row in zip(asked.iter_rows(named=True), table.iter_rows(named=True), strict=True):
        if vectors[query["post_id"]] is None:
            assert all(number is None for name, number in row.items() if name != "post_id")
            continue
        near = [of[i] for _, i, _ in plain_neighbours(query, posts, vectors, rules, "labelled", own=False)]
        for name in [*NAMES, "label"]:
            seen = [post["popularity"] if name == "label" else value(post, name) for post in near]
            for place in (1, 2):
                assert row[f"knn_values.{name}_{place}"] == (seen[place - 1] if len(seen) >= place else None)
            for k in (5, 9):
                known = [number for number in seen[:k] if number is not None]
                expected = pytest.approx(np.mean(known)) if known else None
                assert row[f"knn_values.{name}_mean{k}"] == expected
                compared += bool(known)
    assert compared > 900


def test_default_columns_are_those_of_the_sheet_that_exist():
    posts = make_posts(120)
    embedding = make_embedding(posts)
    assert Block(Params(), context()).fit(posts, embedding).columns == ["title_words", "tags_count"]
    more = posts.with_columns(
        user_follower_count=pl.lit(3.0), user_total_faves=pl.lit(None, dtype=pl.Float64), posthoc_total_tags=pl.lit(1.0)
    )
    block = Block(Params(), context()).fit(more, embedding)
    assert block.columns == ["title_words", "tags_count", "user_follower_count"]
    table = block.transform(more, embedding)
    assert table.columns[1:5] == [f"knn_values.title_words_{end}" for end in ("1", "2", "mean5", "mean9")]
    assert not [name for name in table.columns if "label" in name]


def test_labels_change_nothing_unless_asked_for():
    posts = make_posts(150)
    embedding = make_embedding(posts)
    other = posts.with_columns(popularity=20 - pl.col("popularity"))
    tables = [Block(Params(), context()).fit(p, embedding).transform(posts, embedding) for p in (posts, other)]
    assert tables[0].equals(tables[1])
    with_labels = [
        Block(Params(labels=True), context()).fit(p, embedding).transform(posts, embedding) for p in (posts, other)
    ]
    assert not with_labels[0].equals(with_labels[1])


def test_values_outside_the_training_part_reach_unlabelled_posts_only():
    posts = make_posts(150)
    embedding = make_embedding(posts)
    late = pl.col("split").is_in(["valid", "test"])
    other = posts.with_columns(
        user_photo_count=pl.when(late).then(pl.col("user_photo_count") + 1e6).otherwise("user_photo_count")
    )
    params = Params(columns=["user_photo_count"])
    first, second = (Block(params, context()).fit(p, embedding).transform(posts, embedding) for p in (posts, other))
    labelled = pl.Series(posts["split"] != "unlabelled")
    assert first.filter(labelled).equals(second.filter(labelled))
    assert not first.filter(~labelled).equals(second.filter(~labelled))
    params = params.model_copy(update={"columns": ["user_photo_count"]})
    strict = [Block(params, context("train")).fit(p, embedding).transform(posts, embedding) for p in (posts, other)]
    assert strict[0].equals(strict[1])


def test_save_load_and_order_of_rows(tmp_path):
    posts = make_posts(120)
    embedding = make_embedding(posts)
    block = Block(Params(labels=True), context()).fit(posts, embedding)
    table = block.transform(posts, embedding)
    block.save(tmp_path / "a")
    mixed = posts.sample(fraction=1, shuffle=True, seed=4)
    again = Block(Params(labels=True), context()).fit(mixed, embedding.reverse())
    again.save(tmp_path / "b")
    for name in ("block.json", "bank.parquet", "bank.safetensors", "values.parquet"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    loaded = Block.load(tmp_path / "a", context())
    assert loaded.transform(posts, embedding).equals(table)
    assert loaded.transform(posts[7:9], embedding).equals(table[7:9])


@pytest.mark.parametrize("name", ["posthoc_comments", "popularity", "post_id", "user_id", "title"])
def test_refuses_what_is_no_number_known_at_posting_time(name):
    with pytest.raises(ValueError, match="expected title_words, tags_count, or a user_ or post_ number"):
        Params(columns=[name])


def test_refuses_columns_that_are_not_there():
    posts = make_posts(60)
    embedding = make_embedding(posts)
    for name in ("user_heart_count", "post_mediatype"):
        with pytest.raises(BadInput, match=f"no training post has a number in '{name}'"):
            Block(Params(columns=[name]), context()).fit(posts, embedding)
    bare = posts.with_columns(title=pl.lit(None, dtype=pl.String), tags=pl.lit(None, dtype=pl.List(pl.String)))
    with pytest.raises(BadInput, match="none of the columns of the sheet"):
        Block(Params(), context()).fit(bare, embedding)
    with pytest.raises(BadInput, match="derived block"):
        Block(Params(), context()).fit(posts)

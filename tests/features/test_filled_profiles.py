"""Guessed profiles: near what they stand for, from training posts alone, never over a measured value, saved exactly."""

from __future__ import annotations

import datetime as dt

import numpy as np
import polars as pl
import pytest

from popcast.features.common.contract import Context
from popcast.features.profile import Block, Params


def crawled(rows: int = 400, test_views: float | None = None) -> pl.DataFrame:
    """Views follow photos and category; every third author has no profile; the last quarter is test."""
    rng = np.random.default_rng(5)
    author = np.arange(rows) % 80
    photos = rng.integers(1, 3000, 80)[author].astype(float)
    category = np.array(["sea", "city"])[author % 2]
    views = np.exp(0.8 * np.log1p(photos) + (category == "sea") * 2 + rng.normal(0, 0.1, rows))
    split = np.where(np.arange(rows) < 300, "train", "test")
    if test_views is not None:
        views[300:] = test_views
    known = author % 3 != 0
    start = dt.datetime(2015, 1, 1, tzinfo=dt.UTC)
    return pl.DataFrame({
        "post_id": [f"p{i:03d}" for i in range(rows)],
        "user_id": [f"u{one}" for one in author],
        "posted_at": [start + dt.timedelta(hours=i) for i in range(rows)],
        "title": ["a title"] * rows,
        "tags": [["x", "y"]] * rows,
        "category": category,
        "latitude": pl.Series([None] * rows, dtype=pl.Float64),
        "user_photo_count": photos,
        "split": split,
        "true_views": views,
        "posthoc_total_views": [value if has else None for value, has in zip(views, known, strict=True)],
        "posthoc_photo_count": [value if has else None for value, has in zip(photos, known, strict=True)],
    })  # fmt: skip


def fitted(posts: pl.DataFrame, **params) -> Block:
    return Block(Params(**params), Context("generated", 0)).fit(posts)


def test_guesses_are_near_the_truth_and_measured_values_stay():
    posts = crawled()
    plain, filled = (fitted(posts, fill=fill).transform(posts) for fill in ("none", "predicted"))
    missing = posts["posthoc_total_views"].is_null()
    assert filled["profile.total_views"].null_count() == 0
    assert plain["profile.total_views"].null_count() == missing.sum()
    assert filled.filter(~missing).equals(plain.filter(~missing))
    off = (filled["profile.total_views"].log1p() - posts["true_views"].log1p()).filter(missing).abs()
    alone = (posts["true_views"].log1p() - posts["true_views"].log1p().median()).filter(missing).abs()
    assert off.median() < 0.35 * alone.median()
    assert filled["profile.has_profile"].to_list() == plain["profile.has_profile"].to_list()
    assert filled["profile.mean_view"].null_count() == 0
    assert filled["profile.total_views"].max() <= posts["posthoc_total_views"].max()


def test_values_of_test_posts_change_no_guess():
    one, other = (crawled(test_views=views) for views in (None, 1e6))
    train = pl.col("split") == "train"
    left, right = (fitted(posts, fill="predicted").transform(posts).filter(posts.select(train).to_series())
                   for posts in (one, other))  # fmt: skip
    assert left.equals(right)


def test_a_row_stands_alone_and_a_saved_block_is_the_same(tmp_path):
    posts = crawled()
    block = fitted(posts, fill="predicted")
    block.save(tmp_path / "profile")
    loaded = Block.load(tmp_path / "profile", block.context)
    whole = block.transform(posts)
    assert loaded.transform(posts).equals(whole)
    assert block.transform(posts[::-7]).equals(whole[::-7])
    bare = posts.drop("posthoc_total_views", "posthoc_photo_count", "user_photo_count")
    assert loaded.transform(bare)["profile.total_views"].null_count() == 0


def test_a_field_of_few_posts_is_not_guessed():
    posts = crawled().with_columns(
        posthoc_total_faves=pl.when(pl.int_range(pl.len()) < 5).then(pl.lit(3.0)).otherwise(None)
    )
    found = fitted(posts, fill="predicted").transform(posts)
    assert found["profile.total_faves"].count() == 5


@pytest.mark.parametrize("fill", ["none", "predicted"])
def test_the_same_posts_give_the_same_values(fill):
    posts = crawled()
    assert fitted(posts, fill=fill).transform(posts).equals(fitted(posts, fill=fill).transform(posts))

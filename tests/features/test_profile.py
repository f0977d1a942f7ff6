"""Block ``profile``: post-hoc columns, means per photo, missing profiles."""

from __future__ import annotations

import polars as pl
import pytest

from popcast.core.errors import BadInput
from popcast.features.common.contract import Context
from popcast.features.profile import Block, Params
from tests.generated import make_posts


def crawled() -> pl.DataFrame:
    posts = make_posts(90).drop("posthoc_comments").with_row_index("i")
    known = pl.col("i") % 3 == 0
    return posts.with_columns(
        posthoc_total_views=pl.when(known).then(pl.col("i") * 10),
        posthoc_total_faves=pl.when(known).then(pl.col("i") * 1.0),
        posthoc_photo_count=pl.when(known).then(pl.when(pl.col("i") == 6).then(0).otherwise(5)),
        posthoc_snapshot=pl.when(known).then(pl.lit("2020-01-01")),
    ).drop("i")


def fitted(posts: pl.DataFrame, **params) -> Block:
    return Block(Params(**params), Context("generated", 0)).fit(posts)


def test_means_and_missing_profiles():
    posts = crawled()
    found = fitted(posts).transform(posts)
    assert found.columns == [
        "post_id",
        *[f"profile.{name}" for name in ("photo_count", "total_faves", "total_views", "mean_view", "mean_faves")],
        "profile.has_profile",
    ]
    assert found["post_id"].to_list() == posts["post_id"].to_list()
    row = found.row(3, named=True)
    assert (row["profile.total_views"], row["profile.mean_view"], row["profile.mean_faves"]) == (30.0, 6.0, 0.6)
    without_photos = found.row(6, named=True)
    assert (without_photos["profile.mean_view"], without_photos["profile.has_profile"]) == (None, 1.0)
    assert list(found.row(1))[1:] == [None] * 5 + [0.0]
    assert found["profile.has_profile"].sum() == 30


def test_zero_fill_is_an_option():
    posts = crawled()
    assert list(fitted(posts, zero_fill=True).transform(posts).row(1))[1:] == [0.0] * 6


def test_saved_block_is_the_same(tmp_path):
    posts = crawled()
    block = fitted(posts)
    block.save(tmp_path / "profile")
    loaded = Block.load(tmp_path / "profile", block.context)
    assert loaded.transform(posts).equals(block.transform(posts))
    bare = loaded.transform(posts.drop("posthoc_total_views", "posthoc_total_faves", "posthoc_photo_count"))
    assert bare["profile.has_profile"].sum() == 0


def test_dataset_without_profile_is_refused():
    with pytest.raises(BadInput, match="posthoc_"):
        fitted(make_posts(60).drop("posthoc_comments"))

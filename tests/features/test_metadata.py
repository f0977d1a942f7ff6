"""Block ``metadata``: facts of single posts, day parts in the dataset's zone, what is decided on the training part."""

from __future__ import annotations

from datetime import UTC, datetime

import polars as pl
import pytest

from popcast.core.errors import BadInput
from popcast.core.tables import TIME
from popcast.features.common.contract import Context
from popcast.features.metadata import Block, Params
from tests.generated import make_posts, new_posts


def fitted(posts: pl.DataFrame, zone: str = "Asia/Shanghai", **params) -> Block:
    return Block(Params(**params), Context("generated", 0, zone=zone)).fit(posts)


def features_of(zone: str = "Asia/Shanghai", **facts) -> dict:
    """Features of one post with the given facts, short names."""
    posts = make_posts(120)
    replaced = [pl.lit(value, dtype=posts.schema[name]).alias(name) for name, value in facts.items()]
    row = fitted(posts, zone).transform(posts.head(1).with_columns(replaced)).row(0, named=True)
    return {name.removeprefix("metadata."): value for name, value in row.items()}


def test_title_is_counted():
    row = features_of(title="WOW! cafés & #rain @ann www.a.org https://b.org/x 😀😀 ok? 42")
    assert row["title_length"] == 59
    assert row["title_words"] == 10
    assert row["title_hashtags"] == 1
    assert row["title_mentions"] == 1
    assert row["title_urls"] == 2
    assert row["title_emoji"] == 2
    assert row["title_exclamations"] == 1
    assert row["title_questions"] == 1
    assert row["title_uppercase_share"] == pytest.approx(3 / 59)
    assert row["title_digit_share"] == pytest.approx(2 / 59)


def test_missing_is_null_and_empty_is_zero():
    row = features_of(title=None, tags=None, media=None, category=None, latitude=None)
    assert {name for name in row if row[name] is not None and name.startswith(("title", "tags"))} == set()
    assert (row["media_count"], row["has_media"]) == (None, 0.0)
    assert (row["category"], row["latitude"]) == (None, None)
    row = features_of(tags=[], media=["a.jpg", "b.mp4"])
    assert (row["tags_count"], row["tags_length"]) == (0.0, 0.0)
    assert (row["media_count"], row["has_media"]) == (2.0, 1.0)
    row = features_of(tags=["rain", "été"])
    assert (row["tags_count"], row["tags_length"]) == (2.0, 8.0)


def test_day_parts_are_those_of_the_zone():
    moment = datetime(2015, 3, 1, 17, 30, tzinfo=UTC)  # a Sunday in UTC, already Monday in Shanghai
    names = ("hour", "weekday", "hour_of_week", "day", "minute")
    row = features_of(posted_at=moment)
    assert tuple(row[name] for name in names) == (1, 0, 1, 2, 30)
    row = features_of(zone="UTC", posted_at=moment)
    assert tuple(row[name] for name in names) == (17, 6, 6 * 24 + 17, 1, 30)


def test_week_is_behind_its_param():
    posts = make_posts(100)
    assert "metadata.week" not in fitted(posts).transform(posts).columns
    assert "metadata.week" in fitted(posts, week=True).transform(posts).columns


def test_no_id_no_label_no_posthoc_column():
    posts = make_posts(150)
    found = fitted(posts).transform(posts)
    assert {"metadata.post_faces", "metadata.user_photo_count", "metadata.post_mediatype"} <= set(found.columns)
    short = {name.removeprefix("metadata.") for name in found.columns[1:]}
    assert not short & {"post_id", "user_id", "popularity", "split", "fold"}
    assert not [name for name in short if name.startswith("posthoc")]
    assert set(found.dtypes) == {pl.String, pl.Float64}
    with_outcome = posts.with_columns(posthoc_comments=pl.col("posthoc_comments") * 9)
    assert fitted(with_outcome).transform(with_outcome).equals(found)


def test_free_text_is_no_category():
    posts = make_posts(150).with_columns(post_note=pl.col("post_id") + "x")
    assert "metadata.post_note" in fitted(posts).transform(posts).columns
    assert "metadata.post_note" not in fitted(posts, max_levels=20).transform(posts).columns


def test_columns_empty_in_the_training_part_are_left_out():
    train = pl.col("split") == "train"
    posts = make_posts(150).with_columns(
        latitude=pl.when(~train).then("latitude"), post_late=pl.when(~train).then(1.0), post_flag=pl.lit(True)
    )
    found = fitted(posts).transform(posts)
    assert "metadata.latitude" not in found.columns
    assert "metadata.post_late" not in found.columns
    assert found["metadata.post_flag"].unique().to_list() == [1.0]


def test_log1p_is_decided_on_the_training_part():
    posts = make_posts(200)
    block, plain = fitted(posts, log1p=True), fitted(posts)
    assert "user_photo_count" in block.skewed
    assert "hour" not in block.skewed
    logged, raw = (b.transform(posts)["metadata.user_photo_count"] for b in (block, plain))
    assert (logged - raw.log1p()).abs().max() < 1e-12
    test_only = pl.when(pl.col("split") == "train").then("post_faces").otherwise(pl.lit(10**6))
    assert fitted(posts.with_columns(post_faces=test_only), log1p=True).skewed == block.skewed


def test_video_music_ratio():
    posts = make_posts(80).with_columns(post_video_duration=pl.lit(30.0), post_music_duration=pl.lit(60.0))
    assert fitted(posts).transform(posts)["metadata.video_music_ratio"].unique().to_list() == [0.5]
    silent = posts.with_columns(post_music_duration=pl.lit(0.0))
    assert fitted(posts).transform(silent)["metadata.video_music_ratio"].null_count() == 80


def test_ratios_of_author_totals():
    posts = make_posts(80).with_columns(user_likes_count=pl.lit(600.0), user_video_count=pl.lit(20.0))
    found = fitted(posts).transform(posts)
    assert found["metadata.likes_per_video"].unique().to_list() == [30.0]
    assert "metadata.likes_per_follower" not in found.columns
    newcomer = posts.with_columns(user_video_count=pl.lit(0.0))
    assert fitted(posts).transform(newcomer)["metadata.likes_per_video"].null_count() == 80


def test_saved_block_transforms_new_posts(tmp_path):
    posts = make_posts(150)
    block = fitted(posts, log1p=True)
    block.save(tmp_path / "metadata")
    loaded = Block.load(tmp_path / "metadata", block.context)
    assert loaded.transform(posts).equals(block.transform(posts))
    fresh = new_posts(posts)
    assert loaded.transform(fresh).columns == block.transform(posts).columns
    bare = loaded.transform(fresh.drop("post_mediatype", "post_faces"))
    assert bare["metadata.post_mediatype"].null_count() == bare.height


def test_dataset_without_times_or_titles():
    posts = make_posts(60).with_columns(posted_at=pl.lit(None, dtype=TIME), title=pl.lit(None, dtype=pl.String))
    names = fitted(posts).transform(posts).columns
    assert not [name for name in names if "hour" in name or "title" in name]


def test_without_training_posts():
    with pytest.raises(BadInput, match="training part"):
        fitted(make_posts(60).with_columns(split=pl.lit("test")))

"""The video track of the SMP Challenge (TikTok): JSON lines in ``train/`` and ``test/``, joined by pid and uid.

Posts, users, videos and, for train, popularity. The author's counts are snapshots taken with the post, so they are
known at posting time. Words of the post are joined by commas in the files; hash signs are gone.
"""

from __future__ import annotations

from pathlib import Path

import polars as pl

from popcast.core.errors import bad_input
from popcast.datasets import loading, raw_files, times
from popcast.datasets.loading import Quality
from popcast.datasets.params import Dataset

TEXT, NUMBER, WORDS = pl.String, pl.Float64, pl.List(pl.String)
POSTS = {
    "pid": TEXT,
    "uid": TEXT,
    "post_content": TEXT,
    "post_location": TEXT,
    "post_suggested_words": WORDS,
    "post_text_language": TEXT,
    "video_path": TEXT,
    "post_time": TEXT,
}
USERS = {
    "uid": TEXT,
    "user_following_count": NUMBER,
    "user_follower_count": NUMBER,
    "user_likes_count": NUMBER,
    "user_video_count": NUMBER,
    "user_digg_count": NUMBER,
    "user_heart_count": NUMBER,
    "user_friend_count": NUMBER,
}
VIDEOS = {
    "vid": TEXT,
    "pid": TEXT,
    "uid": TEXT,
    "video_height": NUMBER,
    "video_width": NUMBER,
    "video_duration": NUMBER,
    "video_ratio": TEXT,
    "video_format": TEXT,
    "music_title": TEXT,
    "music_duration": NUMBER,
}
POPULARITY = {"pid": TEXT, "uid": TEXT, "popularity": NUMBER}


WRAP = 2.0**32
"""Likes of the largest authors passed 2^31 and stand in the files as negative numbers (signed 32 bits)."""


def load(raw: Path, dataset: Dataset, quality: Quality) -> pl.DataFrame:
    """Posts of ``train/`` with their popularity and, where the folder exists, of ``test/`` without."""
    if not (raw / "train").is_dir():
        raise bad_input("missing folder", file=raw / "train", expected="the labelled posts")
    train = _split(raw / "train", dataset.zone, quality)
    train = _with_popularity(train, raw_files.need(raw / "train", ["*popularity*.jsonl"]), quality)
    if not (raw / "test").is_dir():
        return train
    test = _split(raw / "test", dataset.zone, quality).with_columns(popularity=pl.lit(None, pl.Float64))
    known = test["post_id"].is_in(train["post_id"].implode())
    file = raw_files.need(raw / "test", ["*posts*.jsonl"])
    loading.refuse(known, test["post_id"], "duplicate id, also in train", file=file, field="pid")
    return pl.concat([train, test])


def _split(folder: Path, zone: str, quality: Quality) -> pl.DataFrame:
    posts = _posts(raw_files.need(folder, ["*posts*.jsonl"]), zone)
    users = _users(raw_files.need(folder, ["*users*.jsonl"]), quality)
    videos = _videos(raw_files.need(folder, ["*videos*.jsonl"]), posts, quality)
    quality.repair(f"{folder.name} posts without user", posts.join(users, on="user_id", how="anti").height)
    quality.repair(f"{folder.name} posts without video", posts.join(videos, on="post_id", how="anti").height)
    posts = posts.join(users, on="user_id", how="left", maintain_order="left")
    return posts.join(videos, on="post_id", how="left", maintain_order="left")


def _posts(file: Path, zone: str) -> pl.DataFrame:
    table = raw_files.json_lines(file, POSTS)
    for key in ("pid", "uid"):
        loading.filled(table[key], file=file, field=key)
    loading.unique(table["pid"], file=file, field="pid")
    loading.media_paths(table["video_path"], file=file, field="video_path")
    words = pl.col("post_content").str.split(",").list.eval(pl.element().str.strip_chars()).list.drop_nulls()
    words = words.list.filter(pl.element() != "")
    suggested = pl.col("post_suggested_words")
    return table.select(
        post_id="pid",
        user_id="uid",
        posted_at=times.read_times(table["post_time"], "auto", zone, file=file, field="post_time"),
        title=pl.when(words.list.len() > 0).then(words.list.join(", ")),
        tags=pl.when(words.list.len() > 0).then(words),
        media=pl.when(pl.col("video_path") != "").then(pl.concat_list("video_path")),
        post_location=loading.blank_to_null(table["post_location"]),
        post_language=loading.blank_to_null(table["post_text_language"].replace("un", None)),
        post_suggested=pl.when(suggested.list.len() > 0).then(suggested.list.join(", ")),
        post_suggested_count=suggested.list.len().cast(pl.Float64),
    )


def _users(file: Path, quality: Quality) -> pl.DataFrame:
    """One row per author: the first where the file has several."""
    table = raw_files.json_lines(file, USERS)
    loading.filled(table["uid"], file=file, field="uid")
    first = table.unique("uid", keep="first", maintain_order=True)
    quality.repair(f"{file.parent.name} users with several rows", table.height - first.height)
    counts = pl.col(pl.Float64)
    wrapped = first.filter(pl.any_horizontal(counts < 0)).height
    quality.repair(f"{file.parent.name} users with a total beyond 32 bits", wrapped)
    return first.with_columns(pl.when(counts < 0).then(counts + WRAP).otherwise(counts)).rename({"uid": "user_id"})


def _videos(file: Path, posts: pl.DataFrame, quality: Quality) -> pl.DataFrame:
    """One row per post, the first of several. A video of another author than the post's is refused."""
    table = raw_files.json_lines(file, VIDEOS)
    owner = table.join(posts.select(pid="post_id", owner="user_id"), on="pid", how="left", maintain_order="left")
    loading.refuse(
        owner["owner"] != owner["uid"], owner["uid"], "video of another author than the post", file=file, field="uid"
    )
    first = table.unique("pid", keep="first", maintain_order=True)
    quality.repair(f"{file.parent.name} posts with several videos", table.height - first.height)
    text = pl.col(pl.String)
    return first.select(
        post_id="pid",
        post_video_height="video_height",
        post_video_width="video_width",
        post_video_duration="video_duration",
        post_video_ratio="video_ratio",
        post_video_format="video_format",
        post_music_title="music_title",
        post_music_duration="music_duration",
    ).with_columns(pl.when(text.str.strip_chars() != "").then(text))


def _with_popularity(posts: pl.DataFrame, file: Path, quality: Quality) -> pl.DataFrame:
    """Labels by pid. A post without a row stays unlabelled, a row without a post is rejected; both are counted."""
    table = raw_files.json_lines(file, POPULARITY)
    loading.unique(table["pid"], file=file, field="pid")
    scores = table.with_columns(loading.label(table["popularity"], "none", file=file, field="popularity", low=0.0))
    owner = table.join(posts.select(pid="post_id", owner="user_id"), on="pid", how="left", maintain_order="left")
    loading.refuse(
        owner["owner"] != owner["uid"], owner["uid"], "row belongs to another author", file=file, field="uid"
    )
    quality.reject("popularity without post", owner["owner"].null_count(), table.height, file)
    labels = scores.select(post_id="pid", popularity="popularity")
    quality.repair("train posts without popularity", posts.join(labels, on="post_id", how="anti").height)
    return posts.join(labels, on="post_id", how="left", maintain_order="left")

"""Which posts are cold and which are warm: how much an author's older posts could tell when a post was made."""

from __future__ import annotations

import polars as pl

SEGMENTS = ("profile", "known_author", "new_author")
"""Segments of a blend with weights of its own, in order of precedence (CR, ACM MM 2020: profile, N, cold)."""


def history_length(posts: pl.DataFrame, final_fit: str) -> pl.DataFrame:
    """Number of older training posts of each post's author.

    posts: ``posts`` joined with ``split``. Unlabelled posts count every older labelled post where ``final_fit`` is
    ``labelled``, as the model that predicts them does. In a dataset without times all other posts of the author are
    older. Returns ``post_id`` and ``history_length`` (Int64, null where the author is unknown), sorted by ``post_id``.
    """
    training = posts.filter(pl.col("split") == "train")
    labelled = posts.filter(pl.col("popularity").is_not_null()) if final_fit == "labelled" else training
    future = pl.col("split") == "unlabelled"
    parts = [_older(posts.filter(~future), training), _older(posts.filter(future), labelled)]
    return pl.concat(parts).sort("post_id")


def _older(posts: pl.DataFrame, bank: pl.DataFrame) -> pl.DataFrame:
    keys = posts.select("post_id", "user_id", "posted_at")
    if bank["posted_at"].null_count() == bank.height:  # not of posts: a row does not depend on those asked with it
        own = bank.group_by("user_id").agg(count=pl.len().cast(pl.Int64))
        is_own = pl.col("post_id").is_in(bank["post_id"].implode()).cast(pl.Int64)
        found = keys.join(own, on="user_id", how="left").with_columns(count=pl.col("count") - is_own)
    else:
        moments = (
            bank.filter(pl.col("user_id").is_not_null() & pl.col("posted_at").is_not_null())
            .group_by("user_id", "posted_at")
            .agg(count=pl.len().cast(pl.Int64))
            .sort("posted_at", "user_id")
            .with_columns(pl.col("count").cum_sum().over("user_id"))
        )
        found = keys.sort("posted_at", "post_id").join_asof(
            moments,
            on="posted_at",
            by="user_id",
            strategy="backward",
            allow_exact_matches=False,
            check_sortedness=False,
        )
    length = pl.when(pl.col("user_id").is_not_null()).then(pl.col("count").fill_null(0))
    return found.select("post_id", history_length=length)


def blend_segments(posts: pl.DataFrame, final_fit: str, allow_posthoc: bool) -> pl.DataFrame:
    """Segment of each post: ``post_id`` and ``segment``, sorted by ``post_id``.

    ``profile`` (a value measured after posting is known; only where ``allow_posthoc``), else ``known_author`` (has an
    older post that the models learned from), else ``new_author``, which includes posts without an author.
    """
    measured = [column for column in posts.columns if column.startswith("posthoc_")] if allow_posthoc else []
    profile = pl.any_horizontal([pl.col(column).is_not_null() for column in measured]) if measured else pl.lit(False)
    segment = (
        pl.when(profile)
        .then(pl.lit("profile"))
        .when(pl.col("history_length").fill_null(0) > 0)
        .then(pl.lit("known_author"))
        .otherwise(pl.lit("new_author"))
    )
    return posts.join(history_length(posts, final_fit), on="post_id").select("post_id", segment=segment).sort("post_id")

"""Columns that a rival gets: what stands in a post itself, and twenty lines about its author's older posts.

Of the table that :mod:`benchmarks.peers.handover` wrote. Nothing measured after posting is among them, and a label
reaches only later posts of the same author.
"""

from __future__ import annotations

from collections.abc import Collection

import polars as pl

NEVER = ("post_id", "split", "fold", "media", "popularity")
"""Columns of the hand-over that are no input. All ``posthoc_*`` are left out too."""

TEXTS = ("title", "tags", "post_suggested", "post_music_title")
"""Columns read as words; all other strings are categories."""


def raw_columns(posts: pl.DataFrame) -> pl.DataFrame:
    """Columns of each post as they are known at posting, rows in the order of ``posts``.

    The author is a category, a time becomes seconds with hour and weekday (UTC) beside it, tags become one text.
    Columns without any value, or with one value only, are left out.
    """
    names = [name for name in posts.columns if name not in NEVER and not name.startswith("posthoc_")]
    at = pl.col("posted_at")
    table = posts.select(
        pl.col(names).exclude("posted_at", "tags"),
        tags=pl.col("tags").list.join(" "),
        posted_seconds=at.dt.epoch("s").cast(pl.Float64),
        posted_hour=at.dt.hour().cast(pl.Float64),
        posted_weekday=at.dt.weekday().cast(pl.Float64),
    )
    return table.select(name for name in table.columns if table[name].drop_nulls().n_unique() > 1)


def with_older_posts(posts: pl.DataFrame, learned: Collection[str]) -> pl.DataFrame:
    """``older_*`` of each post, rows in the order of ``posts``: labels of older posts by the same author.

    Only posts whose split is in ``learned`` count, and only those strictly older: two posts of one second do not see
    each other. Null where there is none. This is all the history that a user in a hurry would write.
    """
    y, author = pl.col("popularity"), "user_id"
    known = posts.filter(pl.col("split").is_in(list(learned)) & y.is_not_null()).drop_nulls([author, "posted_at"])
    after = known.sort(author, "posted_at", "post_id").select(
        author,
        "posted_at",
        older_at="posted_at",
        older_posts=y.cum_count().over(author),
        older_mean=(y.cum_sum() / y.cum_count()).over(author),
        older_lowest=y.cum_min().over(author),
        older_highest=y.cum_max().over(author),
        older_last=y,
        older_mean_3=y.rolling_mean(3, min_samples=1).over(author),
        older_mean_10=y.rolling_mean(10, min_samples=1).over(author),
        older_median_10=y.rolling_median(10, min_samples=1).over(author),
        older_decayed=y.ewm_mean(half_life=5).over(author),
    )
    after = after.group_by(author, "posted_at", maintain_order=True).last().sort("posted_at")
    asked = posts.select("post_id", author, "posted_at").sort("posted_at")
    found = asked.join_asof(
        after, on="posted_at", by=author, strategy="backward", allow_exact_matches=False, check_sortedness=False
    ).with_columns(older_hours=(pl.col("posted_at") - pl.col("older_at")).dt.total_seconds() / 3600)
    found = found.drop(author, "posted_at", "older_at").with_columns(pl.exclude("post_id").cast(pl.Float64))
    return posts.select("post_id").join(found, on="post_id", how="left", maintain_order="left").drop("post_id")


def columns_of(posts: pl.DataFrame, which: str, learned: Collection[str]) -> pl.DataFrame:
    """``raw``: :func:`raw_columns`; ``history``: those and :func:`with_older_posts`."""
    raw = raw_columns(posts)
    return raw if which == "raw" else pl.concat([raw, with_older_posts(posts, learned)], how="horizontal")

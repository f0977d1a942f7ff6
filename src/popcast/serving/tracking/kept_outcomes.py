"""Kept forecasts beside the outcomes of their posts: which outcome is whose, and which of them count.

An outcome has the id of the kept forecast, or that of the post where the draft had one. Of several forecasts of one
post the last one counts that was kept before its outcome was known; each post counts once.
"""

from __future__ import annotations

from typing import NamedTuple

import polars as pl

OUTCOMES = {"post_id": pl.String(), "user_id": pl.String(), "popularity": pl.Float64()}


class Matched(NamedTuple):
    """``rows``: forecasts with ``popularity`` and ``place`` (row among the kept ones). The others were counted."""

    rows: pl.DataFrame
    waiting: int
    """Posts without an outcome so far."""
    older: int
    """Forecasts that a later one of the same post replaces."""
    settled: int
    """Forecasts of posts whose outcome was known: they are none."""
    unknown: int
    """Outcomes of posts that nobody kept a forecast of."""
    young: int
    """Outcomes of posts that were too young when these were counted."""


def matched(
    kept: pl.DataFrame, outcomes: pl.DataFrame, maturity_days: float, counted_at: pl.Series | None = None
) -> Matched:
    """kept: of ``kept_rows``. outcomes: columns ``OUTCOMES``, one row per post, ``popularity`` never null.

    counted_at [outcomes]: when they were counted; None: they are old enough.
    """
    given = outcomes.select("post_id", by="user_id", popularity="popularity").with_row_index("outcome")
    given = given.with_columns(counted_at=pl.lit(None) if counted_at is None else counted_at)
    asked = kept.with_row_index("place").with_columns(post=pl.coalesce("post_id", "kept"))
    own = asked.join(given.rename({"post_id": "kept"}), on="kept", how="inner")
    named = asked.join(given, on="post_id", how="inner").filter(~pl.col("place").is_in(own["place"].implode()))
    found = pl.concat([own.select(sorted(own.columns)), named.select(sorted(own.columns))]).sort("place")
    found = found.filter((pl.col("user_id") == pl.col("by")).fill_null(True))  # not another author's post of that name
    ripe = found
    if counted_at is not None:
        age = (pl.col("counted_at") - pl.col("posted_at")).dt.total_seconds() / 86400
        ripe = found.filter((age >= maturity_days).fill_null(True))  # where posts have no time nobody can say
    fair = ripe.filter(~pl.col("settled"))
    last = fair.unique("outcome", keep="last", maintain_order=True)
    return Matched(
        rows=last,
        waiting=asked["post"].n_unique() - ripe["post"].n_unique(),
        older=fair.height - last.height,
        settled=ripe.height - fair.height,
        unknown=outcomes.height - found["outcome"].n_unique(),
        young=found["outcome"].n_unique() - ripe["outcome"].n_unique(),
    )

"""Which labels a post may see: the one place where the time rule of every label-based feature lives.

A label of post A may reach a feature of post B only if A is older than B, A is in the training part, and A is not B.
On top of that rule a feature must look at training time as it will look when it counts. At the test posts the newest
visible label is as old as the end of the training part; a training post that saw a label from an hour ago would teach
the model to trust news that it will not have. ``as_of`` names the two regimes:

- ``post``: a training post sees every older training label (right where each test post follows its author's last
  training post at once);
- ``fold``: a training post sees the labels of earlier folds only, so its news is as stale as that of a test post;
- ``lag``: a training post sees labels older than a time drawn for it between 0 and ``lag_days``: the spread of
  staleness over a test part of that length (decision 004).

Posts outside the training part: valid and test see the whole training part; unlabelled posts and posts never seen
before see every labelled post (``final_fit: labelled``), always older ones only.
"""

from __future__ import annotations

import polars as pl

from popcast.core.stable import stable_random

AS_OF = ("post", "fold", "lag")
DAY = 86_400_000_000
"""Microseconds."""


def label_bank(posts: pl.DataFrame) -> pl.DataFrame:
    """Labelled posts with what decides their visibility, sorted by time, then id.

    posts: ``posts`` joined with ``split`` and ``fold``. Returns the same columns for labelled posts only; posts that
    the split left out (``unlabelled`` although they have a label, as outside a rolling origin) are not among them.
    """
    return posts.filter(pl.col("popularity").is_not_null() & (pl.col("split") != "unlabelled")).sort(
        "posted_at", "post_id", nulls_last=True
    )


def bank_parts(bank: pl.DataFrame) -> pl.DataFrame:
    """Part, fold and ``fold_start`` of each post of a bank: what :func:`horizon` looks up."""
    starts = bank.filter(pl.col("split") == "train").group_by("fold").agg(fold_start=pl.col("posted_at").min())
    known = bank.select("post_id", "split", "fold").unique("post_id")
    return known.join(starts, on="fold", how="left")


def horizon(
    posts: pl.DataFrame,
    parts: pl.DataFrame,
    as_of: str,
    final_fit: str,
    lag_days: float = 0.0,
    seed: int = 0,
    draw: int = 0,
) -> pl.DataFrame:
    """For each post the newest moment (exclusive) of a label that it may see, and whether non-training labels count.

    posts: any posts. parts: :func:`bank_parts` of the labels. Returns ``post_id``, ``sees_before`` (datetime, null
    where the dataset has no time) and ``sees_all`` (bool: every labelled post, not only the training part), in the
    order of ``posts``. A label with ``posted_at < sees_before`` is visible. ``lag_days``, ``seed`` and ``draw``: of
    ``as_of: lag``, whose times depend on the post's id alone; each ``draw`` has other ones.
    """
    near = parts.filter(pl.col("post_id").is_in(posts["post_id"].implode()))  # a draft builds no index of all posts
    table = posts.select("post_id", "posted_at").join(near, on="post_id", how="left", maintain_order="left")
    before = pl.col("posted_at")
    if as_of == "fold":
        before = (
            pl.when(pl.col("split") == "train").then(pl.min_horizontal("posted_at", "fold_start")).otherwise(before)
        )
    if as_of == "lag":
        share = pl.Series(stable_random(posts["post_id"], seed, "lag" if draw == 0 else f"lag {draw}"))
        lag = pl.duration(microseconds=(share * lag_days * DAY).cast(pl.Int64))
        before = pl.when(pl.col("split") == "train").then(before - lag).otherwise(before)
    sees_all = pl.col("split").is_null() & pl.lit(final_fit == "labelled")
    return table.select("post_id", sees_before=before, sees_all=sees_all)

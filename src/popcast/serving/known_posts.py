"""The posts that a bundle was fitted on: who is asked about again, and how much an author's past can tell.

Posts that were observed later (``observed``) are known too. Of a known post stay its id, author, time, part and whether
it had a label, and a hash of what it is: an id alone says little, for drafts are often numbered 1, 2, 3 as the posts
learned from were.
"""

from __future__ import annotations

import hashlib

import polars as pl

from popcast.blend.drift import model_age
from popcast.blend.segments import blend_segments

COLUMNS = ("post_id", "user_id", "posted_at", "split", "fold")
AGAIN = " (new)"
"""End of the inner id of a post whose id another post has already."""


def known_posts(posts: pl.DataFrame) -> pl.DataFrame:
    """What a bundle keeps of the posts that it was fitted on. posts: joined with ``split`` and ``fold``."""
    labelled = pl.col("popularity").is_not_null()
    return posts.select(*COLUMNS, labelled=labelled, observed=pl.lit(False)).with_columns(mark=_marks(posts))


def _marks(posts: pl.DataFrame) -> pl.Series:
    """A hash [n] of author, time and title of each post."""
    rows = posts.select("user_id", pl.col("posted_at").dt.epoch("us"), "title").rows()
    return pl.Series([hashlib.sha256(repr(row).encode()).hexdigest()[:16] for row in rows], dtype=pl.String)


def inner_ids(posts: pl.DataFrame, known: pl.DataFrame) -> pl.Series:
    """Ids [n] under which blocks look at new posts: distinct, and those of known posts only where it is that post."""
    asked = posts["post_id"].str.replace_all(AGAIN, "", literal=True).unique()
    near = known.filter(pl.col("post_id").str.replace_all(AGAIN, "", literal=True).is_in(asked.implode()))
    place = dict(zip(near["post_id"], near["mark"], strict=True))
    taken: set[str] = set()
    found = []
    for name, mark in zip(posts["post_id"], _marks(posts), strict=True):
        inner = name
        while inner in taken or place.get(inner, mark) != mark:
            inner += AGAIN
        taken.add(inner)
        found.append(inner)
    return pl.Series("post_id", found, dtype=pl.String)


def learned_from(posts: pl.DataFrame, known: pl.DataFrame) -> int:
    """How many of ``posts``, under their inner ids, had a label when the models were fitted."""
    return posts.join(known.filter(pl.col("labelled") & ~pl.col("observed")), on="post_id", how="semi").height


def segments_and_ages(
    posts: pl.DataFrame, known: pl.DataFrame, final_fit: str, allow_posthoc: bool
) -> tuple[pl.Series, pl.Series]:
    """Segment and age in weeks [n] of new posts for a blend, see ``blend.segments`` and ``blend.drift``.

    An author with an observed label is a known one; models grow old from the newest label that they learned.
    """
    label = pl.when("labelled").then(pl.lit(0.0))  # that there is one, not which
    past = known.select(*COLUMNS, popularity=label)
    number = pl.int_range(pl.len()).cast(pl.String)
    asked = posts.drop("popularity").with_columns(
        post_id=pl.lit("\n") + number,
        split=pl.lit("unlabelled"),
        fold=pl.lit(None, pl.Int8),
        row=pl.int_range(pl.len()),
    )
    both = pl.concat([past, asked], how="diagonal")
    learned = pl.concat([past.filter(~known["observed"]), asked], how="diagonal")
    found = asked.select("post_id", "row")
    found = found.join(blend_segments(both, final_fit, allow_posthoc), on="post_id", how="left")
    found = found.join(model_age(learned, final_fit), on="post_id", how="left").sort("row")
    return found["segment"], found["age"]


def warm_authors(posts: pl.DataFrame, known: pl.DataFrame, final_fit: str) -> pl.Series:
    """Bool [n]: whether the author of a new post has an older post that the models learned from, see
    ``blend.segments.history_length``. In posts without times all other posts of the author are older."""
    return warm_by(posts, author_starts(known, final_fit))


def author_starts(known: pl.DataFrame, final_fit: str) -> pl.DataFrame:
    """What :func:`warm_by` looks up: per author the time of the ``first`` post that models learned from; where posts
    have no times, the ``ids`` of all of these posts."""
    learned = known.filter(pl.col("labelled") if final_fit == "labelled" else pl.col("split") == "train")
    timeless = learned["posted_at"].null_count() == learned.height
    found = {"ids": pl.col("post_id")} if timeless else {"first": pl.col("posted_at").min()}
    return learned.group_by("user_id").agg(**found)


def warm_by(posts: pl.DataFrame, starts: pl.DataFrame) -> pl.Series:
    """:func:`warm_authors` by what :func:`author_starts` found."""
    asked = posts.select("post_id", "user_id", "posted_at")
    near = starts.filter(pl.col("user_id").is_in(asked["user_id"].implode()))
    found = asked.join(near, on="user_id", how="left", maintain_order="left")
    if "first" in starts.columns:
        return found.select(warm=(pl.col("posted_at") > pl.col("first")).fill_null(False)).to_series()
    itself = pl.col("ids").list.contains(pl.col("post_id")).fill_null(False)
    return found.select(warm=pl.col("ids").list.len().fill_null(0) > itself.cast(pl.UInt32)).to_series()

"""Whose older posts count, and which segment a post falls into at the edges."""

import datetime as dt

import polars as pl

from popcast.blend import segments


def posts_of(rows: list[tuple], **more) -> pl.DataFrame:
    """rows: (post_id, user_id, day, split, popularity)."""
    schema = {"post_id": pl.String, "user_id": pl.String, "day": pl.Int64, "split": pl.String}
    table = pl.DataFrame(rows, schema={**schema, "popularity": pl.Float64}, orient="row")
    start = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)
    when = pl.lit(start).dt.cast_time_unit("us") + pl.duration(days="day")
    return table.with_columns(posted_at=when, **more).drop("day")


def test_a_post_without_time_or_author_is_nobodys_older_post():
    table = posts_of(
        [
            ("a", "x", None, "train", 1.0),
            ("b", "x", 1, "train", 1.0),
            ("c", None, 1, "train", 1.0),
            ("d", "x", 2, "valid", 1.0),
            ("e", "x", 3, "unlabelled", None),
        ]
    )
    assert segments.history_length(table, "train")["history_length"].to_list()[1:] == [0, None, 1, 1]
    assert segments.history_length(table, "labelled")["history_length"].to_list()[4] == 2


def test_one_older_post_makes_a_known_author_and_no_author_is_new():
    table = posts_of(
        [
            ("a", "x", 1, "train", 1.0),
            ("b", "x", 2, "valid", 1.0),
            ("c", None, 3, "valid", 1.0),
            ("d", "y", 3, "valid", 1.0),
        ],
        posthoc_views=pl.Series([None, None, None, 2.0], dtype=pl.Float64),
    )
    known = ["new_author", "known_author", "new_author", "new_author"]
    assert segments.blend_segments(table, "train", False)["segment"].to_list() == known
    assert segments.blend_segments(table, "train", True)["segment"].to_list() == [*known[:3], "profile"]

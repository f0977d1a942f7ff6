"""Edges of the folds: how far apart posts of a burst may be, whose they are, and where a fold begins."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from popcast.splits.making import newest_per_author, time_folds
from popcast.splits.params import Split

START = datetime(2020, 1, 1, tzinfo=UTC)


def folds_of(rows: list[tuple[str, str | None, float]], folds: int = 2, burst_hours: float = 1.0) -> dict[str, int]:
    """rows: (post_id, user_id, hours after the start)."""
    table = pl.DataFrame(
        {
            "post_id": [name for name, _, _ in rows],
            "user_id": pl.Series([user for _, user, _ in rows], dtype=pl.String),
            "posted_at": pl.Series([START + timedelta(hours=h) for *_, h in rows], dtype=pl.Datetime("us", "UTC")),
        }
    )
    return dict(time_folds(table, folds, burst_hours, 24.0).iter_rows())


@pytest.mark.parametrize(("gap", "together"), [(1.0, True), (1.0 + 1 / 3_600_000_000, False), (0.999, True)])
def test_posts_exactly_burst_hours_apart_are_one_burst(gap, together):
    """The cut is at the fourth of six posts, whose burst began with the third where they are close enough."""
    rows = [("a", "u", 0), ("b", "v", 5), ("c", "w", 10), ("d", "w", 10 + gap), ("e", "x", 20), ("f", "y", 30)]
    found = folds_of(rows)
    assert [found[name] for name in "abc"] == [0, 0, 0]
    assert found["d"] == (0 if together else 1)
    assert [found[name] for name in "ef"] == [1, 1]


def test_a_burst_is_of_one_author_and_posts_without_author_stand_alone():
    for user, other in (("w", "v"), (None, None)):
        rows = [("a", "u", 0), ("b", "t", 5), ("c", user, 10), ("d", other, 10.5), ("e", "x", 20), ("f", "y", 30)]
        assert folds_of(rows)["d"] == 1


def test_a_post_at_the_very_edge_begins_the_next_fold():
    found = folds_of([(f"p{i}", f"u{i}", 2.0 * i) for i in range(8)], folds=4)
    assert [found[f"p{i}"] for i in range(8)] == [0, 0, 1, 1, 2, 2, 3, 3]


@pytest.mark.parametrize(("shares", "valid", "test"), [(None, 0.2, 0.2), ((0.5, 0.1, 0.4), 0.1, 0.4)])
def test_shares_of_authors_whose_newest_post_is_held_out(shares, valid, test):
    count = 3000
    posts = pl.DataFrame(
        {
            "post_id": [f"p{i}" for i in range(2 * count)],
            "user_id": [f"u{i % count}" for i in range(2 * count)],
            "posted_at": pl.Series(
                [START + timedelta(hours=i) for i in range(2 * count)], dtype=pl.Datetime("us", "UTC")
            ),
        }
    )
    parts = newest_per_author(posts, Split(method="newest_per_author", shares=shares), seed=3)["split"]
    assert parts[:count].unique().to_list() == ["train"]
    found = dict(parts.value_counts().iter_rows())
    assert found["valid"] == pytest.approx(valid * count, rel=0.12)
    assert found["test"] == pytest.approx(test * count, rel=0.12)

"""The history of shares is causal, exact, and as stale as the settings say."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from popcast.core.tables import TIME
from popcast.response.shares.params import ShareHistory
from popcast.response.shares.share_history import PRIOR_POSTS, base_of, share_history, weights_of
from popcast.response.shares.share_items import Items, items_of
from tests.response.share_world import share_world

TRAIN, ALL = ("train",), ("train", "valid", "test")
SETTINGS = ShareHistory(half=3.0, smoothing=2.0, windows=[2, 5])


def small(rows: list[tuple]) -> Items:
    """rows: author, day, counts of two classes, category, split."""
    start = datetime(2020, 1, 1, tzinfo=UTC)
    times = [None if day is None else start + timedelta(days=day) for _, day, *_ in rows]
    frame = pl.DataFrame(
        {
            "post_id": [f"p{i}" for i in range(len(rows))],
            "user_id": pl.Series([row[0] for row in rows], dtype=pl.String),
            "posted_at": pl.Series(times, dtype=TIME),
            "text": pl.Series(["word"] * len(rows)),
            "category": pl.Series([row[3] for row in rows], dtype=pl.String),
            "split": [row[4] for row in rows],
        }
    )
    return items_of(frame, np.array([row[2] for row in rows], float), ("yes", "no"))


def test_base_is_the_smoothed_mean_of_weighted_shares():
    items = small(
        [
            ("a", 0, (3, 0), "x", "train"),
            ("b", 1, (0, 9), "x", "train"),
            ("a", 2, (3, 3), "y", "train"),
            ("a", 3, (1, 1), "x", "valid"),
        ]
    )
    base = np.exp(base_of(share_history(items, TRAIN, SETTINGS), items.classes))
    w = weights_of(np.array([3.0, 9.0, 6.0]), 3.0)  # 1/2, 3/4, 2/3
    assert w.tolist() == [0.5, 0.75, 6 / 9]
    assert base[0] == pytest.approx([0.5, 0.5])  # nothing before: equal shares
    prior = (0.5 * 1 + 0.75 * 0 + w[2] * 0.5 + 0.5) / (w.sum() + 1)
    own = (0.5 * 1 + w[2] * 0.5 + 2 * prior) / (0.5 + w[2] + 2)
    assert base[3, 0] == pytest.approx(own, abs=1e-6)
    kind = share_history(items, TRAIN, SETTINGS)["shares.kind_yes"][3]
    assert np.exp(kind) * own == pytest.approx((0.5 * 1 + 2 * own) / (0.5 + 2), abs=1e-6)


@pytest.mark.parametrize("settings", [SETTINGS, ShareHistory(as_of="lag", lag_days=9, windows=[2, 5])])
@pytest.mark.parametrize("known", [TRAIN, ALL])
def test_no_later_or_own_label_counts(settings, known):
    items = share_world(400)
    before = share_history(items, known, settings, 3)
    rng = np.random.default_rng(0)
    for row in (0, 57, 200, 290, 330, 399):
        counts = items.counts.copy()
        counts[row:] = rng.permutation(counts[row:] + rng.integers(0, 9, counts[row:].shape))
        after = share_history(Items(items.frame, counts, items.classes), known, settings, 3)
        assert before[: row + 1].equals(after[: row + 1])
        assert row > 250 or not before.equals(after)


def test_only_known_parts_count():
    items = share_world(400)
    test = (items.frame["split"] != "train").to_numpy()
    counts = items.counts.copy()
    counts[test] = counts[test][::-1] + 5
    changed = Items(items.frame, counts, items.classes)
    assert share_history(items, TRAIN, SETTINGS).equals(share_history(changed, TRAIN, SETTINGS))
    assert not share_history(items, ALL, SETTINGS).equals(share_history(changed, ALL, SETTINGS))


def test_posts_of_one_moment_do_not_see_each_other():
    items = small([("a", 1, (3, 0), None, "train"), ("a", 1, (0, 3), None, "train")])
    assert share_history(items, TRAIN, SETTINGS)["shares.count"].to_list() == [0, 0]


def test_lag_hides_the_newest_labels_of_learned_posts_only():
    rows = [("a", day, (3, 1), None, "train") for day in range(40)] + [("a", 40, (1, 1), None, "valid")]
    fresh = share_history(small(rows), TRAIN, ShareHistory())["shares.count"].to_numpy()
    stale = share_history(small(rows), TRAIN, ShareHistory(as_of="lag", lag_days=10))["shares.count"].to_numpy()
    assert fresh.tolist() == list(range(41))
    assert stale[40] == 40
    hidden = fresh[:40] - stale[:40]
    assert hidden.min() == 0
    assert 5 < hidden.max() <= 10


def test_unknown_authors_times_and_categories():
    rows = [("a", 0, (3, 1), "x", "train"), (None, 1, (2, 2), None, "train"), (None, 2, (1, 1), "x", "valid")]
    rows += [("new", 3, (0, 0), "z", "test"), ("a", None, (0, 0), "x", "test")]
    found = share_history(small(rows), TRAIN, SETTINGS)
    assert found["shares.count"].to_list() == [0, 0, 0, 0, 0]
    assert found["shares.days_since_last"].null_count() == 5
    base = base_of(found, ("yes", "no"))
    assert np.isfinite(base).all()
    assert np.allclose(np.exp(base).sum(1), 1)
    labels = (0.75 + 0.5) * 4 / 7  # of the training part, a count of 4 weighs 4 / (4 + 3)
    yes = (labels + PRIOR_POSTS / 2) / (8 / 7 + PRIOR_POSTS)
    assert np.exp(base[4]) == pytest.approx([yes, 1 - yes])  # without a time nothing is older: the prior of all


def test_no_author_and_no_label_at_all():
    world = share_world(60)
    frame = world.frame.with_columns(user_id=pl.lit(None, pl.String))
    assert share_history(Items(frame, world.counts, world.classes), TRAIN, SETTINGS)["shares.count"].sum() == 0
    empty = share_history(Items(world.frame, world.counts * 0, world.classes), TRAIN, SETTINGS)
    assert np.allclose(np.exp(base_of(empty, world.classes)), 1 / 3)


def test_the_prior_of_items_without_times_is_that_of_all_other_labels():
    rows = [(None, None, counts, None, "train") for counts in ((90, 10), (80, 20), (10, 90))]
    settings = ShareHistory(half=0.001)

    def seen(last: tuple[int, int]) -> np.ndarray:
        items = small([*rows, (None, None, last, None, "test")])
        return np.exp(base_of(share_history(items, TRAIN, settings), items.classes))

    shares = seen((0, 100))
    assert shares.sum(1) == pytest.approx(1)
    assert shares[3, 0] == pytest.approx((0.9 + 0.8 + 0.1 + PRIOR_POSTS / 2) / (3 + PRIOR_POSTS), abs=1e-3)
    assert shares[0, 0] == pytest.approx((0.8 + 0.1 + PRIOR_POSTS / 2) / (2 + PRIOR_POSTS), abs=1e-3)
    np.testing.assert_array_equal(seen((100, 0)), shares)

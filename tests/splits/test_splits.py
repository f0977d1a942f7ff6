"""Splits and folds: dates, shares, published draws, rolling origins, bursts, refusals."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from popcast.core.errors import BadInput
from popcast.core.stable import stable_random
from popcast.splits.making import make_splits, newest_per_author, published, rolling_origins, time_folds
from popcast.splits.params import Split

START = datetime(2015, 12, 1, tzinfo=UTC)


def make_posts(count: int, hours: float = 12.0, users: int = 7, unlabelled: int = 0) -> pl.DataFrame:
    times = [START + timedelta(hours=hours * i) for i in range(count + unlabelled)]
    return pl.DataFrame(
        {
            "post_id": [f"p{i:04d}" for i in range(count + unlabelled)],
            "user_id": [f"u{i % users}" for i in range(count + unlabelled)],
            "posted_at": pl.Series(times, dtype=pl.Datetime("us", "UTC")),
            "popularity": [float(i % 9) for i in range(count)] + [None] * unlabelled,
        }
    )


def split_of(posts: pl.DataFrame, **section) -> pl.DataFrame:
    return make_splits(posts, Split(**section), "Asia/Shanghai", 1, "demo").join(posts, on="post_id")


def test_dates_are_midnights_in_the_zone():
    table = split_of(make_posts(200), method="chronological", valid_from=date(2016, 1, 1), test_from=date(2016, 2, 1))
    first_valid = table.filter(pl.col("split") == "valid")["posted_at"].min()
    first_test = table.filter(pl.col("split") == "test")["posted_at"].min()
    last_train = table.filter(pl.col("split") == "train")["posted_at"].max()
    assert last_train < datetime(2015, 12, 31, 16, tzinfo=UTC) <= first_valid
    assert first_valid == datetime(2016, 1, 1, 0, tzinfo=UTC)  # 2015-12-31 16:00 UTC is midnight, the next post 0:00
    assert first_test == datetime(2016, 2, 1, 0, tzinfo=UTC)


def test_shares_and_unlabelled_posts():
    table = split_of(make_posts(100, unlabelled=5), method="chronological", shares=(0.8, 0.1, 0.1))
    counts = dict(table["split"].value_counts().iter_rows())
    assert counts == {"train": 80, "valid": 10, "test": 10, "unlabelled": 5}
    assert table.filter(pl.col("split") != "train")["fold"].null_count() == 25


def test_posts_of_one_moment_are_not_separated():
    posts = make_posts(100).with_columns(posted_at=pl.col("posted_at").dt.truncate("7d"))
    table = split_of(posts, method="chronological", shares=(0.5, 0.3, 0.2))
    assert table.group_by("posted_at").agg(pl.col("split").n_unique())["split"].max() == 1


def test_folds_are_contiguous_in_time_and_keep_bursts_together():
    posts = make_posts(400, hours=0.4, users=1)
    gap = pl.when(pl.int_range(pl.len()) % 10 == 0).then(5).otherwise(0).cum_sum()
    posts = posts.with_columns(posted_at=pl.col("posted_at") + pl.duration(hours=gap))
    folds = time_folds(posts, 4, burst_hours=1.0, span_hours=12.0).join(posts, on="post_id").sort("posted_at")
    assert folds["fold"].to_list() == sorted(folds["fold"].to_list())
    assert folds["fold"].n_unique() == 4
    burst = np.arange(400) // 10
    assert folds.with_columns(burst=burst).group_by("burst").agg(pl.col("fold").n_unique())["fold"].max() == 1


def test_a_burst_ends_where_its_gap_or_its_span_is_longer_and_not_before():
    minutes = [0, 60, 119, 180, 239, 240]  # u0 posts; an hour apart still belongs together, a minute more does not
    posts = pl.DataFrame(
        {
            "post_id": [f"p{i}" for i in range(6)],
            "user_id": ["u0"] * 6,
            "posted_at": pl.Series([START + timedelta(minutes=m) for m in minutes], dtype=pl.Datetime("us", "UTC")),
        }
    )

    def folds(span: float) -> list[int]:
        return time_folds(posts, 2, burst_hours=1.0, span_hours=span).sort("post_id")["fold"].to_list()

    assert folds(12.0) == [0, 0, 0, 1, 1, 1]  # 119 to 180 is a gap of 61 minutes: a new burst, and the cut is there
    joined = posts.with_columns(posted_at=pl.Series([START + timedelta(minutes=50 * i) for i in range(6)]))
    joined = joined.with_columns(pl.col("posted_at").cast(pl.Datetime("us", "UTC")))
    assert set(time_folds(joined, 2, 1.0, 12.0)["fold"]) == {0}  # one burst is never cut in two ...
    cut = time_folds(joined, 2, 1.0, 100 / 60).sort("post_id")["fold"].to_list()
    assert cut == [0, 0, 0, 0, 1, 1]  # ... but every 100 minutes: 0 and 50, 100 and 150, 200 and 250; cut from 150 on


def test_a_page_that_never_rests_does_not_pull_its_future_into_the_first_fold():
    posts = make_posts(2000, hours=0.5, users=1)
    table = time_folds(posts, 4, burst_hours=1.0, span_hours=12.0).join(posts, on="post_id")
    assert table["fold"].n_unique() == 4
    spans = table.group_by("fold").agg(first=pl.col("posted_at").min(), last=pl.col("posted_at").max()).sort("fold")
    over = (spans["last"][:-1] - spans["first"][1:]).dt.total_seconds() / 3600
    assert over.max() < 12


def test_rolling_origin_is_dtcns():
    origins = rolling_origins(1400, 14, 9)
    assert len(origins) == 5
    assert origins[0] == (slice(0, 900), slice(900, 1000))
    assert origins[4] == (slice(400, 1300), slice(1300, 1400))
    table = split_of(make_posts(1400), method="rolling_origin", origin=2).sort("posted_at")
    named = table["split"].to_list()
    assert named[:200] == ["unlabelled"] * 200
    assert named[200:1000] == ["train"] * 800
    assert named[1000:1100] == ["valid"] * 100
    assert named[1100:1200] == ["test"] * 100
    assert set(named[1200:]) == {"unlabelled"}


def test_newest_per_author_holds_out_only_newest_posts():
    posts = make_posts(300, users=50)
    parts = newest_per_author(posts, Split(method="newest_per_author", shares=(0.4, 0.3, 0.3)), seed=3)
    newest = posts.sort("posted_at").group_by("user_id").agg(pl.col("post_id").last())["post_id"]
    held_out = parts.filter(pl.col("split") != "train")
    assert held_out["post_id"].is_in(newest.to_list()).all()
    assert 15 <= held_out.height <= 45
    assert parts.height == 300


def test_published_split_of_microlens():
    """First ids of mmra.md section 4: they depend on ids 1..19738 alone."""
    posts = pl.DataFrame({"post_id": [str(i) for i in range(1, 19739)]}).sort("post_id")
    parts = published(posts, (9, 18))
    assert parts["split"].value_counts().sort("split").rows() == [("test", 1974), ("train", 15790), ("valid", 1974)]
    first = {
        name: parts.filter(pl.col("split") == name)["post_id"][:5].to_list() for name in ("train", "valid", "test")
    }
    assert first["train"] == ["15108", "6730", "11299", "13133", "13448"]
    assert first["valid"] == ["7730", "13832", "3513", "8526", "18907"]
    assert first["test"] == ["3120", "990", "810", "5967", "6631"]


def test_published_split_label_means_on_the_real_file(shared_data):
    """Label mean and population sd of each part, mmra.md section 4."""
    labels = pl.read_csv(shared_data("microlens-100k") / "video_label.csv", encoding="utf8-lossy")
    labels.columns = ["post_id", "count"]
    labels = labels.select(pl.col("post_id").cast(pl.String), label=pl.col("count").log(2))
    joined = (
        published(labels, (9, 18))
        .join(labels, on="post_id")
        .group_by("split")
        .agg(mean=pl.col("label").mean().round(4), sd=pl.col("label").std(ddof=0).round(4))
    )
    assert joined.sort("split").rows() == [
        ("test", 4.3919, 1.6867),
        ("train", 4.3131, 1.7114),
        ("valid", 4.3150, 1.7078),
    ]


@pytest.mark.parametrize(
    ("posts", "section", "message"),
    [
        (
            make_posts(30).with_columns(popularity=None),
            {"method": "chronological", "shares": (0.8, 0.1, 0.1)},
            "no post",
        ),
        (
            make_posts(30).with_columns(popularity=pl.lit(None, pl.Float64)),
            {"method": "published"},
            "no post has a label",
        ),
        (make_posts(30), {"method": "published"}, "integer ids: got 'p0000', expected method random"),
        (make_posts(30).with_columns(user_id=None), {"method": "random", "by": "author"}, "needs user_id"),
        (
            make_posts(30).with_columns(posted_at=None),
            {"method": "chronological", "shares": (0.8, 0.1, 0.1)},
            "posted_at",
        ),
        (
            make_posts(30),
            {"method": "chronological", "valid_from": date(2020, 1, 1), "test_from": date(2020, 2, 1)},
            "valid part is empty",
        ),
    ],
)
def test_refusals_are_one_line(posts, section, message):
    with pytest.raises(BadInput, match=message) as error:
        make_splits(posts, Split(**section), "UTC", 1, "demo")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("users", "by", "kept"), [(40, None, "user_id"), (5, None, "post_id"), (5, "author", "user_id")]
)
def test_random_parts_and_folds_need_no_time_and_cut_no_group(users, by, kept):
    posts = make_posts(400, users=users, unlabelled=7).with_columns(posted_at=pl.lit(None, pl.Datetime("us", "UTC")))
    table = split_of(posts, method="random", by=by, folds=3)
    assert table.filter(pl.col("split") == "unlabelled").height == 7
    known = table.filter(pl.col("popularity").is_not_null())
    shares = known["split"].value_counts(normalize=True).sort("split")["proportion"].to_list()
    assert np.abs(np.array(shares) - [0.15, 0.7, 0.15]).max() < (0.03 if users != 5 else 0.11)
    assert known.group_by(kept).agg(pl.col("split").n_unique())["split"].max() == 1
    train = known.filter(pl.col("split") == "train")
    assert train.group_by(kept).agg(pl.col("fold").n_unique())["fold"].max() == 1
    assert train["fold"].n_unique() == 3
    mixed = make_splits(
        posts.sample(fraction=1, shuffle=True, seed=2), Split(method="random", by=by, folds=3), "UTC", 1, "demo"
    )
    assert mixed.equals(table.select(mixed.columns).sort("post_id"))


def test_random_parts_of_posts_without_author():
    posts = make_posts(14).with_columns(posted_at=None, user_id=None)
    table = split_of(posts, method="random", folds=2)
    assert sorted(table["split"].unique()) == ["test", "train", "valid"]


def test_stable_random_depends_on_key_seed_and_purpose_only():
    alone = stable_random(["b"], 5, "x")[0]
    assert stable_random(["a", "b", "c"], 5, "x")[1] == alone
    assert alone not in (stable_random(["b"], 6, "x")[0], stable_random(["b"], 5, "y")[0])
    many = stable_random((str(i) for i in range(4000)), 0, "u")
    assert abs(many.mean() - 0.5) < 0.02
    assert (many < 1).all()

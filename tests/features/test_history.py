"""Block ``history`` against a slow, obvious loop over the rows, and against changes of what a post may not see."""

from __future__ import annotations

import math
import statistics
from datetime import datetime, timedelta

import numpy as np
import polars as pl
import pytest

from popcast.core.errors import BadInput
from popcast.core.stable import stable_random
from popcast.features.common.contract import Context
from popcast.features.history import Block, Params
from tests.generated import make_posts, new_posts

PARAMS = Params(smoothing=2.0, level_window=20, half_life=3.0, lag_days=40.0, outcomes=["posthoc_comments"])
CASES = [("post", "labelled"), ("post", "train"), ("fold", "labelled"), ("fold", "train"), ("lag", "labelled")]


def fitted(posts: pl.DataFrame, as_of: str = "post", final_fit: str = "labelled") -> Block:
    context = Context("generated", 0, zone="Asia/Shanghai", final_fit=final_fit)
    return Block(PARAMS.model_copy(update={"as_of": as_of}), context).fit(posts)


def visible_labels(post: dict, rows: list[dict], as_of: str, final_fit: str) -> list[dict]:
    """The rule of popcast.features.common.visibility, written out for one post."""
    before = post["posted_at"]
    labelled_post = post.get("popularity") is not None
    if as_of == "fold" and post.get("split") == "train":
        own_fold = [row["posted_at"] for row in rows if row["split"] == "train" and row["fold"] == post["fold"]]
        before = min([before, *own_fold])
    if as_of == "lag" and post.get("split") == "train":
        before -= timedelta(days=40.0 * stable_random([post["post_id"]], 0, "lag")[0])
    everything = final_fit == "labelled" and not labelled_post
    seen = [
        row
        for row in rows
        if row["popularity"] is not None and row["posted_at"] < before and (everything or row["split"] == "train")
    ]
    return sorted(seen, key=lambda row: (row["posted_at"], row["post_id"]))


def mean(values: list[float]) -> float | None:
    return sum(values) / len(values) if values else None


def toward(values: list[float], prior: float | None) -> float | None:
    return None if prior is None else (sum(values) + 2.0 * prior) / (len(values) + 2.0)


def slope(own: list[dict]) -> float:
    days = [(row["posted_at"] - own[0]["posted_at"]) / timedelta(days=1) for row in own]
    labels = [row["popularity"] for row in own]
    middle, level = mean(days), mean(labels)
    above = sum((t - middle) * (y - level) for t, y in zip(days, labels, strict=True))
    return above / (sum((t - middle) ** 2 for t in days) + 2.0 * 30.0**2) * 30.0


def of_author(post: dict, own: list[dict]) -> dict[str, float | None]:
    labels = [row["popularity"] for row in own]
    names = ("mean", "median", "std", "min", "max", "last", "ewm", "trend", "slope", "days_since_last")
    names += ("days_since_first", "outcome_comments", "outcome_comments_gap", *[f"mean_last_{k}" for k in (3, 5, 10)])
    if not labels:
        return dict.fromkeys(names)
    weights = [0.5 ** (age / 3.0) for age in range(len(labels))][::-1]
    counts = [math.log1p(row["posthoc_comments"]) for row in own]
    return {
        "mean": mean(labels),
        "median": statistics.median(labels),
        "std": statistics.stdev(labels) if len(labels) > 1 else None,
        "min": min(labels),
        "max": max(labels),
        "last": labels[-1],
        **{f"mean_last_{k}": mean(labels[-k:]) for k in (3, 5, 10)},
        "ewm": sum(w * y for w, y in zip(weights, labels, strict=True)) / sum(weights),
        "trend": mean(labels[-3:]) - mean(labels),
        "slope": slope(own),
        "days_since_last": (post["posted_at"] - own[-1]["posted_at"]) / timedelta(days=1),
        "days_since_first": (post["posted_at"] - own[0]["posted_at"]) / timedelta(days=1),
        "outcome_comments": mean(counts[-5:]),
        "outcome_comments_gap": mean([c - y for c, y in zip(counts, labels, strict=True)][-5:]),
    }


def bucket(moment: datetime) -> int:
    return (moment.hour + 8) % 24 // 4


def expected(post: dict, rows: list[dict], as_of: str, final_fit: str) -> dict[str, float | None]:
    seen = visible_labels(post, rows, as_of, final_fit)
    user = post["user_id"]
    own = [row for row in seen if user is not None and row["user_id"] == user]
    overall = mean([row["popularity"] for row in seen])
    found = of_author(post, own) | {"count": len(own) if user else None, "level": None}
    found["level"] = mean([row["popularity"] for row in seen][-20:])
    found["smoothed_mean"] = toward([row["popularity"] for row in own], overall)
    groups = {"category": lambda r: r["category"], "mediatype": lambda r: r["post_mediatype"]}
    groups["hour_bucket"] = lambda r: bucket(r["posted_at"])
    for name, key in groups.items():
        same = [row["popularity"] for row in own if key(row) == key(post)]
        known = user is not None and key(post) is not None
        found[f"author_{name}_mean"] = toward(same, found["smoothed_mean"]) if known else None
        found[f"author_{name}_count"] = len(same) if known else None
    for name in ("category", "subcategory", "concept"):
        same = [row["popularity"] for row in seen if row[name] == post[name]]
        found[f"{name}_mean"] = toward(same, overall) if post[name] else None
        found[f"{name}_count"] = len(same) if post[name] else None
    tags = dict.fromkeys(post["tags"] or [])
    per_tag = [toward([row["popularity"] for row in seen if tag in (row["tags"] or [])], overall) for tag in tags]
    found["tags_mean"] = mean(per_tag) if per_tag and overall is not None else None
    return found | activity(post, rows)


def activity(post: dict, rows: list[dict]) -> dict[str, float | None]:
    names = ("posts_before", "posts_24h", "posts_7d", "hours_since_previous")
    if post["user_id"] is None:
        return dict.fromkeys(names)
    now = post["posted_at"]
    ages = [now - r["posted_at"] for r in rows if r["user_id"] == post["user_id"] and r["posted_at"] < now]
    day = timedelta(days=1)
    numbers = (len(ages), sum(age <= day for age in ages), sum(age <= 7 * day for age in ages))
    return dict(zip(names, (*numbers, min(ages) / timedelta(hours=1) if ages else None), strict=True))


@pytest.mark.parametrize(("as_of", "final_fit"), CASES)
def test_equals_the_slow_loop(as_of, final_fit):
    posts = make_posts(260, seed=3)
    block, rows = fitted(posts, as_of, final_fit), posts.to_dicts()
    for asked in (posts, new_posts(posts)):
        found = block.transform(asked)
        assert found["post_id"].to_list() == asked["post_id"].to_list()
        for post, row in zip(asked.to_dicts(), found.drop("post_id").to_dicts(), strict=True):
            wanted = {f"history.{name}": value for name, value in expected(post, rows, as_of, final_fit).items()}
            assert row == pytest.approx(wanted, abs=1e-8), post["post_id"]


def test_posts_of_one_moment_do_not_see_each_other():
    moment = pl.col("posted_at").min()
    posts = make_posts(60).with_columns(user_id=pl.lit("a@N1"), posted_at=moment)
    found = fitted(posts).transform(posts)
    assert found["history.count"].to_list() == [0.0] * 60
    assert found["history.posts_before"].to_list() == [0.0] * 60
    assert found["history.smoothed_mean"].null_count() == 60


def test_stale_training_posts_see_no_label_of_their_own_fold():
    posts = make_posts(300)
    fresh, stale = (fitted(posts, as_of).transform(posts) for as_of in ("post", "fold"))
    train = posts["split"] == "train"
    oldest = posts["fold"] == 0
    assert stale.filter(oldest.fill_null(False))["history.smoothed_mean"].null_count() == oldest.sum()
    assert stale.filter(train)["history.count"].sum() < fresh.filter(train)["history.count"].sum()
    assert stale.filter(~train).equals(fresh.filter(~train))


@pytest.mark.parametrize("as_of", ["post", "fold", "lag"])
def test_later_labels_and_posts_change_nothing(as_of):
    posts = make_posts(300, seed=5)
    for moment in posts["posted_at"].unique().sort().gather_every(40, 20):
        older, later = pl.col("posted_at") <= moment, pl.col("posted_at") > moment
        before = fitted(posts, as_of).transform(posts).filter(posts.select(older).to_series())
        changed = posts.with_columns(
            pl.when(later).then(20.0 - pl.col(name)).otherwise(name).alias(name)
            for name in ("popularity", "posthoc_comments")
        )
        assert fitted(changed, as_of).transform(posts.filter(older)).equals(before)
        kept = posts.filter(older)
        assert fitted(kept, as_of).transform(kept).equals(before)


def test_test_labels_reach_unlabelled_posts_only():
    posts = make_posts(300, seed=6)
    judged = pl.col("split").is_in(["valid", "test"])
    changed = posts.with_columns(popularity=pl.when(judged).then(20.0 - pl.col("popularity")).otherwise("popularity"))
    for final_fit in ("labelled", "train"):
        before, after = (fitted(p, "post", final_fit).transform(posts) for p in (posts, changed))
        same = pl.Series([a == b for a, b in zip(before.rows(), after.rows(), strict=True)])
        differing = set(posts.filter(~same)["split"])
        assert differing == ({"unlabelled"} if final_fit == "labelled" else set())


def test_rows_do_not_depend_on_one_another(tmp_path):
    posts = make_posts(200)
    block = fitted(posts)
    whole = block.transform(posts)
    block.save(tmp_path / "history")
    loaded = Block.load(tmp_path / "history", block.context)
    assert loaded.transform(posts).equals(whole)
    assert loaded.transform(posts[17]).equals(whole[17])
    assert fitted(posts.reverse()).transform(posts).equals(whole)
    fresh = new_posts(posts)
    assert loaded.transform(fresh[3]).equals(block.transform(fresh)[3])


def test_new_post_without_optional_columns():
    posts = make_posts(200)
    fresh = new_posts(posts).select("post_id", "user_id", "posted_at")
    found = fitted(posts).transform(fresh)
    assert found["history.category_mean"].null_count() == found.height
    assert found["history.tags_mean"].null_count() == found.height
    assert found.filter(fresh["user_id"] == "stranger@N1")["history.count"].unique().to_list() == [0.0]


@pytest.mark.parametrize("column", ["user_id", "posted_at"])
def test_dataset_without_authors_or_times_is_refused(column):
    posts = make_posts(50).with_columns(pl.lit(None, dtype=make_posts(50).schema[column]).alias(column))
    with pytest.raises(BadInput, match=f"block 'history' needs {column}"):
        fitted(posts)


def test_unknown_outcome_is_refused():
    with pytest.raises(BadInput, match="posthoc_likes"):
        Block(Params(outcomes=["posthoc_likes"]), Context("generated", 0)).fit(make_posts(50))


def test_level_follows_the_newest_labels():
    flat = pl.when(pl.col("split") == "train").then(5.0).otherwise("popularity")
    posts = make_posts(300).with_columns(popularity=flat)
    found = fitted(posts).transform(posts).filter(posts["split"] == "test")
    assert np.allclose(found["history.level"].to_numpy(), 5.0)

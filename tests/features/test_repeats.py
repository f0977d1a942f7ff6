"""Block ``repeats`` against a slow loop, and what it refuses."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from popcast.core.errors import BadInput
from popcast.features.common.contract import Context
from popcast.features.repeats import Block, Params

START = datetime(2025, 1, 1, tzinfo=UTC)


def posts_of(count: int = 80, seed: int = 1) -> pl.DataFrame:
    """Few authors and titles, so that titles come back, some with other blanks and letters; bursts share a time."""
    rng = np.random.default_rng(seed)
    titles = ["A storm", "a  Storm", "Cup final", "cup final", None, " ", "Something else"]
    return pl.DataFrame({
        "post_id": [f"p{i}" for i in range(count)],
        "user_id": [None if i % 17 == 5 else f"u{rng.integers(3)}" for i in range(count)],
        "posted_at": [START + timedelta(hours=int(rng.integers(60))) for _ in range(count)],
        "title": [titles[rng.integers(len(titles))] for _ in range(count)],
        "popularity": [None if i >= count - 12 else round(float(rng.normal(8, 2)), 6) for i in range(count)],
        "split": ["unlabelled" if i >= count - 12 else "train" if i % 4 else "test" for i in range(count)],
        "fold": pl.Series([0] * count, dtype=pl.Int8),
    }).with_columns(pl.col("posted_at").cast(pl.Datetime("us", "UTC")))  # fmt: skip


def slow(posts: pl.DataFrame, row: dict, smoothing: float) -> dict[str, float | None]:
    """The columns of one post by their words. ``row``: a post of any part."""

    def words(title):
        return None if title is None or not title.strip() else " ".join(title.lower().split())

    own, said = row["user_id"], words(row["title"])
    if own is None or said is None:
        return dict.fromkeys(("before", "hours_since", "labels", "gap"))
    older = [p for p in posts.to_dicts() if p["user_id"] == own and p["posted_at"] < row["posted_at"]]
    same = [p for p in older if words(p["title"]) == said]
    parts = ("train", "test") if row["split"] == "unlabelled" else ("train",)
    seen = [p["popularity"] for p in older if p["split"] in parts]
    again = [p["popularity"] for p in same if p["split"] in parts]
    hours = [(row["posted_at"] - p["posted_at"]).total_seconds() / 3600 for p in same]
    usual = np.mean(seen) if seen else None
    gap = (np.sum(again) + smoothing * usual) / (len(again) + smoothing) - usual if again else None
    return {"before": len(same), "hours_since": min(hours) if hours else None, "labels": len(again), "gap": gap}


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_it_says_what_a_slow_loop_says(seed):
    posts = posts_of(seed=seed)
    block = Block(Params(smoothing=2.0), Context("made", 0)).fit(posts)
    found = block.transform(posts.with_columns(split=pl.col("split"))).to_dicts()
    unlabelled = posts.with_columns(posts["split"])
    for row, of in zip(unlabelled.to_dicts(), found, strict=True):
        for name, value in slow(posts, row, 2.0).items():
            got = of[f"repeats.title_{name}"]
            assert got == (None if value is None else pytest.approx(value, abs=1e-9)), (row, name)
    assert {row["repeats.title_before"] for row in found} >= {None, 0.0, 1.0, 2.0}


def test_growing_is_what_a_fit_on_all_posts_is(tmp_path):
    posts = posts_of(120, seed=4)
    late = posts["post_id"].is_in(posts.sort("posted_at")["post_id"].tail(30).implode())
    told = posts.with_columns(
        split=pl.when(late & (pl.col("split") == "train")).then(pl.lit("test")).otherwise("split")
    )
    block = Block(Params(fields=["title", "concept"]), Context("made", 0)).fit(told.filter(~late))
    block.save(tmp_path / "repeats")
    grown = Block.load(tmp_path / "repeats", Context("made", 0)).grown(told.filter(late))
    whole = Block(Params(fields=["title", "concept"]), Context("made", 0)).fit(told)
    asked = posts.drop("split", "fold", "popularity").with_columns(
        post_id=pl.concat_str(pl.lit("new"), "post_id"), posted_at=pl.col("posted_at") + pl.duration(hours=40)
    )
    assert grown.transform(asked).equals(whole.transform(asked))
    assert grown.transform(asked)["repeats.concept_before"].null_count() == 120
    assert not grown.transform(asked).equals(block.transform(asked))


@pytest.mark.parametrize("column", ["user_id", "posted_at"])
def test_without_authors_or_times_nothing_repeats(column):
    posts = posts_of().with_columns(pl.lit(None, posts_of().schema[column]).alias(column))
    with pytest.raises(BadInput, match=f"block 'repeats' needs {column}"):
        Block(Params(), Context("made", 0)).fit(posts)

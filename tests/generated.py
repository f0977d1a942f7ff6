"""Small generated posts tables for tests: authors, bursts with equal times, tags, missing values, every split."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl

from popcast.core.tables import POSTS_COLUMNS, TIME

START = datetime(2015, 3, 1, tzinfo=UTC)
WORDS = ["rain", "walk", "park", "cat", "night", "city", "coffee", "snow", "wedding", "match", "skate", "nails"]


def make_posts(n: int = 300, seed: int = 0, folds: int = 4) -> pl.DataFrame:
    """Generated ``posts`` with ``split`` and ``fold``: by time 60 % train, 10 % valid, 20 % test, 10 % unlabelled.

    Times are whole hours, so that ties occur within and between authors. Rows are shuffled.
    """
    rng = np.random.default_rng(seed)
    hours = np.sort(rng.integers(0, n, n))
    user = rng.zipf(1.6, n) % 12
    category = rng.integers(0, 3, n)
    label = np.round(np.log2(rng.integers(2, 900, n)) + user / 4 + category, 6)
    share = np.searchsorted(np.quantile(hours, [0.6, 0.7, 0.9]), hours, side="right")
    edges = np.quantile(hours[share == 0], np.arange(1, folds) / folds)
    titles = [" ".join(rng.choice(WORDS, rng.integers(1, 6))) for _ in range(n)]
    tags = [[str(word) for word in rng.choice(WORDS, rng.integers(0, 4))] for _ in range(n)]
    table = pl.DataFrame(
        {
            "post_id": [str(1000 + 7 * i % (9 * n)) + str(i) for i in range(n)],
            "user_id": [None if i % 41 == 5 else f"{u}@N1" for i, u in enumerate(user)],
            "posted_at": pl.Series([START + timedelta(hours=int(h)) for h in hours], dtype=TIME),
            "title": [None if i % 17 == 3 else title for i, title in enumerate(titles)],
            "tags": pl.Series([None if i % 13 == 4 else t for i, t in enumerate(tags)], dtype=pl.List(pl.String)),
            "category": [None if i % 29 == 7 else f"c{c}" for i, c in enumerate(category)],
            "subcategory": [f"s{c}{u % 2}" for c, u in zip(category, user, strict=True)],
            "concept": [f"k{k}" for k in rng.integers(0, 8, n)],
            "media": pl.Series([None if i % 5 == 0 else [f"{i}.jpg"] for i in range(n)], dtype=pl.List(pl.String)),
            "latitude": pl.Series([None if i % 3 else 45.5 for i in range(n)], dtype=pl.Float64),
            "longitude": pl.Series([None if i % 3 else 9.25 for i in range(n)], dtype=pl.Float64),
            "geo_accuracy": pl.Series([None if i % 3 else 16.0 for i in range(n)], dtype=pl.Float64),
            "popularity": pl.Series(np.where(share == 3, np.nan, label)).fill_nan(None),
            "post_mediatype": ["video" if i % 9 == 0 else "photo" for i in range(n)],
            "post_faces": pl.Series(rng.integers(0, 4, n), dtype=pl.Int64),
            "user_photo_count": pl.Series(np.round(np.exp(user + 1.0)), dtype=pl.Float64),
            "posthoc_comments": pl.Series(np.where(share == 3, np.nan, rng.poisson(3, n))).fill_nan(None),
            "split": np.array(["train", "valid", "test", "unlabelled"])[share],
            "fold": pl.Series(np.searchsorted(edges, hours, side="right"), dtype=pl.Int8),
        }
    )
    table = table.with_columns(fold=pl.when(pl.col("split") == "train").then("fold"))
    assert set(POSTS_COLUMNS) <= set(table.columns)
    return table.sample(fraction=1, shuffle=True, seed=seed)


def new_posts(posts: pl.DataFrame, n: int = 20, seed: int = 1) -> pl.DataFrame:
    """Generated posts that are not in ``posts``: known and unknown authors, in the middle of its time and after it."""
    fresh = posts.sample(n, seed=seed).drop("popularity", "split", "fold", "posthoc_comments")
    shift = pl.Series([timedelta(hours=13 * i) for i in range(n)])
    return fresh.with_columns(
        post_id=pl.lit("new") + pl.col("post_id"),
        user_id=pl.when(pl.int_range(pl.len()) % 4 == 0).then(pl.lit("stranger@N1")).otherwise("user_id"),
        posted_at=pl.col("posted_at") + shift,
    )

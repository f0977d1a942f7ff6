"""Generated posts with a wide feature frame that has a block of every kind, in memory, for tests of predictors."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl

WORDS = ("cat", "dog", "sunset", "beach", "city", "night", "coffee", "train", "forest", "snow")
CATEGORIES = ("Animal", "Travel", "Food")
MADE_OF = {"author": 1.0, "category": 0.5, "sunset": 1.2, "latent": 1.0, "noise": 0.5}


def wide(
    rows: int = 240, seed: int = 5, with_time: bool = True, **parts: float
) -> tuple[pl.DataFrame, pl.DataFrame, np.ndarray, np.ndarray]:
    """posts (without popularity), features, target [n] and folds [n] in 0..3, in time order.

    The target is author level + category + words + a latent seen by the embeddings + noise; ``parts`` weighs them
    otherwise than :data:`MADE_OF`. About a tenth of the values of most columns is null, some posts have no title, no
    category or no embedding.
    """
    part = MADE_OF | parts
    rng = np.random.default_rng(seed)
    author, category = rng.integers(0, 12, rows), rng.integers(0, 3, rows)
    words = rng.integers(0, len(WORDS), (rows, 4))
    latent = rng.normal(size=rows)
    level = np.linspace(-2, 2, 12)[author]
    target = 6 + part["author"] * level + part["category"] * category + part["sunset"] * (words == 2).any(axis=1)
    target = target + part["latent"] * latent + rng.normal(0, part["noise"], rows)
    start = datetime(2024, 1, 1, tzinfo=UTC)
    titles = [" ".join(WORDS[i] for i in line) for line in words]
    posts = pl.DataFrame(
        {
            "post_id": [f"p{i:04d}" for i in range(rows)],
            "user_id": [f"u{i}" for i in author],
            "posted_at": [start + timedelta(hours=7 * i) if with_time else None for i in range(rows)],
            "title": [None if i % 17 == 0 else title for i, title in enumerate(titles)],
            "tags": [None if i % 5 == 0 else [WORDS[i % 10], WORDS[i % 7]] for i in range(rows)],
            "category": [None if i % 19 == 0 else CATEGORIES[c] for i, c in enumerate(category)],
        },
        schema_overrides={"posted_at": pl.Datetime("us", "UTC"), "tags": pl.List(pl.String)},
    )
    folds = np.minimum(np.arange(rows) * 4 // rows, 3)
    return posts, _features(posts, target, latent, author, rng), target, folds


def _features(posts: pl.DataFrame, target, latent, author, rng) -> pl.DataFrame:
    rows = posts.height

    def holed(values, share: float = 0.1) -> pl.Series:
        series = pl.Series(np.asarray(values, dtype=np.float64))
        return series.set(pl.Series(rng.random(rows) < share), None)

    def vectors(width: int, strength: float) -> pl.Series:
        values = rng.normal(size=(rows, width)) + strength * latent[:, None]
        lines = [None if i % 23 == 0 else line.tolist() for i, line in enumerate(values)]
        return pl.Series(lines, dtype=pl.Array(pl.Float32, width))

    mean, count = np.full(rows, np.nan), np.zeros(rows)
    for i in range(rows):
        older = target[:i][author[:i] == author[i]]
        count[i], mean[i] = len(older), older.mean() if len(older) else np.nan
    history = pl.Series(mean).fill_nan(None)
    has_profile = (author % 3 == 0).astype(np.float64)
    return pl.DataFrame(
        {
            "metadata.hour": np.arange(rows) * 7.0 % 24,
            "metadata.title_words": holed(rng.integers(0, 9, rows)),
            "metadata.has_media": [i % 3 == 0 for i in range(rows)],
            "metadata.constant": np.ones(rows),
            "metadata.category": posts["category"],
            "metadata.language": [None if i % 13 == 0 else "en" if i % 4 else "de" for i in range(rows)],
            "metadata.odd": [f"value {i}" for i in range(rows)],
            "profile.has_profile": has_profile,
            "profile.followers": pl.Series(10 * target + rng.normal(size=rows)).set(pl.Series(has_profile == 0), None),
            "history.count": count,
            "history.mean": history,
            "history.smoothed_mean": history,
            "history.last": holed(mean, 0.2).fill_nan(None),
            "text.embedding": vectors(12, 1.0),
            "text.svd_embedding": vectors(4, 0.3),
            "image.width": holed(rng.integers(100, 900, rows)),
            "image.embedding": vectors(6, 0.4),
            "windows.text_embedding": vectors(12, 0.2),
            "neighbours.index": pl.Series([[i, None] for i in range(rows)], dtype=pl.Array(pl.Int32, 2)),
            "neighbours.similarity": pl.Series([[0.9, None]] * rows, dtype=pl.Array(pl.Float32, 2)),
            "neighbours.label_mean": holed(target + rng.normal(0, 1.2, rows)),
            "neighbours.count": holed(rng.integers(1, 20, rows)),
        }
    )

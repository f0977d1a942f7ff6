"""Posts of a small invented network, and the settings of a small pipeline for them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl

WORDS = ("storm", "harbour", "match", "kitten", "budget", "concert", "recipe", "election", "sunset", "train")

SETTINGS = {
    "splits": {"posts": {"method": "chronological", "shares": [0.6, 0.2, 0.2], "folds": 3}},
    "blocks": {
        "posts-metadata": {"dataset": "posts", "block": "metadata"},
        "posts-history": {"dataset": "posts", "block": "history"},
        "posts-text": {"dataset": "posts", "block": "text", "set": {"encoder": None, "tfidf": {"dim": 8}}},
    },
    "derived": {
        "posts-neighbours": {"dataset": "posts", "block": "neighbours", "of": "text", "set": {"k": 5, "k_stored": 5}},
        "posts-windows": {"dataset": "posts", "block": "windows", "of": "text"},
    },
    "suites": {
        "posts-chosen": {
            "dataset": "posts",
            "suite": "chosen",
            "features": "posts",
            "runs": {
                "median": {"model": "reference", "blocks": []},
                "author_mean": {"model": "reference", "blocks": ["history"], "set": {"kind": "author_mean"}},
                "lightgbm": {
                    "model": "lightgbm",
                    "blocks": ["metadata", "history", "text", "neighbours"],
                    "set": {"rounds": 30, "min_child_samples": 5},
                },
                "hyfea": {"model": "hyfea", "blocks": ["metadata", "history", "text"], "set": {"rounds": 30}},
            },
        }
    },
    "evaluation": {"bootstrap": 100},
}
"""Sections of an overlay."""


def rows(n: int = 600, authors: int = 10, unlabelled: int = 30, seed: int = 0) -> pl.DataFrame:
    """Posts as somebody's export has them; the newest ``unlabelled`` ones have no likes yet."""
    rng = np.random.default_rng(seed)
    author = rng.integers(0, authors, n)
    words = rng.integers(0, len(WORDS), (n, 4))
    hour = rng.integers(0, 24, n)
    moments = [datetime(2025, 1, 1, tzinfo=UTC) + timedelta(hours=6 * i, minutes=int(m)) for i, m in enumerate(hour)]
    level = 3 + 0.5 * (author % 10) + (words == 3).sum(axis=1) + 0.3 * np.sin(hour / 4) + rng.normal(0, 0.5, n)
    likes = np.round(2**level).astype(int)
    return pl.DataFrame(
        {
            "id": [f"p{i:04}" for i in range(n)],
            "page": [f"page {a}" for a in author],
            "created": [moment.strftime("%Y-%m-%dT%H:%M:%SZ") for moment in moments],
            "message": [" ".join(WORDS[w] for w in row) for row in words],
            "hashtags": [f"{WORDS[row[0]]} {WORDS[row[1]]}" if i % 3 else None for i, row in enumerate(words)],
            "kind": [("photo", "video", "link")[i % 3] for i in range(n)],
            "followers": (1000 * (1 + author % 7)).tolist(),
            "likes": [None if i >= n - unlabelled else int(like) for i, like in enumerate(likes)],
        }
    )


GIVEN = {
    "label": "likes",
    "author": "page",
    "time": "created",
    "text": ["message"],
    "tags": "hashtags",
    "category": "kind",
    "author_numbers": ["followers"],
    "id": "id",
}

"""Generated items with planted effects: shares of each author, words that move them, a number that does not."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl

from popcast.core.tables import TIME
from popcast.response.shares.params import ShareSettings
from popcast.response.shares.share_items import Items, items_of

CLASSES = ("love", "sad", "angry")
WORDS = {"kitten": 0, "funeral": 1, "scandal": 2}
FILLER = [f"word{i}" for i in range(30)]
STRENGTH = 2.5


def share_world(rows: int = 1200, authors: int = 25, seed: int = 0, days: float = 100.0) -> Items:
    """``rows`` posts over ``days``: 70 % train, 10 % each of valid, test and unlabelled, in time order."""
    rng = np.random.default_rng(seed)
    author = rng.integers(0, authors, rows)
    taste = rng.normal(0, 0.8, (authors, 3))
    planted = rng.integers(0, 6, rows)  # 0..2: a word of WORDS; above: none
    names = list(WORDS)
    logits = taste[author].copy()
    texts = []
    for i in range(rows):
        words = rng.choice(FILLER, 5).tolist()
        if planted[i] < 3:
            words.append(names[planted[i]])
            logits[i, WORDS[names[planted[i]]]] += STRENGTH
        texts.append(" ".join(words))
    p = np.exp(logits)
    p /= p.sum(1, keepdims=True)
    totals = np.rint(np.exp(rng.normal(3.5, 1.2, rows))).astype(int)
    counts = np.stack([rng.multinomial(n, q) for n, q in zip(totals, p, strict=True)]).astype(float)
    parts = np.repeat(
        ["train", "valid", "test", "unlabelled"], np.rint(np.array([0.7, 0.1, 0.1, 0.1]) * rows).astype(int)
    )
    counts[parts == "unlabelled"] = 0
    begin = datetime(2016, 3, 1, tzinfo=UTC)
    times = [begin + timedelta(seconds=i * days * 86400 / rows) for i in range(rows)]
    frame = pl.DataFrame(
        {
            "post_id": [f"p{i:05d}" for i in range(rows)],
            "user_id": [f"u{a}" for a in author],
            "posted_at": pl.Series(times, dtype=TIME),
            "text": texts,
            "category": pl.Series([None] * rows, dtype=pl.String),
            "split": parts,
            "metadata.noise": rng.normal(size=rows),
            "metadata.hour": rng.integers(0, 24, rows).astype(float),
        }
    )
    return items_of(frame, counts, CLASSES)


def settings(**changes: dict | object) -> ShareSettings:
    """Settings of small sizes. changes: sections with their changed keys."""
    small = {"words": {"min_df": 3, "author_posts": None}, "trees": {"rounds": 40, "min_child_samples": 20}}
    for name, value in changes.items():
        small[name] = {**small.get(name, {}), **value} if isinstance(value, dict) else value
    return ShareSettings.model_validate({"resamples": 200, **small})

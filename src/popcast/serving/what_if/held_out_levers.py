"""``what_if.json`` of a bundle: slopes of the levers on held-out posts, and what known posts offer to change to."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from popcast.core import tables
from popcast.serving.reasons.background import background, drawn
from popcast.serving.reasons.mixed_posts import Forecasting, Seen, predicted, stacked, with_features
from popcast.serving.what_if.lever_slopes import Slope, slope_of
from popcast.serving.what_if.levers import LEVERS, Lever, moved

FILE, VERSION = "what_if.json", 1
HELD_OUT, EACH, OTHERS = 1000, 50, 16
"""Held-out posts at most, of one author at most, and posts of the background that lend a lever's values."""
OFTEN, OFFERED = 20, 20
"""Known posts that a value needs to be offered, and values that are offered at most."""


def write_levers(
    folder: Path, forecast: Forecasting, posts: pl.DataFrame, features: Mapping[str, pl.DataFrame], seed: int
) -> None:
    """Measure every lever. forecast: the bundle with members that learned the training part only. posts: joined with
    ``split``. features: of the blocks of the bundle, as the members see them."""
    rows, outcomes = _held_out(forecast, posts, features, seed)
    found: dict[str, Any] = {}
    if len(outcomes):
        some = background(forecast, OTHERS)
        whole = predicted(forecast, rows)
        for name, lever in LEVERS.items():
            mean = neutral(forecast, lever, rows, some)
            slope = slope_of(whole - mean, outcomes - mean, rows.posts, seed)
            if slope is not None:
                found[name] = slope.as_dict()
    content = {"version": VERSION, "posts": len(outcomes), "levers": found, "offered": _offered(posts)}
    tables.write_json(content, folder / FILE)


def slopes(content: Mapping[str, Any]) -> dict[str, Slope]:
    return {name: Slope(**values) for name, values in content["levers"].items()}


def neutral(forecast: Forecasting, lever: Lever, rows: Seen, some: Seen) -> np.ndarray:
    """Mean forecast [n] of ``rows`` over the lever's values in each of ``some``."""
    count, others = len(rows.segment), len(some.segment)
    both = stacked(rows, some)
    base = np.repeat(np.arange(count), others)
    lent = np.tile(np.arange(count, count + others), count)
    return predicted(forecast, moved(lever, both, base, lent)).reshape(count, others).mean(axis=1)


def _held_out(
    forecast: Forecasting, posts: pl.DataFrame, features: Mapping[str, pl.DataFrame], seed: int
) -> tuple[Seen, np.ndarray]:
    """Whole authors, drawn by a hash, until there are ``HELD_OUT`` labelled posts of the valid and test part."""
    asked = posts.filter(pl.col("split").is_in(["valid", "test"]), pl.col("popularity").is_not_null()).sort("post_id")
    mixed_up = {name: place for place, name in enumerate(drawn(asked["post_id"], asked.height, seed))}
    authors = pl.Series([_hash(one, seed) for one in asked["user_id"]], dtype=pl.UInt64)
    asked = asked.with_columns(_author=authors, _place=asked["post_id"].replace_strict(mixed_up, return_dtype=pl.Int64))
    asked = asked.sort("_author", "_place").filter(
        pl.col("user_id").is_null() | (pl.int_range(pl.len()).over("_author") < max(EACH, HELD_OUT // _many(asked)))
    )[:HELD_OUT]
    kept = asked.select("post_id")
    own = {name: kept.join(table, on="post_id", how="left", maintain_order="left") for name, table in features.items()}
    prepared = forecast.complete(asked.drop("popularity", "split", "fold", "_author", "_place"))
    return with_features(forecast, prepared, own), asked["popularity"].to_numpy().astype(np.float64)


def _many(posts: pl.DataFrame) -> int:
    return max(1, posts["user_id"].n_unique())


def _hash(name: str | None, seed: int) -> int:
    return int.from_bytes(hashlib.sha256(f"{seed}\n{name}".encode()).digest()[:8], "big")


def _offered(posts: pl.DataFrame) -> dict[str, Any]:
    """Values that many known posts have: categories and tags with how many, lengths of titles."""
    lengths = posts["title"].str.len_chars().drop_nulls()
    quantiles = [lengths.quantile(q, "nearest") for q in (0.1, 0.25, 0.5, 0.75, 0.9)] if len(lengths) else []
    return {
        "category": _often(posts["category"]),
        "tags": _often(posts["tags"].explode()),
        "length": sorted({int(one) for one in quantiles}),
    }


def _often(values: pl.Series) -> dict[str, int]:
    """Value -> posts, the most frequent first."""
    counts = values.drop_nulls().value_counts(name="posts").filter(pl.col("posts") >= OFTEN)
    counts = counts.sort(["posts", counts.columns[0]], descending=[True, False])[:OFFERED]
    return dict(counts.iter_rows())

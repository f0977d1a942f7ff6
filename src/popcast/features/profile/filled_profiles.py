"""Profiles of authors that could not be crawled, guessed from those that could: ``fill: predicted``.

Source: ``feature_prediction`` of SMP-2025 and ``boost_fill`` of CR (smp2025.md sections 1 and 3.1), which fill the
fields of users without an alias by CatBoost; here each field's log1p is a ridge on what is known of author and post at
posting time, kept as JSON. A guess is no measurement: ``has_profile`` stays 0 and the fields are post-hoc as ever.
"""

from __future__ import annotations

from typing import Any, Self

import numpy as np
import polars as pl

LEAST = 20
"""Training posts with a value, below which nothing is guessed of a field."""
STRENGTH = 1.0
"""Of the ridge, per standardised column, where every author weighs 1 in all."""
COMMON = 30
"""Categories with a column of their own, at most."""


class FilledProfiles:
    """Guesses of the fields ``names`` (columns ``posthoc_<name>``, counts of at least 0) from the rest of a post.

    Attributes are plain JSON: ``columns`` and ``categories`` read, their ``center`` and ``scale``, and per field
    ``weights`` [columns + 1] (the constant last) with the largest value seen, which no guess exceeds.
    """

    def __init__(self, names: list[str], prefix: str) -> None:
        self.names, self.prefix = names, prefix

    def fit(self, posts: pl.DataFrame) -> Self:
        """Learn from training posts; posts of one author weigh 1 together."""
        numeric = [name for name in posts.columns if name.startswith(("user_", "post_")) and name != "post_id"]
        self.columns = [name for name in numeric if posts.schema[name].is_numeric() and posts[name].count()]
        counts = (
            posts["category"].drop_nulls().value_counts(sort=True).sort("count", "category", descending=[True, False])
        )
        self.categories = counts["category"].head(COMMON).to_list()
        raw = self._raw(posts)
        known = ~np.isnan(raw)
        count = np.maximum(known.sum(axis=0), 1)
        center = np.where(known, raw, 0).sum(axis=0) / count
        spread = np.sqrt(np.where(known, (raw - center) ** 2, 0).sum(axis=0) / count)
        self.center, self.scale = center.tolist(), np.where(spread > 1e-9, spread, 1.0).tolist()
        author = pl.coalesce("user_id", "post_id")
        weight = (1 / posts.select(pl.len().over(author)).to_series()).to_numpy()
        inputs, self.weights, self.largest = self._inputs(posts), {}, {}
        for name in self.names:
            value = posts[self.prefix + name].cast(pl.Float64).fill_null(float("nan")).to_numpy()
            rows = ~np.isnan(value) & (value >= 0)
            if rows.sum() >= LEAST:
                self.weights[name] = _ridge(inputs[rows], np.log1p(value[rows]), weight[rows]).tolist()
                self.largest[name] = float(value[rows].max())
        return self

    def guesses(self, posts: pl.DataFrame) -> dict[str, pl.Series]:
        """Field -> Float64 [n], 0 to the largest value seen, whether or not the post has a value."""
        inputs = self._inputs(posts)
        found = {}
        for name, weights in self.weights.items():
            top = self.largest[name]
            value = np.expm1(np.clip((inputs * np.array(weights)).sum(axis=1), 0.0, np.log1p(top)))
            found[name] = pl.Series(name, np.round(value, 6), dtype=pl.Float64)
        return found

    def _raw(self, posts: pl.DataFrame) -> np.ndarray:
        """Numbers [n, columns] as they are, NaN where missing; of long-tailed ones the logarithm."""
        numbers = [
            (pl.col(name) if name in posts.columns else pl.lit(None)).cast(pl.Float64).alias(name)
            for name in self.columns
        ]
        told = [
            pl.col("title").str.len_chars().cast(pl.Float64).alias("title length"),
            pl.col("tags").list.len().cast(pl.Float64).alias("number of tags"),
            pl.col("latitude").is_not_null().cast(pl.Float64).alias("has place"),
            pl.col("posted_at").dt.epoch("s").cast(pl.Float64).alias("time"),
        ]
        table = posts.select(*numbers, *told).fill_null(float("nan")).to_numpy()
        return np.sign(table) * np.log1p(np.abs(table))

    def _inputs(self, posts: pl.DataFrame) -> np.ndarray:
        """float64 [n, inputs]: standardised numbers (0 where missing), whether they are missing, categories, 1."""
        raw = (self._raw(posts) - self.center) / self.scale
        missing = np.isnan(raw)
        category = posts["category"].fill_null("").to_numpy()
        own = [(category == name).astype(np.float64) for name in self.categories]
        ones = np.ones(posts.height)
        return np.column_stack((np.where(missing, 0.0, raw), missing.astype(np.float64), *own, ones))

    def as_dict(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name not in ("names", "prefix")}

    @classmethod
    def from_dict(cls, content: dict[str, Any], names: list[str], prefix: str) -> Self:
        found = cls(names, prefix)
        for name in ("columns", "categories", "center", "scale", "weights", "largest"):
            setattr(found, name, content[name])
        return found


def _ridge(inputs: np.ndarray, target: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Weights [inputs], the last one (of the constant) unpenalised."""
    weighted = inputs * weight[:, None]
    penalty = np.eye(inputs.shape[1]) * STRENGTH
    penalty[-1, -1] = 1e-6
    return np.linalg.solve(weighted.T @ inputs + penalty, weighted.T @ target)

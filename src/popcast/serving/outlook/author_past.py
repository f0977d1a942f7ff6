"""What the authors whom a bundle knows have posted, and what became of it: the measure that a new post is held against.

Outcomes are those that the bundle keeps for looking back: the labels of the block ``history``, else the newest posts
whose texts it compares, and those observed since.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from popcast.blend.count_scale import as_counts
from popcast.core.pretrained.saved_files import putting_together
from popcast.serving.forecast import Forecast
from popcast.serving.reasons.similar_posts import FILE

COLUMNS = ("post_id", "user_id", "posted_at", "popularity")
SHOWN = 200
"""Posts of an author's past that are told, the newest ones."""


@dataclass(frozen=True)
class AuthorPast:
    """``outcomes``: labelled posts (``COLUMNS``), by author, oldest first. ``authors``: a row for each known author.

    It is that of one moment: an :class:`AuthorPast` of a bundle that has observed more is made anew.
    """

    outcomes: dict[str, pl.DataFrame]
    authors: pl.DataFrame
    transform: str

    @classmethod
    def of(cls, forecast: Forecast) -> AuthorPast:
        told = _outcomes(forecast).filter(pl.col("user_id").is_not_null())
        told = told.sort("posted_at", "post_id", nulls_last=False)
        known = forecast.known.filter(pl.col("user_id").is_not_null())
        authors = known.group_by("user_id").agg(posts=pl.len(), newest=pl.col("posted_at").max())
        medians = told.group_by("user_id").agg(median=pl.col("popularity").median(), labelled=pl.len())
        authors = authors.join(medians, on="user_id", how="left").sort("posts", "user_id", descending=[True, False])
        by_author = told.partition_by("user_id", as_dict=True)
        return cls({key[0]: rows for key, rows in by_author.items()}, authors, forecast.contents.transform)

    def like(self, text: str, most: int) -> list[dict[str, Any]]:
        """Authors whose name holds ``text``, whatever its case: those that begin with it first, then by posts."""
        name = pl.col("user_id").str.to_lowercase()
        wanted = text.lower()
        found = self.authors.filter(name.str.contains(wanted, literal=True))
        found = found.with_columns(first=name.str.starts_with(wanted)).sort(
            "first", descending=True, maintain_order=True
        )
        return [
            {
                "author": row["user_id"], "posts": row["posts"], "median": _rounded(row["median"]),
                "median_count": count_of(row["median"], self.transform),
                "newest": None if row["newest"] is None else row["newest"].isoformat(),
            }
            for row in found.head(most).iter_rows(named=True)
        ]  # fmt: skip

    def before(self, author: str, moment: datetime | None) -> pl.DataFrame:
        """The author's labelled posts that are older than ``moment``, oldest first; all of them where it is None."""
        rows = self.outcomes.get(author)
        if rows is None:
            return pl.DataFrame(schema={"post_id": pl.String, "popularity": pl.Float64, "posted_at": pl.Datetime})
        if moment is None or rows["posted_at"].null_count() == rows.height:
            return rows
        return rows.filter((pl.col("posted_at") < moment).fill_null(False))

    def knows(self, author: str) -> bool:
        return author in self._names

    @cached_property
    def _names(self) -> set[str]:
        return set(self.authors["user_id"])


def _outcomes(forecast: Forecast) -> pl.DataFrame:
    """Labelled posts that the bundle keeps, ``COLUMNS``."""
    history = forecast.blocks.get("history")
    if history is not None:
        return history.labels.select(COLUMNS).drop_nulls("popularity")
    parts = [forecast.observed.posts.select(COLUMNS).drop_nulls("popularity")]
    if FILE in forecast.files:
        with putting_together(Path(FILE)):
            parts.append(pl.read_parquet(io.BytesIO(forecast.files[FILE]), columns=list(COLUMNS)))
    return pl.concat([part.select(COLUMNS) for part in parts]).unique("post_id", keep="first")


def past_rows(rows: pl.DataFrame, transform: str) -> list[dict[str, Any]]:
    """The newest ``SHOWN`` of an author's posts, newest first, as JSON has them."""
    newest = rows.reverse().head(SHOWN)
    counts = [None] * newest.height if transform == "none" else as_counts(newest["popularity"], transform).round(3)
    return [
        {"posted_at": None if at is None else at.isoformat(), "popularity": _rounded(value), "count": count}
        for at, value, count in zip(newest["posted_at"], newest["popularity"], counts, strict=True)
    ]


def count_of(value: float | None, transform: str) -> float | None:
    """The count of one value on the log2 scale; None where labels are scores."""
    if value is None or transform == "none":
        return None
    return float(as_counts(pl.Series([value]), transform).round(3)[0])


def score_of(value: float, transform: str) -> float:
    """The value on the scale of labels that a number named by a user has: a count, or a score where they are scores.

    >>> score_of(7.0, "log2(x+1)"), score_of(2.5, "none")
    (3.0, 2.5)
    """
    if transform == "none":
        return value
    return float(np.log2(value + 1.0 if transform == "log2(x+1)" else value))


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 6)

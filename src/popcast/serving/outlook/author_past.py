"""What the authors whom a bundle knows have posted, and what became of it: the measure that a new post is held against.

Outcomes are those that the bundle keeps for looking back: the labels of the block ``history``, else the newest posts
whose texts it compares, and those observed since.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
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
EPOCH, NEVER = datetime(1970, 1, 1, tzinfo=UTC), np.iinfo(np.int64).min
SHOWN = 200
"""Posts of an author's past that are told, the newest ones."""


@dataclass(frozen=True)
class OlderPosts:
    """Labelled posts of one author that are older than a moment, oldest first: times in microseconds (``NEVER`` where a
    post has none) and outcomes on the scale of labels, both [n]."""

    times: np.ndarray
    outcomes: np.ndarray

    @property
    def median(self) -> float | None:
        return round(float(np.median(self.outcomes)), 6) if len(self.outcomes) else None


@dataclass(frozen=True)
class AuthorPast:
    """``posts``: all labelled posts by author, oldest first. ``places``: author -> first row, and the one behind the
    last. ``authors``: a row for each known author, those of most posts first.

    It is that of one moment: a bundle that has observed more needs a new one.
    """

    posts: OlderPosts
    places: dict[str, tuple[int, int]]
    authors: pl.DataFrame
    transform: str

    @classmethod
    def of(cls, forecast: Forecast) -> AuthorPast:
        told = _outcomes(forecast).filter(pl.col("user_id").is_not_null())
        told = told.sort("user_id", "posted_at", "post_id", nulls_last=False)
        known = forecast.known.filter(pl.col("user_id").is_not_null())
        authors = known.group_by("user_id").agg(posts=pl.len(), newest=pl.col("posted_at").max())
        row = pl.col("row").cast(pl.Int64)
        own = told.with_row_index("row").group_by("user_id").agg(
            median=pl.col("popularity").median(), first=row.min(), behind=row.max() + 1
        )  # fmt: skip
        places = {author: (first, behind) for author, first, behind in own.select("user_id", "first", "behind").rows()}
        authors = authors.join(own.select("user_id", "median"), on="user_id", how="left")
        authors = authors.sort("posts", "user_id", descending=[True, False])
        times = told["posted_at"].dt.epoch("us").fill_null(NEVER).to_numpy()
        posts = OlderPosts(times, told["popularity"].to_numpy())
        return cls(posts, places, authors, forecast.contents.transform)

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

    def before(self, author: str, moment: datetime | None) -> OlderPosts:
        """The author's labelled posts that are older than ``moment``; all of them where it is None, or where none has a
        time."""
        first, behind = self.places.get(author, (0, 0))
        times, outcomes = self.posts.times[first:behind], self.posts.outcomes[first:behind]
        if moment is None or not len(times) or times[-1] == NEVER:
            return OlderPosts(times, outcomes)
        timeless = int(np.searchsorted(times, NEVER, side="right"))
        older = int(np.searchsorted(times, _microseconds(moment)))
        return OlderPosts(times[timeless:older], outcomes[timeless:older])

    def knows(self, author: str) -> bool:
        return author in self.names

    @cached_property
    def names(self) -> set[str]:
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


def past_rows(older: OlderPosts, transform: str) -> list[dict[str, Any]]:
    """The newest ``SHOWN`` of an author's posts, newest first, as JSON has them."""
    times, outcomes = older.times[::-1][:SHOWN], pl.Series(older.outcomes[::-1][:SHOWN], dtype=pl.Float64)
    counts = [None] * len(outcomes) if transform == "none" else as_counts(outcomes, transform).round(3)
    return [
        {"posted_at": _iso(at), "popularity": _rounded(value), "count": count}
        for at, value, count in zip(times.tolist(), outcomes, counts, strict=True)
    ]


def _microseconds(moment: datetime) -> int:
    return (moment - EPOCH) // timedelta(microseconds=1)


def _iso(time: int) -> str | None:
    return None if time == NEVER else (EPOCH + timedelta(microseconds=time)).isoformat()


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

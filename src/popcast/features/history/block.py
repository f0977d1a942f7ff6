"""Block ``history``: what the author's older posts say at the time of posting (smp2025.md sections 3.2 and 9.7).

Label statistics use only labels that ``popcast.features.common.visibility`` allows: strictly older ones, of the
training part (or, for posts without a label, of every labelled post). Activity counts use no label and see the posts of
any split. Where nothing is visible a column is null; only counts are 0.
"""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Self

import numpy as np
import polars as pl

from popcast.core import tables
from popcast.core.errors import BadInput
from popcast.features.common.block_files import read_block
from popcast.features.common.contract import Context
from popcast.features.common.grown_rows import unknown_of, with_labels
from popcast.features.common.timelines import DAY, HOUR, Timeline, microseconds, timeline
from popcast.features.common.visibility import bank_parts, horizon, label_bank
from popcast.features.history.params import Params
from popcast.features.history.past_labels import PastLabels


class Block:
    """History of each post's author. Columns ``history.*``; see :meth:`transform`."""

    Params = Params

    def __init__(self, params: Params, context: Context) -> None:
        self.params = params
        self.context = context

    def fit(self, posts: pl.DataFrame, embedding: pl.DataFrame | None = None) -> Self:
        """Keep the labels with what decides their visibility, and when each author posted.

        Raises BadInput for a dataset without authors, times or training posts, and for an unknown outcome.
        """
        for column in ("user_id", "posted_at"):
            if posts[column].null_count() == posts.height:
                raise BadInput(f"{self.context.dataset}: block 'history' needs {column}, which this dataset has not")
        for name in self.params.outcomes:
            if not name.startswith("posthoc_") or name not in posts.columns:
                raise BadInput(f"params.yaml: features.history.outcomes: no posthoc_ column {name!r} in the posts")
        if posts.filter(split="train").height == 0:
            raise BadInput(f"{self.context.dataset}: block 'history' needs posts in the training part")
        wanted = [*self.params.targets, *(["tags"] if self.params.tags else [])]
        self.targets = [name for name in wanted if _used(posts, name)]
        self.kinds = [name for name in ("category", "post_mediatype") if _used(posts, name)]
        columns = ["post_id", "split", "fold", "popularity", *self._groups(), *self.params.outcomes]
        self.labels = label_bank(posts).select(columns)
        self.activity = posts.select("post_id", "user_id", "posted_at").sort("post_id")
        self._forget()
        return self

    def _forget(self, labels: bool = True) -> None:
        """Make anew what look-ups are made of, when it is next needed."""
        self._line: Timeline | None = None
        if labels:
            self._past: dict[bool, PastLabels] = {}
            self._parts: pl.DataFrame | None = None

    def grown(self, posts: pl.DataFrame, embedding: pl.DataFrame | None = None) -> Self:
        """A copy that knows these posts too, see :mod:`popcast.features.common.grown_rows`."""
        block = copy.copy(self)
        block.activity = pl.concat([self.activity, unknown_of(self.activity, posts)]).sort("post_id")
        told = label_bank(posts)
        if told.height:
            block.labels = with_labels(self.labels, told).sort("posted_at", "post_id", nulls_last=True)
        block._forget(labels=told.height > 0)
        return block

    def _groups(self) -> list[str]:
        """Columns of a post that decide whose past it looks at."""
        return list(dict.fromkeys(["user_id", "posted_at", *self.kinds, *self.targets]))

    def transform(self, posts: pl.DataFrame, embedding: pl.DataFrame | None = None) -> pl.DataFrame:
        """``post_id`` and ``history.*`` (Float64), one row per post, same order.

        count, mean, smoothed_mean (shrunk to the mean of all visible labels), median, std, min, max, last,
        mean_last_<k>, ewm, trend (last 3 minus mean), slope (per 30 days, shrunk): the author's visible labels.
        days_since_last, days_since_first: of these labels. author_<kind>_mean and _count: those of the author's posts
        of the same category, media type or hour bucket. <target>_mean, <target>_count, tags_mean: over all authors.
        level: mean of the newest visible labels of all authors. outcome_<name>: mean log1p over the author's last 5
        visible posts; outcome_<name>_gap: minus their popularity. posts_before, posts_24h, posts_7d,
        hours_since_previous: the author's older posts of any split, without labels.
        """
        types = self.labels.schema
        missing = [pl.lit(None, dtype=types[name]).alias(name) for name in self._groups() if name not in posts.columns]
        p = self.params
        if self._parts is None:
            self._parts = bank_parts(self.labels)
        queries = horizon(posts, self._parts, p.as_of, self.context.final_fit, p.lag_days, self.context.seed, p.draw)
        queries = queries.drop("post_id")
        queries = queries.hstack(posts.with_columns(missing).select("post_id", *self._groups())).with_row_index("row")
        parts = []
        for sees_all in (False, True):
            part = queries.filter(pl.col("posted_at").is_not_null(), sees_all=sees_all)
            if part.height or not parts:
                columns = self._past_labels(sees_all).columns(part) | self._activity(part)
                parts.append(part.select("row").with_columns(pl.Series(k, v, pl.Float64) for k, v in columns.items()))
        found = queries.select("row", "post_id").join(pl.concat(parts), on="row", how="left", maintain_order="left")
        return found.select(
            "post_id", pl.exclude("post_id", "row").fill_nan(None).name.prefix(f"{self.context.named('history')}.")
        )

    def _past_labels(self, sees_all: bool) -> PastLabels:
        if sees_all not in self._past:
            labels = self.labels if sees_all else self.labels.filter(split="train")
            self._past[sees_all] = PastLabels(labels, self.params, self.kinds, self.targets, self.context.zone)
        return self._past[sees_all]

    def _activity(self, queries: pl.DataFrame) -> dict[str, np.ndarray]:
        """Posts of the author before this one, in any split, and the time since the newest of them."""
        if self._line is None:
            self._line = timeline(self.activity, ("user_id",), ("posted_at",))
        line = self._line
        author = line.group(queries)
        now = microseconds(queries["posted_at"])
        start, stop = line.before_in(author, now)
        previous = microseconds(line.rows["posted_at"])[np.maximum(stop - 1, 0)]
        columns = {
            "posts_before": stop - start,
            "posts_24h": stop - line.before_in(author, now - DAY)[1],
            "posts_7d": stop - line.before_in(author, now - 7 * DAY)[1],
            "hours_since_previous": np.where(stop > start, (now - previous) / HOUR, np.nan),
        }
        anonymous = queries["user_id"].is_null().to_numpy()
        return {name: np.where(anonymous, np.nan, values) for name, values in columns.items()}

    def save(self, folder: Path) -> None:
        state = {"params": self.params.model_dump(), "targets": self.targets, "kinds": self.kinds}
        tables.write_json(state, folder / "state.json")
        self.labels.write_parquet(folder / "labels.parquet", compression="zstd", statistics=False)
        self.activity.write_parquet(folder / "activity.parquet", compression="zstd", statistics=False)

    @classmethod
    def load(cls, folder: Path, context: Context) -> Self:
        block, state = read_block(cls, folder / "state.json", context)
        block.targets, block.kinds = state["targets"], state["kinds"]
        block._forget()
        block.labels = pl.read_parquet(folder / "labels.parquet")
        block.activity = pl.read_parquet(folder / "activity.parquet")
        return block


def _used(posts: pl.DataFrame, column: str) -> bool:
    return column in posts.columns and posts[column].null_count() < posts.height

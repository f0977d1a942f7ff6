"""Block ``repeats``: whether the author has posted the same words before, and what became of them.

News pages link the same article again and again, and each time fewer people react. How often and how long ago uses no
label and sees posts of any split; what became of them uses labels that ``popcast.features.common.visibility`` allows.
Two texts are the same if they are so in small letters, with single blanks, up to ``characters``.
"""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Literal, Self

import numpy as np
import polars as pl
from pydantic import Field

from popcast.core import tables
from popcast.core.errors import BadInput
from popcast.core.section import Section
from popcast.features.common.block_files import read_block
from popcast.features.common.contract import Context
from popcast.features.common.grown_rows import unknown_of, with_labels
from popcast.features.common.joined_text import TextField, joined_text, with_fields
from popcast.features.common.timelines import (
    HOUR,
    Timeline,
    counts_and_means,
    label_sums,
    microseconds,
    shrunk,
    timeline,
)
from popcast.features.common.visibility import bank_parts, horizon, label_bank

AUTHOR = "user_id"


class Params(Section):
    fields: list[TextField] = Field(["title"], min_length=1, description="each is looked at for itself")
    characters: int = Field(100, ge=1, description="of a text that are compared")
    smoothing: float = Field(1.0, ge=0, description="labels' worth of the author's mean in the gap")
    as_of: Literal["post", "fold", "lag"] = Field("post", description="what training posts see, see visibility.py")
    lag_days: float = Field(0.0, ge=0, description="of as_of lag: the longest time that news may be old")
    draw: int = Field(0, ge=0, description="of as_of lag: which draw of times; members on several draws err less alike")


class Block:
    """Earlier posts of the same author with the same text. Columns ``repeats.*``; see :meth:`transform`."""

    Params = Params

    def __init__(self, params: Params, context: Context) -> None:
        self.params = params
        self.context = context

    def fit(self, posts: pl.DataFrame, embedding: pl.DataFrame | None = None) -> Self:
        """Keep who said what when, and the labels with what decides their visibility.

        Raises BadInput for a dataset without authors, times or training posts.
        """
        for column in (AUTHOR, "posted_at"):
            if posts[column].null_count() == posts.height:
                raise BadInput(f"{self.context.dataset}: block 'repeats' needs {column}, which this dataset has not")
        if posts.filter(split="train").height == 0:
            raise BadInput(f"{self.context.dataset}: block 'repeats' needs posts in the training part")
        self.activity = self._keyed(posts).select("post_id", AUTHOR, "posted_at", *self._keys()).sort("post_id")
        self.labels = label_bank(self._keyed(posts)).select(self._label_columns())
        self._forget()
        return self

    def grown(self, posts: pl.DataFrame, embedding: pl.DataFrame | None = None) -> Self:
        """A copy that knows these posts too, see :mod:`popcast.features.common.grown_rows`."""
        block, posts = copy.copy(self), self._keyed(posts)
        block.activity = pl.concat([self.activity, unknown_of(self.activity, posts)]).sort("post_id")
        told = label_bank(posts)
        if told.height:
            block.labels = with_labels(self.labels, told).sort("posted_at", "post_id", nulls_last=True)
        block._forget()
        return block

    def _forget(self) -> None:
        self._parts: pl.DataFrame | None = None
        self._said: dict[str, Timeline] = {}
        self._summed: dict[tuple[bool, tuple[str, ...]], tuple[Timeline, np.ndarray]] = {}

    def _keys(self) -> list[str]:
        return [f"same_{name}" for name in self.params.fields]

    def _label_columns(self) -> list[str]:
        return ["post_id", "split", "fold", "popularity", AUTHOR, "posted_at", *self._keys()]

    def _keyed(self, posts: pl.DataFrame) -> pl.DataFrame:
        """``posts`` with a column per field that is the same for the same words, null where there are none."""
        posts = with_fields(posts, self.params.fields)
        keys = []
        for name, key in zip(self.params.fields, self._keys(), strict=True):
            words = joined_text(posts, [name]).str.to_lowercase().str.replace_all(r"\s+", " ")
            keys.append(words.str.slice(0, self.params.characters).alias(key))
        return posts.with_columns(keys)

    def transform(self, posts: pl.DataFrame, embedding: pl.DataFrame | None = None) -> pl.DataFrame:
        """``post_id`` and ``repeats.<field>_*`` (Float64), one row per post, same order.

        before: the author's older posts with the same text; hours_since: the newest of them. labels: visible labels
        among them; gap: their mean minus the mean of all visible labels of the author, shrunk to 0. Null without
        author, time or text; hours_since and gap also where there is no such post or label.
        """
        p = self.params
        asked = self._keyed(posts)
        if self._parts is None:
            self._parts = bank_parts(self.labels)
        sees = horizon(asked, self._parts, p.as_of, self.context.final_fit, p.lag_days, self.context.seed, p.draw)
        queries = asked.select("post_id", AUTHOR, "posted_at", *self._keys())
        queries = queries.hstack(sees.drop("post_id")).with_row_index("row")
        parts = []
        for sees_all in (False, True):
            part = queries.filter(pl.col("posted_at").is_not_null(), sees_all=sees_all)
            if part.height or not parts:
                columns = self._columns(part, sees_all)
                parts.append(part.select("row").with_columns(pl.Series(k, v, pl.Float64) for k, v in columns.items()))
        found = queries.select("row", "post_id").join(pl.concat(parts), on="row", how="left", maintain_order="left")
        return found.select(
            "post_id", pl.exclude("post_id", "row").fill_nan(None).name.prefix(f"{self.context.named('repeats')}.")
        )

    def _columns(self, queries: pl.DataFrame, sees_all: bool) -> dict[str, np.ndarray]:
        now, moments = microseconds(queries["posted_at"]), microseconds(queries["sees_before"])
        _, usual = counts_and_means(*self._labels_by((AUTHOR,), sees_all), queries, moments)
        found = {}
        for name, key in zip(self.params.fields, self._keys(), strict=True):
            line = self._activity_by(key)
            start, stop = line.before(queries, now)
            newest = microseconds(line.rows["posted_at"])[np.maximum(stop - 1, 0)] if line.rows.height else now
            count, mean = counts_and_means(*self._labels_by((AUTHOR, key), sees_all), queries, moments)
            unknown = queries.select(pl.any_horizontal(pl.col(AUTHOR, key).is_null())).to_series().to_numpy()
            columns = {
                "before": stop - start,
                "hours_since": np.where(stop > start, (now - newest) / HOUR, np.nan),
                "labels": count,
                "gap": np.where(count > 0, shrunk(count, mean, usual, self.params.smoothing) - usual, np.nan),
            }
            found |= {f"{name}_{what}": np.where(unknown, np.nan, values) for what, values in columns.items()}
        return found

    def _activity_by(self, key: str) -> Timeline:
        if key not in self._said:
            self._said[key] = timeline(self.activity, (AUTHOR, key), ("posted_at",))
        return self._said[key]

    def _labels_by(self, by: tuple[str, ...], sees_all: bool) -> tuple[Timeline, np.ndarray]:
        if (sees_all, by) not in self._summed:
            labels = self.labels if sees_all else self.labels.filter(split="train")
            line = timeline(labels, by, ("popularity",))
            self._summed[sees_all, by] = line, label_sums(line)
        return self._summed[sees_all, by]

    def save(self, folder: Path) -> None:
        tables.write_json({"params": self.params.model_dump()}, folder / "state.json")
        self.labels.write_parquet(folder / "labels.parquet", compression="zstd", statistics=False)
        self.activity.write_parquet(folder / "activity.parquet", compression="zstd", statistics=False)

    @classmethod
    def load(cls, folder: Path, context: Context) -> Self:
        block, _ = read_block(cls, folder / "state.json", context)
        block.labels = pl.read_parquet(folder / "labels.parquet")
        block.activity = pl.read_parquet(folder / "activity.parquet")
        block._forget()
        return block

"""Block ``windows``: sliding-window average of an embedding over an author's posts (CR, smp2025.md section 3.2).

Features only, labels never: the mean of a post's embedding and those of the author's posts before it, of any split.
Posts with the same time are ordered by id, as integers where they are such. The default averages over the posts that
there are; ``zero_fill`` is the published variant, which counts a missing predecessor as a zero vector and leaves
authors with fewer posts than the window unchanged (it thereby knows how many posts an author will have).
"""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Self

import numpy as np
import polars as pl
from pydantic import Field

from popcast.core import tables
from popcast.core.errors import BadInput
from popcast.core.pretrained.saved_files import putting_together, read_array
from popcast.core.section import Section
from popcast.features.common.block_files import read_block
from popcast.features.common.contract import Context
from popcast.features.common.embeddings import embedding_of
from popcast.features.common.grown_rows import unknown_of

CHUNK = 16_384
"""Rows averaged at once in float64."""


class Params(Section):
    size: int = Field(3, ge=1, description="posts in the window, the current one included")
    min_periods: int = Field(1, ge=1, description="embeddings in the window below which the average is null")
    zero_fill: bool = Field(False, description="the published variant, for comparison")


class Block:
    """Column ``windows.embedding`` Array(Float32, width)."""

    Params = Params

    def __init__(self, params: Params, context: Context) -> None:
        self.params, self.context, self.name = params, context, context.named("windows")

    def fit(self, posts: pl.DataFrame, embedding: pl.DataFrame | None = None) -> Self:
        """Keep the embeddings of all posts that have an author, in the order of author, time and id."""
        for column in ("user_id", "posted_at"):
            if posts[column].null_count() == posts.height:
                raise BadInput(
                    f"{self.context.dataset}: block '{self.name}' needs {column}, which this dataset has not"
                )
        keys = posts.select("post_id", "user_id", "posted_at").drop_nulls()
        keys = keys.sort("user_id", "posted_at", *_id_order(), nulls_last=True)
        self.keys = keys
        self.vectors = _vectors(keys, embedding)
        return self

    def grown(self, posts: pl.DataFrame, embedding: pl.DataFrame | None = None) -> Self:
        """A copy that knows these posts too, see :mod:`popcast.features.common.grown_rows`."""
        block = copy.copy(self)
        fresh = unknown_of(self.keys, posts).drop_nulls()
        keys = pl.concat([self.keys, fresh]).with_row_index("place")
        keys = keys.sort("user_id", "posted_at", *_id_order(), nulls_last=True)
        vectors = np.concatenate([self.vectors, _vectors(fresh, embedding)]) if fresh.height else self.vectors
        block.keys, block.vectors = keys.drop("place"), vectors[keys["place"].to_numpy()]
        return block

    def transform(self, posts: pl.DataFrame, embedding: pl.DataFrame | None = None) -> pl.DataFrame:
        """``post_id`` and ``windows.embedding``, one row per post, same order.

        The predecessors are those given to ``fit``, so that a row does not depend on the other rows. Null where fewer
        than ``min_periods`` posts of the window have an embedding.
        """
        own = _vectors(posts, embedding)
        start, stop = self._predecessors(posts)
        averages = np.empty_like(own)
        for row in range(0, len(own), CHUNK):
            part = slice(row, row + CHUNK)
            averages[part] = self._average(own[part], start[part], stop[part])
        few = self.params.zero_fill & (self._posts_of_author(posts) < self.params.size)
        averages = np.where(few[:, None], own, averages)
        unknown = pl.Series(np.isnan(averages[:, 0]))
        column = pl.Series(f"{self.name}.embedding", averages, dtype=pl.Array(pl.Float32, own.shape[1]))
        table = posts.select("post_id").with_columns(column)
        return table.with_columns(pl.when(~unknown).then(f"{self.name}.embedding"))

    def _predecessors(self, posts: pl.DataFrame) -> tuple[np.ndarray, np.ndarray]:
        """Rows [n] of ``keys`` from the author's first post to the one before each post (exclusive)."""
        asked = posts.select("post_id", "user_id", "posted_at")
        both = pl.concat([self.keys, asked]).unique().sort("user_id", "posted_at", *_id_order(), nulls_last=True)
        both = both.with_row_index("rank")
        known = self.keys.join(both, on=self.keys.columns, how="left", maintain_order="left")["rank"].to_numpy()
        rank = asked.join(both, on=asked.columns, how="left", maintain_order="left", nulls_equal=True)[
            "rank"
        ].to_numpy()
        stop = np.searchsorted(known, rank, side="left")
        first = self.keys.with_row_index("first").unique("user_id", keep="first").select("user_id", "first")
        start = asked.join(first, on="user_id", how="left", maintain_order="left")["first"]
        start = start.cast(pl.Int64).fill_null(len(known)).to_numpy()
        timeless = asked["posted_at"].is_null().to_numpy()
        return np.where(timeless, stop, np.minimum(start, stop)), stop

    def _average(self, own: np.ndarray, start: np.ndarray, stop: np.ndarray) -> np.ndarray:
        """Mean [n, width] of the post's own vector and up to ``size - 1`` before it; NaN where unknown."""
        total = np.nan_to_num(own).astype(np.float64)
        count = (~np.isnan(own[:, 0])).astype(np.int64)
        for back in range(1, self.params.size):
            row = stop - back
            inside = row >= start
            vectors = self.vectors[np.where(inside, row, 0)] if len(self.vectors) else np.full_like(own, np.nan)
            present = inside & ~np.isnan(vectors[:, 0])
            total += np.where(present[:, None], vectors, 0.0)
            count += present
        divisor = np.full_like(count, self.params.size) if self.params.zero_fill else count
        enough = count >= self.params.min_periods
        return np.where(enough[:, None], total / np.maximum(divisor, 1)[:, None], np.nan).astype(np.float32)

    def _posts_of_author(self, posts: pl.DataFrame) -> np.ndarray:
        """Posts [n] that each author has in all splits, the asked one included where it is new."""
        asked = posts.select("post_id", "user_id")
        number = self.keys.group_by("user_id").len()
        total = asked.join(number, on="user_id", how="left", maintain_order="left")["len"].fill_null(0).to_numpy()
        new = ~asked["post_id"].is_in(self.keys["post_id"].implode()).to_numpy()
        return total.astype(np.int64) + new

    def save(self, folder: Path) -> None:
        tables.write_json({"params": self.params.model_dump()}, folder / "state.json")
        self.keys.write_parquet(folder / "posts.parquet", compression="zstd", statistics=False)
        np.save(folder / "vectors.npy", self.vectors, allow_pickle=False)

    @classmethod
    def load(cls, folder: Path, context: Context) -> Self:
        block, _ = read_block(cls, folder / "state.json", context)
        with putting_together(folder / "posts.parquet"):
            block.keys = pl.read_parquet(folder / "posts.parquet")
        block.vectors = read_array(folder / "vectors.npy")
        return block


def _id_order() -> list[pl.Expr]:
    """Ids that are integers in their order, then the others as strings. To be sorted with nulls last."""
    return [pl.col("post_id").cast(pl.Int64, strict=False), pl.col("post_id")]


def _vectors(posts: pl.DataFrame, embedding: pl.DataFrame | None) -> np.ndarray:
    """Embeddings [n, width] float32 of ``posts``, NaN rows where null."""
    if embedding is None:
        raise BadInput("block '{self.name}' needs the embedding of another block: declare it in derived, with 'of'")
    return embedding_of(posts, embedding)

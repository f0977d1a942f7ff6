"""Feature block ``knn_values`` (derived): what the most similar older posts of the training part were like.

Source: sheet smp2025.md section 7, KNN features: for each of eight columns the value at the first and the second
neighbour and the means over five and nine. Neighbours by cosine in the vectors of the block ``of``, among earlier
training posts, the author's posts of the last hour left out; who may see whom: ``popcast.features.common.retrieval``.

Columns: ``knn_values.<column>_1``, ``_2``, ``_mean5`` and ``_mean9``, where ``<column>`` is ``title_words``,
``tags_count`` or a ``user_*`` or ``post_*`` number of the table of posts. Six of the eight of the sheet are totals of a
crawled profile: where they were measured after posting (``posthoc_*``) they are no candidates. With ``labels: true``
also ``knn_values.label_1`` and so on, off by default because the block ``neighbours`` has them. A mean is over the
neighbours that there are and that have a value; null without any.
"""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Self

import numpy as np
import polars as pl
from pydantic import Field, field_validator

from popcast.core.errors import BadInput
from popcast.core.tables import write_json
from popcast.features.common.block_files import read_block
from popcast.features.common.contract import Context
from popcast.features.common.grown_rows import unknown_of
from popcast.features.common.retrieval import Bank, Rules

SHEET = (
    *("title_words", "tags_count", "user_total_tags", "user_total_faves", "user_total_in_group", "user_mean_view"),
    *("user_follower_count", "user_following_count"),
)
"""The eight columns of the sheet, as they are called here."""
COUNTED = {
    "title_words": pl.col("title").str.count_matches(r"\S+"),
    "tags_count": pl.col("tags").list.len(),
}
SINGLE, MEANS = (1, 2), (5, 9)
K = max(MEANS)


class Params(Rules):
    columns: list[str] | None = Field(None, description="null: the eight of the sheet, those that the dataset has")
    labels: bool = Field(False, description="popularity of the neighbours too")

    @field_validator("columns")
    @classmethod
    def known_at_posting_time(cls, columns: list[str] | None) -> list[str] | None:
        for name in columns or []:
            if (name not in COUNTED and not name.startswith(("user_", "post_"))) or name in ("user_id", "post_id"):
                raise ValueError(f"{name!r}: expected {', '.join(COUNTED)}, or a user_ or post_ number")
        return columns


class Block:
    """Bank of labelled posts and their values. ``columns``: what is read of a neighbour."""

    Params = Params

    def __init__(self, params: Params, context: Context) -> None:
        self.params, self.context, self.name = params, context, context.named("knn_values")
        self.retriever = Bank(params, context, self.name)

    def fit(self, posts: pl.DataFrame, embedding: pl.DataFrame | None = None) -> Self:
        """Choose the columns that training posts have, and keep the values of the posts in the bank."""
        self.retriever.fit(posts, embedding)
        train = posts.filter(split="train")
        found = {name: _values(train, name) for name in self.params.columns or SHEET}
        missing = [name for name, values in found.items() if values is None or not values.count()]
        if self.params.columns is not None and missing:
            raise BadInput(f"{self.context.dataset}: knn_values: no training post has a number in {missing[0]!r}")
        self.columns = [name for name in found if name not in missing]
        if not self.columns and not self.params.labels:
            raise BadInput(f"{self.context.dataset}: knn_values: none of the columns of the sheet is here: name some")
        rows = self.retriever.rows
        values = posts.select("post_id", *[_values(posts, name).alias(name) for name in self.columns])
        self.values = rows.select("post_id").join(values, on="post_id", how="left", maintain_order="left")
        if self.params.labels:
            self.columns.append("label")
            self.values = self.values.with_columns(label=rows["popularity"])
        return self

    def grown(self, posts: pl.DataFrame, embedding: pl.DataFrame | None = None) -> Self:
        """A copy that knows these posts too, see :mod:`popcast.features.common.grown_rows`."""
        block = copy.copy(self)
        block.retriever = self.retriever.grown(posts, embedding)
        names = [name for name in self.columns if name != "label"]
        told = posts.select("post_id", *[_values_or_none(posts, name).alias(name) for name in names])
        values = self.values.select("post_id", *names)
        values = pl.concat([values, unknown_of(values, told)])
        rows = block.retriever.rows
        block.values = rows.select("post_id").join(values, on="post_id", how="left", maintain_order="left")
        if "label" in self.columns:
            block.values = block.values.with_columns(label=rows["popularity"])
        return block

    def transform(self, posts: pl.DataFrame, embedding: pl.DataFrame | None = None) -> pl.DataFrame:
        """``post_id`` and the ``knn_values.`` columns, in the order of ``posts``."""
        return self._lent(posts, embedding)

    def held_out(self, posts: pl.DataFrame, embedding: pl.DataFrame | None = None) -> dict[int, pl.DataFrame]:
        """See :class:`popcast.features.common.contract.FeatureBlock`. Without labels nothing has to be held out."""
        folds = self.retriever.folds() if self.params.labels else []
        return {fold: self._lent(posts, embedding, fold) for fold in folds}

    def _lent(self, posts: pl.DataFrame, embedding: pl.DataFrame | None, without: int | None = None) -> pl.DataFrame:
        _, found = self.retriever.search(posts, embedding, K, without=without)
        index, _ = found["all"]
        columns = [posts["post_id"]]
        for name in self.columns:
            own = self.values[name].cast(pl.Float64).fill_null(float("nan")).to_numpy()
            near = np.where(index >= 0, own[index], np.nan)
            summed, known = np.nan_to_num(near).cumsum(axis=1), (~np.isnan(near)).cumsum(axis=1)
            numbers = {f"_{place}": near[:, place - 1] for place in SINGLE}
            with np.errstate(invalid="ignore"):
                numbers |= {f"_mean{k}": summed[:, k - 1] / known[:, k - 1] for k in MEANS}
            columns += [pl.Series(f"{self.name}.{name}{end}", v).fill_nan(None) for end, v in numbers.items()]
        return pl.DataFrame(columns)

    def save(self, folder: Path) -> None:
        self.retriever.save(folder)
        self.values.write_parquet(folder / "values.parquet", compression="zstd", statistics=False)
        write_json({"params": self.params.model_dump(mode="json"), "columns": self.columns}, folder / "block.json")

    @classmethod
    def load(cls, folder: Path, context: Context) -> Self:
        block, content = read_block(cls, folder / "block.json", context)
        block.retriever.load(folder)
        block.columns, block.values = content["columns"], pl.read_parquet(folder / "values.parquet")
        return block


def _values_or_none(posts: pl.DataFrame, name: str) -> pl.Series:
    """:func:`_values`, all null where the table has no such column."""
    found = _values(posts, name)
    return pl.Series(name, [None] * posts.height, dtype=pl.Float64) if found is None else found


def _values(posts: pl.DataFrame, name: str) -> pl.Series | None:
    """The numbers of a column [n], null where unknown; None where the table has no such column of numbers."""
    if name in COUNTED:
        return posts.select(COUNTED[name].cast(pl.Float64)).to_series()
    dtype = posts.schema.get(name)
    if dtype is None or not (dtype.is_numeric() or dtype == pl.Boolean):
        return None
    return posts[name].cast(pl.Float64)

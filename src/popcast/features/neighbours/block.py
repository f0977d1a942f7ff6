"""Feature block ``neighbours`` (derived): the most similar older posts with a label, and how popular they became.

Sources: sheets mmra.md section 3 (stored as indices and similarities) and smp2025.md section 7, KNN features (labels
strictly earlier and out-of-fold). Who may see whom, and the search: ``popcast.features.common.retrieval``.

Columns: ``neighbours.index`` (row of bank.parquet) and ``neighbours.similarity``, nearest first, null inside where
fewer are visible; over the first ``k`` of them ``label_mean`` and ``label_spread`` (weights softmax(similarity /
temperature)), ``label_median``, ``count``, ``top_similarity``; in the scope ``author`` (the author's own older posts)
``author_label_mean``, ``author_similarity`` (the nearest one) and ``author_count``. Nulls for a post without embedding.
"""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Literal, Self

import numpy as np
import polars as pl
from pydantic import Field, model_validator

from popcast.core.tables import write_json
from popcast.features.common.block_files import read_block
from popcast.features.common.contract import Context
from popcast.features.common.retrieval import Bank, Rules


class Params(Rules):
    k: int = Field(20, ge=1, description="neighbours that the label features use")
    k_stored: int = Field(20, ge=1, description="neighbours in index and similarity")
    temperature: float = Field(0.1, gt=0, description="of the weights: the smaller, the more the nearest one counts")
    scopes: list[Literal["all", "author"]] = Field(["all", "author"], min_length=1)

    @model_validator(mode="after")
    def enough(self) -> Params:
        if self.k_stored < self.k:
            raise ValueError("k_stored must be at least k")
        return self


class Block:
    """What the nearest rows of a bank say. ``bank``: see :class:`popcast.features.common.retrieval.Bank`."""

    Params = Params

    def __init__(self, params: Params, context: Context) -> None:
        self.params, self.context, self.name = params, context, context.named("neighbours")
        self.retriever = Bank(params, context, self.name)

    @property
    def bank(self) -> pl.DataFrame:
        """The labelled posts that ``neighbours.index`` counts, as in bank.parquet."""
        return self.retriever.rows

    def fit(self, posts: pl.DataFrame, embedding: pl.DataFrame | None = None) -> Self:
        """Keep the labelled posts and their unit vectors."""
        self.retriever.fit(posts, embedding)
        return self

    def grown(self, posts: pl.DataFrame, embedding: pl.DataFrame | None = None) -> Self:
        """A copy that knows these posts too, see :mod:`popcast.features.common.grown_rows`."""
        block = copy.copy(self)
        block.retriever = self.retriever.grown(posts, embedding)
        return block

    def transform(self, posts: pl.DataFrame, embedding: pl.DataFrame | None = None) -> pl.DataFrame:
        """``post_id`` and the ``neighbours.`` columns, in the order of ``posts``."""
        return self._lent(posts, embedding)

    def held_out(self, posts: pl.DataFrame, embedding: pl.DataFrame | None = None) -> dict[int, pl.DataFrame]:
        """See :class:`popcast.features.common.contract.FeatureBlock`."""
        return {fold: self._lent(posts, embedding, fold) for fold in self.retriever.folds()}

    def _lent(self, posts: pl.DataFrame, embedding: pl.DataFrame | None, without: int | None = None) -> pl.DataFrame:
        p = self.params
        known, found = self.retriever.search(posts, embedding, p.k_stored, tuple(p.scopes), without)
        columns = [column for scope in p.scopes for column in self._columns(scope, *found[scope])]
        return pl.DataFrame([posts["post_id"], *columns]).with_columns(
            pl.when(pl.Series(known)).then(pl.exclude("post_id"))
        )

    def _columns(self, scope: str, index: np.ndarray, similarity: np.ndarray) -> list[pl.Series]:
        k = self.params.k
        seen = index[:, :k] >= 0
        labels = np.where(seen, self.bank["popularity"].to_numpy()[index[:, :k]], np.nan)
        weights = np.where(seen, np.exp((similarity[:, :k] - similarity[:, :1]) / self.params.temperature), 0.0)
        total = weights.sum(axis=1)
        weights /= np.where(total > 0, total, 1.0)[:, None]
        some = total > 0
        mean = (weights * np.nan_to_num(labels)).sum(axis=1)
        spread = np.sqrt((weights * np.nan_to_num(labels - mean[:, None]) ** 2).sum(axis=1))
        numbers = {"label_mean": mean, "top_similarity": similarity[:, 0].astype(np.float64)}
        if scope == "author":
            numbers = {"author_label_mean": mean, "author_similarity": numbers["top_similarity"]}
        else:
            median = np.full(len(index), np.nan)
            median[some] = np.nanmedian(labels[some], axis=1)
            numbers |= {"label_spread": spread, "label_median": median}
        columns = [
            pl.Series(f"{self.name}.{name}", np.where(some, v, np.nan)).fill_nan(None) for name, v in numbers.items()
        ]
        count = "author_count" if scope == "author" else "count"
        columns.append(pl.Series(f"{self.name}.{count}", seen.sum(axis=1).astype(np.float64)))
        if scope == "author":
            return columns
        stored = pl.DataFrame({"index": index.reshape(-1), "similarity": similarity.reshape(-1)})
        stored = stored.select(pl.when(pl.col("index") >= 0).then(pl.all()))
        return [stored[name].reshape(index.shape).alias(f"{self.name}.{name}") for name in stored.columns] + columns

    def save(self, folder: Path) -> None:
        self.retriever.save(folder)
        write_json({"params": self.params.model_dump(mode="json")}, folder / "block.json")

    @classmethod
    def load(cls, folder: Path, context: Context) -> Self:
        block, _ = read_block(cls, folder / "block.json", context)
        block.retriever.load(folder)
        return block

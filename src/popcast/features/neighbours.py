"""Feature block ``neighbours`` (derived): the most similar older posts with a label, and how popular they became.

Sources: sheets mmra.md sections 3 and 13.6 (bank of training posts, exact cosine, stored as indices and similarities,
self never retrieved) and smp2025.md section 7, KNN features (earlier posts only, same burst excluded, labels strictly
earlier and out-of-fold). Which labels a post may see: ``popcast.features.visibility``. Search: ``similarity``.

Where the dataset has no time, a training post looks at the training posts of the other folds, and valid and test at the
whole training part. Rows of valid and test enter the bank for unlabelled posts only (``final_fit: labelled``).

Columns: ``neighbours.index`` (row of bank.parquet) and ``neighbours.similarity``, nearest first, null inside where
fewer are visible; over the first ``k`` of them ``label_mean`` and ``label_spread`` (weights softmax(similarity /
temperature)), ``label_median``, ``count``, ``top_similarity``; in the scope ``author`` (the author's own older posts)
``author_label_mean``, ``author_similarity`` (the nearest one) and ``author_count``. Nulls for a post without embedding.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Literal, Self

import numpy as np
import orjson
import polars as pl
from pydantic import Field, model_validator

from popcast.errors import BadInput
from popcast.features.base import Context
from popcast.features.similarity import Visible, nearest, unit_rows
from popcast.features.visibility import horizon, label_bank
from popcast.params import Section
from popcast.tables import write_json

BANK = ("post_id", "user_id", "posted_at", "split", "fold", "popularity")
HOUR = 3_600_000_000
"""Microseconds."""


class Params(Section):
    k: int = Field(20, ge=1, description="neighbours that the label features use")
    k_stored: int = Field(20, ge=1, description="neighbours in index and similarity")
    as_of: Literal["post", "fold", "lag"] = Field("post", description="what training posts see, see visibility.py")
    lag_days: float = Field(0.0, ge=0, description="of as_of lag: the longest time that news may be old")
    temperature: float = Field(0.1, gt=0, description="of the weights: the smaller, the more the nearest one counts")
    exclude_hours: float = Field(1.0, ge=0, description="posts of the same author closer than this are left out")
    test_bank: Literal["train", "train+valid"] = Field(
        "train", description="what test posts search; train+valid belongs with test_fit of the runs"
    )
    scopes: list[Literal["all", "author"]] = Field(["all", "author"], min_length=1)

    @model_validator(mode="after")
    def enough(self) -> Params:
        if self.k_stored < self.k:
            raise ValueError("k_stored must be at least k")
        return self


class Block:
    """Bank of labelled posts. ``bank`` [m rows]: training posts first, each part by time and id."""

    Params = Params

    def __init__(self, params: Params, context: Context) -> None:
        self.params, self.context = params, context

    def fit(self, posts: pl.DataFrame, embedding: pl.DataFrame | None = None) -> Self:
        """Keep the labelled posts and their unit vectors."""
        bank = label_bank(posts)
        training = pl.col("split") == "train"
        parts = [bank.filter(training)]
        if self.context.final_fit == "labelled" or self.params.test_bank == "train+valid":
            parts.append(bank.filter(~training))
        self.bank = pl.concat(parts).select(BANK)
        if not parts[0].height:
            raise BadInput(f"{self.context.dataset}: no training post has a label: neighbours need some")
        self.timed = not self.bank["posted_at"].is_null().all()
        if not self.timed and parts[0]["fold"].null_count():
            raise BadInput(f"{self.context.dataset}: training posts without fold and without time: expected either")
        self.vectors = self._unit(self.bank, embedding)
        return self

    def _unit(self, posts: pl.DataFrame, embedding: pl.DataFrame | None) -> np.ndarray:
        """Unit vectors float32 [n, width] of the posts; a zero row where there is no embedding."""
        if embedding is None:
            raise BadInput(
                f"{self.context.dataset}: neighbours are a derived block: expected the block that they are of"
            )
        column = posts.select("post_id").join(embedding, on="post_id", how="left", maintain_order="left")["embedding"]
        vectors = np.zeros((len(column), column.dtype.size), np.float32)
        known = column.is_not_null().to_numpy()
        if known.any():
            vectors[known] = column.drop_nulls().to_numpy()
        return unit_rows(vectors)

    def transform(self, posts: pl.DataFrame, embedding: pl.DataFrame | None = None) -> pl.DataFrame:
        """``post_id`` and the ``neighbours.`` columns, in the order of ``posts``."""
        p = self.params
        vectors = self._unit(posts, embedding)
        if vectors.shape[1] != self.vectors.shape[1]:
            raise BadInput(f"neighbours: embedding of width {vectors.shape[1]}: expected {self.vectors.shape[1]}")
        queries = self._queries(posts)
        rank = np.argsort(np.argsort(self.bank["post_id"].to_numpy(), kind="stable"), kind="stable")
        shape = (posts.height, p.k_stored)
        found = {scope: (np.full(shape, -1, np.int32), np.zeros(shape, np.float32)) for scope in p.scopes}
        for scope, rows, bank_rows in self._searches(queries, vectors):
            visible = self._visible(queries[rows], bank_rows)
            local, similarity = nearest(vectors[rows], self.vectors[bank_rows], visible, rank[bank_rows], p.k_stored)
            found[scope][0][rows] = np.where(local >= 0, bank_rows[local], -1)
            found[scope][1][rows] = similarity
        known = pl.Series(vectors.any(axis=1))
        table = pl.DataFrame(
            [posts["post_id"], *(c for scope in p.scopes for c in self._columns(scope, *found[scope]))]
        )
        return table.with_columns(pl.when(known).then(pl.exclude("post_id")))

    def _queries(self, posts: pl.DataFrame) -> pl.DataFrame:
        """What decides who sees what, in the order of posts: user code, times in microseconds, ``train``, ``fold``."""
        p = self.params
        seen = horizon(posts, self.bank, p.as_of, self.context.final_fit, p.lag_days, self.context.seed)
        split = pl.col("split")
        place = self.bank.select("post_id", "fold", train=split == "train", test=split == "test")
        queries = posts.select("post_id", "user_id", "posted_at").with_columns(seen.drop("post_id"))
        queries = queries.join(place, on="post_id", how="left", maintain_order="left")
        users = self.bank["user_id"].unique(maintain_order=True).drop_nulls()
        codes = pl.DataFrame({"user_id": users, "user": pl.arange(len(users), eager=True)})
        self._bank_users = self._codes(self.bank, codes)
        return queries.with_columns(
            pl.Series("user", self._codes(queries, codes)),
            pl.col("posted_at", "sees_before").dt.epoch("us"),
            pl.col("train", "test").fill_null(False),
        )

    @staticmethod
    def _codes(table: pl.DataFrame, codes: pl.DataFrame) -> np.ndarray:
        joined = table.select("user_id").join(codes, on="user_id", how="left", maintain_order="left")
        return joined["user"].fill_null(-1).to_numpy()

    def _searches(self, queries: pl.DataFrame, vectors: np.ndarray) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
        """(scope, rows of queries, rows of the bank in the order of time) of every search to do."""
        training = (self.bank["split"] == "train").to_numpy()
        usable = self.vectors.any(axis=1)
        if self.timed:
            usable &= self.bank["posted_at"].is_not_null().to_numpy()
        fold = self.bank["fold"].fill_null(-1).to_numpy()
        sees_all, asking = queries["sees_all"].to_numpy(), vectors.any(axis=1)
        in_train, own_fold = queries["train"].to_numpy(), queries["fold"].fill_null(-1).to_numpy()
        groups = [(asking & sees_all, usable)]
        rest = asking & ~sees_all
        if self.params.test_bank == "train+valid":
            late = rest & queries["test"].to_numpy()
            rest = rest & ~late
            groups.append((late, usable & (self.bank["split"] != "test").to_numpy()))
        if self.timed:
            groups.append((rest, usable & training))
        else:
            groups.append((rest & ~in_train, usable & training))
            for f in np.unique(own_fold[in_train]):
                groups.append((asking & in_train & (own_fold == f), usable & training & (fold != f)))
        users = queries["user"].to_numpy()
        for asked, seen in groups:
            rows, bank_rows = np.flatnonzero(asked), self._in_time(np.flatnonzero(seen))
            if not len(rows) or not len(bank_rows):
                continue
            if "all" in self.params.scopes:
                yield "all", rows, bank_rows
            if "author" in self.params.scopes:
                own = _by_author(bank_rows, self._bank_users[bank_rows])
                for author, mine in _by_author(rows, users[rows]).items():
                    if author in own:
                        yield "author", mine, own[author]

    def _in_time(self, bank_rows: np.ndarray) -> np.ndarray:
        """Bank rows sorted by time, then in the order of the bank."""
        times = self.bank["posted_at"].dt.epoch("us").fill_null(0).to_numpy()[bank_rows]
        return bank_rows[np.argsort(times, kind="stable")]

    def _visible(self, queries: pl.DataFrame, bank_rows: np.ndarray) -> Visible:
        """What the queries see of these bank rows: strictly older ones, and none of the author's last hours."""
        users, size = queries["user"].to_numpy(), len(bank_rows)
        before = excluded_from = np.full(queries.height, size)
        if self.timed:
            times = self.bank["posted_at"].dt.epoch("us").to_numpy()[bank_rows]
            never = np.iinfo(np.int64).min
            sees_before = queries["sees_before"].fill_null(never).to_numpy()
            burst = queries["posted_at"].fill_null(0).to_numpy() - round(self.params.exclude_hours * HOUR)
            before = np.searchsorted(times, sees_before, side="left")
            excluded_from = np.searchsorted(times, burst, side="right")
        return Visible(before, users, excluded_from, self._bank_users[bank_rows])

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
            pl.Series(f"neighbours.{name}", np.where(some, v, np.nan)).fill_nan(None) for name, v in numbers.items()
        ]
        count = "author_count" if scope == "author" else "count"
        columns.append(pl.Series(f"neighbours.{count}", seen.sum(axis=1).astype(np.float64)))
        if scope == "author":
            return columns
        stored = pl.DataFrame({"index": index.reshape(-1), "similarity": similarity.reshape(-1)})
        stored = stored.select(pl.when(pl.col("index") >= 0).then(pl.all()))
        return [stored[name].reshape(index.shape).alias(f"neighbours.{name}") for name in stored.columns] + columns

    def save(self, folder: Path) -> None:
        from safetensors.numpy import save_file

        folder.mkdir(parents=True, exist_ok=True)
        write_json({"params": self.params.model_dump(mode="json")}, folder / "block.json")
        self.bank.write_parquet(folder / "bank.parquet", compression="zstd", statistics=False)
        save_file({"vectors": self.vectors}, folder / "bank.safetensors")

    @classmethod
    def load(cls, folder: Path, context: Context) -> Self:
        from safetensors.numpy import load_file

        content = orjson.loads((folder / "block.json").read_bytes())
        block = cls(Params.model_validate(content["params"]), context)
        block.bank = pl.read_parquet(folder / "bank.parquet")
        block.vectors = load_file(folder / "bank.safetensors")["vectors"]
        block.timed = not block.bank["posted_at"].is_null().all()
        return block


def _by_author(rows: np.ndarray, authors: np.ndarray) -> dict[int, np.ndarray]:
    """Rows of each known author, in their order."""
    order = np.argsort(authors, kind="stable")
    codes, starts = np.unique(authors[order], return_index=True)
    parts = np.split(rows[order], starts[1:])
    return {int(code): part for code, part in zip(codes, parts, strict=True) if code >= 0}

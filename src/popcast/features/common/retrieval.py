"""Retrieval: a bank of labelled posts with unit vectors, and the nearest ones that a post may see.

Sources: sheets mmra.md sections 3 and 13.6 (bank of training posts, exact cosine, self never retrieved, no row of the
test split) and smp2025.md section 7, KNN features (earlier posts only, same burst excluded). Which posts a post may
see: ``popcast.features.common.visibility``. Search: ``popcast.features.common.nearest``.

Where the dataset has no time, a training post looks at the training posts of the other folds, and valid and test at the
whole training part. A model that predicts fold k out-of-fold must not learn from rows that saw labels of fold k: for it
training posts look once more, at neither their own fold nor fold k (``without``). Rows of valid and test enter the bank
for unlabelled posts only (``final_fit: labelled``), those of valid also for test posts where ``test_bank`` says so.
Every answer is held against these rules before it is given.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal, Self

import numpy as np
import polars as pl
from pydantic import Field

from popcast.core.errors import BadInput
from popcast.core.pretrained.saved_files import putting_together, read_tensors
from popcast.core.section import Section
from popcast.features.common.contract import Context
from popcast.features.common.embeddings import embedding_of
from popcast.features.common.grown_rows import with_labels
from popcast.features.common.nearest import Visible, nearest, unit_rows
from popcast.features.common.visibility import bank_parts, horizon, label_bank

BANK = ("post_id", "user_id", "posted_at", "split", "fold", "popularity")
HOUR = 3_600_000_000
"""Microseconds."""
CELLS = 2**24
"""Neighbours fetched at once where some of them have to be dropped."""


class Rules(Section):
    """Who sees what. Base of the params of the blocks that retrieve."""

    as_of: Literal["post", "fold", "lag"] = Field("post", description="what training posts see, see visibility.py")
    lag_days: float = Field(0.0, ge=0, description="of as_of lag: the longest time that news may be old")
    draw: int = Field(0, ge=0, description="of as_of lag: which draw of times; members on several draws err less alike")
    exclude_hours: float = Field(1.0, ge=0, description="posts of the same author closer than this are left out")
    test_bank: Literal["train", "train+valid"] = Field(
        "train", description="what test posts search; train+valid belongs with test_fit of the runs"
    )
    drop_same_title: bool = Field(False, description="leave out posts whose title is the same to the letter")


@dataclass(frozen=True)
class Searched:
    """Rows of a bank in the order of time, with what a search needs of each.

    ``row``: its number. ``vectors``: unit length. ``rank``: of the id among all. ``user``: -1 unknown. ``times``:
    microseconds."""

    row: np.ndarray
    vectors: np.ndarray
    rank: np.ndarray
    user: np.ndarray
    times: np.ndarray

    def of(self, places: np.ndarray) -> Searched:
        """Some of them."""
        return Searched(*(getattr(self, name)[places] for name in ("row", "vectors", "rank", "user", "times")))

    @cached_property
    def authors(self) -> dict[int, np.ndarray]:
        """Places of each known author."""
        return _by_author(np.arange(len(self.row)), self.user)


class Bank:
    """``rows`` [m]: labelled posts, the training part first, each part by time and id. ``vectors`` float32 [m, width].

    name: of the block, for errors.
    """

    def __init__(self, rules: Rules, context: Context, name: str) -> None:
        self.rules, self.context, self.name = rules, context, name

    def fit(self, posts: pl.DataFrame, embedding: pl.DataFrame | None) -> Self:
        """Keep the labelled posts and their unit vectors. Arguments as for a derived feature block."""
        bank = label_bank(posts)
        training = pl.col("split") == "train"
        parts = [bank.filter(training)]
        if self.context.final_fit == "labelled" or self.rules.test_bank == "train+valid":
            parts.append(bank.filter(~training))
        self.rows = pl.concat(parts).select(*BANK, *(["title"] if self.rules.drop_same_title else []))
        if not parts[0].height:
            raise BadInput(f"{self.context.dataset}: no training post has a label: {self.name} need some")
        self._look_up()
        if not self.timed and parts[0]["fold"].null_count():
            raise BadInput(f"{self.context.dataset}: training posts without fold and without time: expected either")
        self.vectors = self.unit(self.rows, embedding)
        return self

    def grown(self, posts: pl.DataFrame, embedding: pl.DataFrame | None) -> Self:
        """A copy that knows these labelled posts too, in the order that a fit on all of them has."""
        told = label_bank(posts)
        if self.context.final_fit != "labelled" and self.rules.test_bank != "train+valid":
            told = told.join(self.rows.select("post_id"), on="post_id", how="semi")
        bank, count = copy.copy(self), self.rows.height
        rows = with_labels(self.rows, told).with_row_index("place")
        bank.rows = rows.sort(pl.col("split") != "train", "posted_at", "post_id", nulls_last=True)
        fresh = rows[count:]
        vectors = np.concatenate([self.vectors, self.unit(fresh, embedding)]) if fresh.height else self.vectors
        bank.vectors = vectors[bank.rows["place"].to_numpy()]
        bank.rows = bank.rows.drop("place")
        bank._look_up()
        return bank

    def _look_up(self) -> None:
        ids = self.rows["post_id"].to_numpy()
        self.rank = np.argsort(np.argsort(ids, kind="stable"), kind="stable")
        self.timed = not self.rows["posted_at"].is_null().all()
        self.users = _vocabulary(self.rows["user_id"])
        self.user = _codes(self.rows["user_id"], self.users)
        self.parts = bank_parts(self.rows)
        self.times = self.rows["posted_at"].dt.epoch("us").fill_null(0).to_numpy()
        split = self.rows["split"]
        self.training, self.validation = (split == "train").to_numpy(), (split == "valid").to_numpy()
        self.testing, self.fold = (split == "test").to_numpy(), self.rows["fold"].fill_null(-1).to_numpy()
        if self.rules.drop_same_title:
            self.titles = _vocabulary(self.rows["title"])
            self.title = _codes(self.rows["title"], self.titles)
        rows = pl.int_range(pl.len(), dtype=pl.Int64)
        self.places = self.rows.select("post_id", "fold", train=split == "train", test=split == "test", row=rows)
        self._searched: dict[str, Searched] = {}

    def unit(self, posts: pl.DataFrame, embedding: pl.DataFrame | None) -> np.ndarray:
        """Unit vectors float32 [n, width] of the posts; a zero row where there is no embedding."""
        if embedding is None:
            raise BadInput(
                f"{self.context.dataset}: {self.name} are a derived block: expected the block that they are of"
            )
        return unit_rows(embedding_of(posts, embedding, missing=0.0))

    def folds(self) -> list[int]:
        """Folds that out-of-fold models hold out of what posts see; [] with times, where posts see older ones only."""
        return [] if self.timed else self.rows.filter(split="train")["fold"].unique().sort().to_list()

    def search(
        self,
        posts: pl.DataFrame,
        embedding: pl.DataFrame | None,
        k: int,
        scopes: tuple[str, ...] = ("all",),
        without: int | None = None,
    ) -> tuple[np.ndarray, dict[str, tuple[np.ndarray, np.ndarray]]]:
        """The k nearest rows that each post may see, nearest first, ties by ascending id.

        scopes: ``all``, and ``author`` for the post's author alone. without: one of :meth:`folds`, of which no training
        post sees anything. Returns whether a post has an embedding (bool [n])
        and per scope ``rows`` indices int32 [n, k] (-1 where fewer are visible) and similarities float32 [n, k].
        """
        vectors = self.unit(posts, embedding)
        if vectors.shape[1] != self.vectors.shape[1]:
            raise BadInput(f"{self.name}: embedding of width {vectors.shape[1]}: expected {self.vectors.shape[1]}")
        queries = self._queries(posts)
        shape = (posts.height, k)
        found = {scope: (np.full(shape, -1, np.int32), np.zeros(shape, np.float32)) for scope in scopes}
        for scope, asked, seen in self._searches(queries, vectors, scopes, without):
            local, similarity = self._nearest(queries[asked], vectors[asked], seen, k)
            found[scope][0][asked] = np.where(local >= 0, seen.row[local], -1)
            found[scope][1][asked] = similarity
        for index, _ in found.values():
            self._check(queries, index, without)
        return vectors.any(axis=1), found

    def _queries(self, posts: pl.DataFrame) -> pl.DataFrame:
        """What decides who sees what, in the order of posts: codes, times in microseconds, part, fold, own row."""
        r = self.rules
        seen = horizon(posts, self.parts, r.as_of, self.context.final_fit, r.lag_days, self.context.seed, r.draw)
        place = self.places.filter(pl.col("post_id").is_in(posts["post_id"].implode()))
        queries = posts.select("post_id", "user_id", "posted_at").with_columns(seen.drop("post_id"))
        queries = queries.join(place, on="post_id", how="left", maintain_order="left")
        if r.drop_same_title:
            queries = queries.with_columns(title=pl.Series(_codes(posts["title"], self.titles)))
        return queries.with_columns(
            pl.Series("user", _codes(queries["user_id"], self.users)),
            pl.col("posted_at", "sees_before").dt.epoch("us"),
            pl.col("train", "test").fill_null(False),
            pl.col("row").fill_null(-1),
        )

    def _searches(
        self, queries: pl.DataFrame, vectors: np.ndarray, scopes: tuple[str, ...], without: int | None
    ) -> Iterator[tuple[str, np.ndarray, Searched]]:
        """(scope, rows of queries, rows of the bank that they look among) of every search to do."""
        sees_all, asking = queries["sees_all"].to_numpy(), vectors.any(axis=1)
        in_train, own_fold = queries["train"].to_numpy(), queries["fold"].fill_null(-1).to_numpy()
        users = queries["user"].to_numpy()
        for asked, seen in self._groups(queries, asking, sees_all, in_train, own_fold, without):
            rows = np.flatnonzero(asked)
            if not len(rows) or not len(seen.row):
                continue
            if "all" in scopes:
                yield "all", rows, seen
            if "author" in scopes:
                for author, mine in _by_author(rows, users[rows]).items():
                    if author in seen.authors:
                        yield "author", mine, seen.of(seen.authors[author])

    def _groups(
        self, queries: pl.DataFrame, asking: np.ndarray, sees_all: np.ndarray, in_train: np.ndarray,
        own_fold: np.ndarray, without: int | None,
    ) -> Iterator[tuple[np.ndarray, Searched]]:  # fmt: skip
        """Which queries (bool [n]) look among which rows. Nothing is looked up that no query asks for."""
        rest = asking & ~sees_all
        if (asking & sees_all).any():
            yield asking & sees_all, self._among("all", np.ones(self.rows.height, bool))
        if self.rules.test_bank == "train+valid":
            late = rest & queries["test"].to_numpy()
            rest = rest & ~late
            if late.any():
                yield late, self._among("without test", ~self.testing)
        outside = rest if self.timed else rest & ~in_train
        if outside.any():
            yield outside, self._among("training", self.training)
        for f in () if self.timed else np.unique(own_fold[in_train]):
            seen = self.training & (self.fold != f)
            if without is not None:
                seen = seen & (self.fold != without)
            yield asking & in_train & (own_fold == f), self._in_time(seen)

    def _among(self, name: str, seen: np.ndarray) -> Searched:
        """:meth:`_in_time`, kept until other rows are asked for: it holds the vectors once more."""
        kept = self._searched.get(name)
        if kept is None:
            kept = self._in_time(seen)
            self._searched = {name: kept}
        return kept

    def _in_time(self, seen: np.ndarray) -> Searched:
        """Rows of the bank (bool [m]) that can be found, by time, then in the order of the bank."""
        usable = seen & self.vectors.any(axis=1)
        if self.timed:
            usable &= self.rows["posted_at"].is_not_null().to_numpy()
        row = np.flatnonzero(usable)
        row = row[np.argsort(self.times[row], kind="stable")]
        return Searched(row, self.vectors[row], self.rank[row], self.user[row], self.times[row])

    def _visible(self, queries: pl.DataFrame, seen: Searched) -> Visible:
        """What the queries see of these bank rows: strictly older ones, and none of the author's last hours."""
        users, size = queries["user"].to_numpy(), len(seen.row)
        before = excluded_from = np.full(queries.height, size)
        if self.timed:
            never = np.iinfo(np.int64).min
            sees_before = queries["sees_before"].fill_null(never).to_numpy()
            burst = queries["posted_at"].fill_null(0).to_numpy() - round(self.rules.exclude_hours * HOUR)
            before = np.searchsorted(seen.times, sees_before, side="left")
            excluded_from = np.searchsorted(seen.times, burst, side="right")
        return Visible(before, users, excluded_from, seen.user)

    def _nearest(
        self, queries: pl.DataFrame, vectors: np.ndarray, seen: Searched, k: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """Places in ``seen`` [n, k] and similarities of the nearest ones."""
        visible, bank, rank = self._visible(queries, seen), seen.vectors, seen.rank
        if not self.rules.drop_same_title:
            return nearest(vectors, bank, visible, rank, k)
        title, bank_title = queries["title"].to_numpy(), self.title[seen.row]
        known, counts = np.unique(bank_title[bank_title >= 0], return_counts=True)
        place = np.searchsorted(known, title)
        same = np.where(np.isin(title, known), np.append(counts, 0)[place], 0)
        index = np.full((len(title), k), -1, np.int32)
        similarity = np.zeros((len(title), k), np.float32)
        for asked in _about_as_many(same, k):
            more, values = nearest(vectors[asked], bank, visible.of(asked), rank, k + int(same[asked].max()))
            hidden = (more < 0) | ((bank_title[more] == title[asked, None]) & (title[asked, None] >= 0))
            first = np.argsort(hidden, axis=1, kind="stable")[:, :k]
            gone = np.take_along_axis(hidden, first, axis=1)
            index[asked] = np.where(gone, -1, np.take_along_axis(more, first, axis=1))
            similarity[asked] = np.where(gone, 0, np.take_along_axis(values, first, axis=1))
        return index, similarity

    def _check(self, queries: pl.DataFrame, index: np.ndarray, without: int | None) -> None:
        """The rules of who sees whom, for every pair that was found."""
        asked, column = np.nonzero(index >= 0)
        row = index[asked, column]
        assert (row != queries["row"].to_numpy()[asked]).all(), "a post was retrieved for itself"
        sees_all, late = queries["sees_all"].to_numpy()[asked], queries["test"].to_numpy()[asked]
        late &= self.validation[row] & (self.rules.test_bank == "train+valid")
        assert (sees_all | late | self.training[row]).all(), "a post outside the training part was retrieved"
        if self.timed:
            before = queries["sees_before"].fill_null(np.iinfo(np.int64).min).to_numpy()
            assert (self.times[row] < before[asked]).all(), "a later post was retrieved"
        else:
            fold, own = self.fold[row], queries["fold"].fill_null(-1).to_numpy()[asked]
            training = queries["train"].to_numpy()[asked]
            assert (~training | (fold != own)).all(), "a post of the same fold was retrieved"
            assert without is None or (~training | (fold != without)).all(), "a post of the fold held out was retrieved"

    def save(self, folder: Path) -> None:
        """bank.parquet and bank.safetensors."""
        from safetensors.numpy import save_file

        folder.mkdir(parents=True, exist_ok=True)
        self.rows.write_parquet(folder / "bank.parquet", compression="zstd", statistics=False)
        save_file({"vectors": self.vectors}, folder / "bank.safetensors")

    def load(self, folder: Path) -> Self:
        with putting_together(folder / "bank.parquet"):
            self.rows = pl.read_parquet(folder / "bank.parquet")
            self._look_up()
        self.vectors = read_tensors(folder / "bank.safetensors")["vectors"]
        return self


def _vocabulary(values: pl.Series) -> pl.DataFrame:
    """``value`` and its ``code``, for the values other than null."""
    known = values.unique(maintain_order=True).drop_nulls().alias("value")
    return pl.DataFrame({"value": known, "code": pl.arange(len(known), eager=True)})


def _codes(values: pl.Series, vocabulary: pl.DataFrame) -> np.ndarray:
    """int64 [n], -1 for null and unknown values."""
    table = values.alias("value").to_frame()
    return table.join(vocabulary, on="value", how="left", maintain_order="left")["code"].fill_null(-1).to_numpy()


def _by_author(rows: np.ndarray, authors: np.ndarray) -> dict[int, np.ndarray]:
    """Rows of each known author, in their order."""
    order = np.argsort(authors, kind="stable")
    codes, starts = np.unique(authors[order], return_index=True)
    parts = np.split(rows[order], starts[1:])
    return {int(code): part for code, part in zip(codes, parts, strict=True) if code >= 0}


def _about_as_many(extra: np.ndarray, k: int) -> Iterator[np.ndarray]:
    """Rows in groups that have about as many neighbours to drop, none so large that CELLS would be passed."""
    level = np.ceil(np.log2(extra + 1)).astype(np.int64)
    for value in np.unique(level):
        rows = np.flatnonzero(level == value)
        size = max(1, CELLS // (k + int(extra[rows].max())))
        for start in range(0, len(rows), size):
            yield rows[start : start + size]

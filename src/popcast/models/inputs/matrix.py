"""From the wide feature frame to numbers: one float32 matrix with NaN for null, and coded categorical columns.

An :class:`Encoder` is fitted on training posts and saved with the model as JSON. Integer codes come from the sorted
values seen at fit, so that a value has one code for good; a rare value and a value never seen share one code
(sheet smp2025.md section 9, defects 11 and 14). Ids are no feature columns, so they cannot get in.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Literal, Self

import numpy as np
import polars as pl

from popcast.core.errors import BadInput
from popcast.features.common.embeddings import embedding
from popcast.models.contract.predictors import require_blocks

OTHER, MISSING, FIRST = 0, 1, 2
"""Codes of a rare or unknown category, of a null, and of the first value in the vocabulary."""

NO_BLOCK = "declare its block in params.yaml"
"""What to do about a feature column that is missing."""


@dataclass(frozen=True)
class Matrix:
    """numeric: float32 [n, p] with NaN for null. codes: int32 [n, c]. names: p numeric names, then c categorical."""

    numeric: np.ndarray
    codes: np.ndarray
    names: list[str]

    def rows(self, chosen: np.ndarray) -> Matrix:
        """The rows of a boolean mask or an index array."""
        return Matrix(self.numeric[chosen], self.codes[chosen], self.names)

    def varies(self) -> bool:
        """Whether any column holds two different values: without one there is nothing to learn from."""
        if not len(self.codes):
            return False
        missing = np.isnan(self.numeric)
        same = np.where(missing, missing[:1], self.numeric == self.numeric[:1])
        return bool((~same).any() or (self.codes != self.codes[:1]).any())

    def dense(self) -> np.ndarray:
        """float32 [n, p + c]: numbers and codes side by side (a code below 2**24 is exact in float32)."""
        return np.hstack([self.numeric, self.codes.astype(np.float32)])


class Encoder:
    """Chooses and codes the columns of the wide frame.

    blocks: names of the feature blocks to use, None for all. embeddings: names of the embedding columns to use where
    their block is given, None for all; every other array column (neighbour indices) is ignored. rare: a category
    needs this many training posts for a code of its own. drop: names of columns to leave out; a last ``*`` stands for
    any ending. Columns that are constant over the training posts are dropped.
    """

    def __init__(
        self,
        blocks: list[str] | None = None,
        embeddings: list[str] | None = None,
        rare: int = 10,
        drop: Sequence[str] = (),
    ) -> None:
        self.blocks, self.embeddings, self.rare, self.drop = blocks, embeddings, rare, drop
        self.numbers: list[str] = []
        self.vectors: dict[str, list[int]] = {}
        self.vocabularies: dict[str, list[str]] = {}
        self._kinds: dict[str, tuple[list[str], pl.Enum]] = {}

    def fit(self, features: pl.DataFrame, model: str = "model") -> Self:
        """features: columns ``<block>.<column>`` [n rows]. Raises BadInput for a block or embedding that is missing."""
        if self.blocks is not None:
            require_blocks(features, self.blocks, model)
        given = {name.split(".", 1)[0] for name in features.columns}
        for name in self.embeddings or []:
            if name not in features.columns and name.split(".", 1)[0] in given:
                raise BadInput(f"{model}: embedding column {name!r} is missing: its block does not make it")
        left_out = self._left_out(features.columns, model)
        for name in sorted(features.columns):
            if "." not in name or (self.blocks is not None and name.split(".", 1)[0] not in self.blocks):
                continue
            if name in left_out:
                continue
            dtype = features.schema[name]
            if isinstance(dtype, pl.Array):
                if self._wanted(name, dtype):
                    values = embedding(features[name])
                    self.vectors[name] = [i for i in range(dtype.size) if _informative(values[:, i])]
            elif dtype == pl.String:
                counts = features[name].drop_nulls().value_counts()
                kept = sorted(counts.filter(pl.col("count") >= self.rare)[name].to_list())
                if features[name].n_unique() > 1 and kept:
                    self.vocabularies[name] = kept
            elif dtype.is_numeric() or dtype == pl.Boolean:
                if _informative(numbers(features[name])):
                    self.numbers.append(name)
            else:
                raise BadInput(f"{model}: feature {name!r} is of type {dtype}, expected number, string or embedding")
        return self

    def _left_out(self, names: list[str], model: str) -> set[str]:
        """Columns that ``drop`` names. BadInput: one of it names none of a block that is given."""
        found: set[str] = set()
        for pattern in self.drop:
            named = {name for name in names if fnmatchcase(name, pattern)}
            if not named and pattern.split(".", 1)[0] in {name.split(".", 1)[0] for name in names}:
                raise BadInput(f"{model}: drop: no column {pattern!r} among those of its block")
            found |= named
        return found

    def _wanted(self, name: str, dtype: pl.Array) -> bool:
        if self.embeddings is not None:
            return name in self.embeddings
        return name.endswith("embedding") and dtype.inner.is_float()

    def transform(self, features: pl.DataFrame) -> Matrix:
        """The matrix of any posts, seen or not: each row depends on that row alone."""
        order = "fortran" if self.vectors else "c"  # sums over columns depend on it in their last bits
        columns = [_numbers(features, self.numbers, order)] if self.numbers else []
        columns += [embedding(features[name])[:, kept] for name, kept in self.vectors.items()]
        codes = [_codes(features[name], self._kind(name))[:, None] for name in self.vocabularies]
        return Matrix(
            np.hstack(columns) if columns else np.empty((features.height, 0), np.float32),
            np.hstack(codes) if codes else np.empty((features.height, 0), np.int32),
            self.names,
        )

    def _kind(self, name: str) -> pl.Enum:
        """The values of a category that have a code of their own, in the order of their codes."""
        kept = self.vocabularies[name]
        if self._kinds.get(name, (None,))[0] is not kept:
            self._kinds[name] = kept, pl.Enum(kept)
        return self._kinds[name][1]

    @property
    def names(self) -> list[str]:
        """Column names of the matrix: numbers, embedding entries ``<column>[<i>]``, then the categorical columns."""
        entries = [f"{name}[{i}]" for name, kept in self.vectors.items() for i in kept]
        return [*self.numbers, *entries, *self.vocabularies]

    def to_json(self) -> dict[str, object]:
        return {"numbers": self.numbers, "vectors": self.vectors, "vocabularies": self.vocabularies}

    @classmethod
    def from_json(cls, content: dict) -> Self:
        encoder = cls()
        for key in ("numbers", "vectors", "vocabularies"):
            setattr(encoder, key, content[key])
        return encoder


def training_order(posts: pl.DataFrame) -> np.ndarray:
    """Row numbers [n] by time, then id: predictors learn in this order, so the order of a table means nothing."""
    return posts.select(pl.arg_sort_by("posted_at", "post_id", nulls_last=True)).to_series().to_numpy()


def in_time_order(
    posts: pl.DataFrame, features: pl.DataFrame, target: np.ndarray, folds: np.ndarray | None
) -> tuple[pl.DataFrame, pl.DataFrame, np.ndarray, np.ndarray | None]:
    """The arguments of a predictor's ``fit`` with their rows in :func:`training_order`."""
    order = training_order(posts)
    return posts[order], features[order], target[order], None if folds is None else folds[order]


def numbers(column: pl.Series) -> np.ndarray:
    """A numeric or boolean column as float32 [n] with NaN for null."""
    return column.cast(pl.Float32).fill_null(float("nan")).to_numpy()


def numeric_columns(features: pl.DataFrame, names: list[str]) -> np.ndarray:
    """Numeric columns side by side, float64 [n, len(names)] with NaN for null, rounded to float32 on the way."""
    if not names:
        return np.empty((features.height, 0))
    return _numbers(features, names, "c").astype(np.float64)


def _numbers(features: pl.DataFrame, names: list[str], order: Literal["c", "fortran"]) -> np.ndarray:
    """float32 [n, len(names)] with NaN for null; at least one name. All at once: a call per column costs a draft more
    than its forecast."""
    table = features.select(pl.col(name).cast(pl.Float32).fill_null(float("nan")) for name in names)
    return table.to_numpy(order=order)


def _informative(values: np.ndarray) -> bool:
    """Two different values, or some missing and some not."""
    known = values[~np.isnan(values)]
    return len(known) > 0 and (len(known) < len(values) or known.min() != known.max())


def _codes(column: pl.Series, kind: pl.Enum) -> np.ndarray:
    """int32 [n]. kind: see ``Encoder._kind``."""
    known = (column.cast(kind, strict=False).to_physical().cast(pl.Int32) + FIRST).fill_null(OTHER).to_numpy()
    return np.where(column.is_null().to_numpy(), np.int32(MISSING), known)


def start_values(features: pl.DataFrame, column: str | None, center: float, model: str) -> np.ndarray:
    """Where an ensemble starts [n] float64: the feature ``column``, and ``center`` where it is null or not given."""
    if column is None:
        return np.full(features.height, center)
    if column not in features.columns:
        raise BadInput(f"{model}: baseline column {column!r} is missing: see models.{model}.baseline in params.yaml")
    start = numbers(features[column]).astype(np.float64)
    return np.where(np.isnan(start), center, start)

"""Tabular inputs of networks: standardised numbers with flags for missing ones, and codes of categories.

What :class:`popcast.models.inputs.matrix.Encoder` chooses for boosted trees is made fit for networks: skewed numbers go
through sign(x) log(1 + |x|), every number becomes (x - mean) / sd of the known training values, clamped, 0 where
missing; a column with missing training values gets a second column that says so (sheet smp2025.md section 1: log1p
where the skew exceeds .75; section 9, defects 13 and 14). A category never seen has the code 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

import numpy as np
import polars as pl

from popcast.models.inputs.matrix import FIRST, Encoder, Matrix
from popcast.models.inputs.scaling import moments

CLAMP = 5.0
"""Largest standardised value: a post unlike all others must not drive a network out of its range."""
SKEWED = 0.75


class Dense:
    """Encoder and scaler of the wide feature frame. Arguments as for ``Encoder``."""

    def __init__(
        self,
        blocks: list[str] | None = None,
        embeddings: list[str] | None = None,
        rare: int = 10,
        drop: Sequence[str] = (),
    ) -> None:
        self.encoder = Encoder(blocks, embeddings, rare, drop)

    def fit(self, features: pl.DataFrame, model: str) -> Self:
        """features: columns ``<block>.<column>`` [n rows] of training posts."""
        matrix = self.encoder.fit(features, model).transform(features)
        values = _known(matrix.numeric)
        known = ~np.isnan(values)
        count = np.maximum(known.sum(axis=0), 1)
        mean, sd = moments(values)
        centred = np.where(known, values - mean, 0.0)
        skew = (centred**3).sum(axis=0) / count / np.where(sd > 0, sd, 1.0) ** 3
        vectors = sum(len(kept) for kept in self.encoder.vectors.values())
        self.skewed = np.abs(skew) > SKEWED
        self.skewed[len(skew) - vectors :] = False  # entries of embeddings have no scale of their own
        self.mean, self.sd = moments(_unskewed(values, self.skewed))
        self.sd[self.sd == 0] = 1.0
        self.flagged = np.flatnonzero((~known).any(axis=0) & known.any(axis=0))
        return self

    def transform(self, features: pl.DataFrame) -> dict[str, np.ndarray]:
        """``numeric`` float32 [n, :attr:`width`], ``codes`` int64 [n, len(:attr:`sizes`)]; each row by itself."""
        return self.scaled(self.encoder.transform(features))

    def scaled(self, matrix: Matrix) -> dict[str, np.ndarray]:
        """:meth:`transform` of what the encoder made of the features."""
        values = (_unskewed(_known(matrix.numeric), self.skewed) - self.mean) / self.sd
        missing = np.isnan(values)
        values = np.where(missing, 0.0, np.clip(values, -CLAMP, CLAMP))
        numeric = np.hstack([values, missing[:, self.flagged]]).astype(np.float32)
        return {"numeric": numeric, "codes": matrix.codes.astype(np.int64)}

    @property
    def width(self) -> int:
        """Columns of ``numeric``."""
        return len(self.mean) + len(self.flagged)

    @property
    def sizes(self) -> list[int]:
        """Number of codes of every category, those of rare and of missing values included."""
        return [FIRST + len(kept) for kept in self.encoder.vocabularies.values()]

    @property
    def varies(self) -> bool:
        """Whether there is any column to learn from."""
        return bool(self.encoder.names)

    def to_json(self) -> dict[str, object]:
        numbers = {name: getattr(self, name).tolist() for name in ("mean", "sd", "skewed", "flagged")}
        return {"encoder": self.encoder.to_json(), **numbers}

    @classmethod
    def from_json(cls, content: dict) -> Self:
        dense = cls()
        dense.encoder = Encoder.from_json(content["encoder"])
        dense.mean, dense.sd = np.array(content["mean"]), np.array(content["sd"])
        dense.skewed = np.array(content["skewed"], bool)
        dense.flagged = np.array(content["flagged"], np.int64)
        return dense


def _known(numeric: np.ndarray) -> np.ndarray:
    """float64 with NaN for whatever is not finite: an infinite value, too, says nothing."""
    return np.where(np.isfinite(numeric), numeric, np.nan).astype(np.float64)


def _unskewed(values: np.ndarray, skewed: np.ndarray) -> np.ndarray:
    return np.where(skewed, np.sign(values) * np.log1p(np.abs(values)), values)

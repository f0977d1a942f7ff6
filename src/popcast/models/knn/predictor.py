"""``knn``: the popularity of similar older posts, pulled to the training median where the neighbours are few.

Reads the ``neighbours`` block, whose labels are older than the post or out-of-fold, so a line through the training
posts (prediction against neighbour mean) is an honest calibration. Neighbour retrieval: sheet mmra.md section 3.
"""

from __future__ import annotations

from pathlib import Path
from typing import Self

import numpy as np
import polars as pl
from pydantic import Field

from popcast.core.section import Section
from popcast.models.contract.predictor_files import read_predictor, take, write_predictor
from popcast.models.contract.predictors import require_blocks, require_columns
from popcast.models.inputs.matrix import numbers, training_order

LEARNED = ("median", "slope", "intercept")


class Params(Section):
    """Which columns of the neighbours block are read, and how far they are trusted."""

    mean: str = "neighbours.label_mean"
    count: str = "neighbours.count"
    shrinkage: float = Field(3.0, ge=0, description="weight of the training median, counted in neighbours")


class Predictor:
    """``intercept + slope * (count * mean + shrinkage * median) / (count + shrinkage)``."""

    Params = Params
    blocks = ("neighbours",)

    def __init__(self, params: Params, seed: int) -> None:
        self.params, self.seed = params, seed

    def fit(self, posts: pl.DataFrame, features: pl.DataFrame, target: np.ndarray, folds: np.ndarray | None) -> Self:
        require_blocks(features, self.blocks, "knn")
        wanted = (self.params.mean, self.params.count)
        require_columns(features, wanted, "knn: feature column", "see models.knn in params.yaml")
        order = training_order(posts)
        self.median = float(np.median(target))
        self.slope, self.intercept = 1.0, 0.0
        estimate, target = self._shrunk(features[order]), target[order]
        spread = float(((estimate - estimate.mean()) ** 2).sum())
        self.slope = float((estimate - estimate.mean()) @ (target - target.mean())) / spread if spread > 1e-9 else 0.0
        self.intercept = float(target.mean() - self.slope * estimate.mean())
        return self

    def _shrunk(self, features: pl.DataFrame) -> np.ndarray:
        mean = numbers(features[self.params.mean]).astype(np.float64)
        count = numbers(features[self.params.count]).astype(np.float64)
        count = np.where(np.isnan(mean) | np.isnan(count), 0.0, count)
        total = count + self.params.shrinkage
        known = count * np.nan_to_num(mean) + self.params.shrinkage * self.median
        return np.where(total > 0, known / np.where(total > 0, total, 1.0), self.median)

    def predict(self, posts: pl.DataFrame, features: pl.DataFrame) -> np.ndarray:
        return self.intercept + self.slope * self._shrunk(features)

    def importances(self) -> dict[str, float]:
        return {self.params.mean: abs(self.slope)}

    def save(self, folder: Path) -> None:
        learned = {name: getattr(self, name) for name in LEARNED}
        write_predictor(folder, self, **learned)

    @classmethod
    def load(cls, folder: Path) -> Self:
        predictor, content = read_predictor(cls, folder)
        take(predictor, content, LEARNED)
        return predictor

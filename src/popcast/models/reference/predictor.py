"""``reference``: the rows that every report shows beside the models, so that a number can be judged.

``median``: the training median for every post. ``author_mean``: the smoothed mean of the author's older posts, as the
``history`` block states it at posting time; the median where there are none. ``history_ridge``: ridge regression on
all numeric columns of ``history``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Self

import numpy as np
import polars as pl
from pydantic import Field

from popcast.core.section import Section
from popcast.models.contract.predictor_files import read_predictor, write_predictor
from popcast.models.contract.predictors import require_blocks
from popcast.models.inputs.dense import CLAMP
from popcast.models.inputs.matrix import Encoder, numbers, numeric_columns, training_order
from popcast.models.inputs.scaling import center_and_scale

AUTHOR_MEAN = "history.smoothed_mean"


class Params(Section):
    """Which reference row this run is."""

    kind: Literal["median", "author_mean", "history_ridge"] = "median"
    alpha: float = Field(10.0, gt=0, description="ridge penalty on standardised columns")


class Predictor:
    """A constant, a column, or a small linear model: coefficients are plain JSON."""

    Params = Params
    blocks = ()

    def __init__(self, params: Params, seed: int) -> None:
        self.params, self.seed = params, seed
        self.ridge: Ridge | None = None

    def fit(self, posts: pl.DataFrame, features: pl.DataFrame, target: np.ndarray, folds: np.ndarray | None) -> Self:
        order = training_order(posts)
        self.median = float(np.median(target))
        if self.params.kind == "history_ridge":
            require_blocks(features, ["history"], "history_ridge")
            encoder = Encoder(["history"], [], rare=len(target) + 1).fit(features)
            self.ridge = Ridge(encoder.numbers, self.params.alpha).fit(features[order], target[order])
        return self

    def predict(self, posts: pl.DataFrame, features: pl.DataFrame) -> np.ndarray:
        if self.ridge is not None:
            return self.ridge.predict(features)
        constant = np.full(posts.height, self.median)
        if self.params.kind == "median" or AUTHOR_MEAN not in features.columns:
            return constant
        mean = numbers(features[AUTHOR_MEAN]).astype(np.float64)
        return np.where(np.isnan(mean), constant, mean)

    def importances(self) -> dict[str, float]:
        """Absolute weight of each standardised column."""
        return {} if self.ridge is None else self.ridge.importances()

    def save(self, folder: Path) -> None:
        ridge = None if self.ridge is None else self.ridge.to_json()
        write_predictor(folder, self, median=self.median, ridge=ridge)

    @classmethod
    def load(cls, folder: Path) -> Self:
        predictor, content = read_predictor(cls, folder)
        predictor.median = content["median"]
        if content["ridge"] is not None:
            predictor.ridge = Ridge.from_json(content["ridge"])
        return predictor


class Ridge:
    """Ridge regression on numeric columns: null becomes the training median and raises a flag column."""

    def __init__(self, columns: list[str], alpha: float) -> None:
        self.columns, self.alpha = columns, alpha

    def fit(self, features: pl.DataFrame, target: np.ndarray) -> Self:
        raw = numeric_columns(features, self.columns)
        self.fill = np.array([np.median(column[~np.isnan(column)]) for column in raw.T])
        design = self._design(raw)
        self.mean, self.scale = center_and_scale(design, still=1e-12)
        design = self._scaled(design)
        self.intercept = float(target.mean())
        gram = design.T @ design + self.alpha * np.eye(design.shape[1])
        self.weights = np.linalg.solve(gram, design.T @ (target - self.intercept))
        return self

    def _design(self, raw: np.ndarray) -> np.ndarray:
        missing = np.isnan(raw)
        return np.hstack([np.where(missing, self.fill, raw), missing])

    def _scaled(self, design: np.ndarray) -> np.ndarray:
        """Standardised. Numbers stay within ``CLAMP``: years after the last post a line would lead anywhere. Flags do
        not, for a rare one lies far out by itself."""
        scaled, count = (design - self.mean) / self.scale, len(self.columns)
        scaled[:, :count] = np.clip(scaled[:, :count], -CLAMP, CLAMP)
        return scaled

    def predict(self, features: pl.DataFrame) -> np.ndarray:
        design = self._scaled(self._design(numeric_columns(features, self.columns)))
        # a sum per row, not a matrix product: its last bit does not depend on the other rows
        return self.intercept + (design * self.weights).sum(axis=1)

    def importances(self) -> dict[str, float]:
        names = [*self.columns, *(f"{name} is null" for name in self.columns)]
        return dict(zip(names, np.abs(self.weights).tolist(), strict=True))

    def to_json(self) -> dict[str, object]:
        arrays = {name: getattr(self, name).tolist() for name in ("fill", "mean", "scale", "weights")}
        return {"columns": self.columns, "alpha": self.alpha, "intercept": self.intercept, **arrays}

    @classmethod
    def from_json(cls, content: dict) -> Self:
        ridge = cls(content["columns"], content["alpha"])
        ridge.intercept = content["intercept"]
        for name in ("fill", "mean", "scale", "weights"):
            setattr(ridge, name, np.array(content[name], dtype=np.float64))
        return ridge

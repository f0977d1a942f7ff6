"""``nearby``: the popularity of the few learned posts that are most alike, by cosine of standardised embeddings.

Same creators, series and topics give themselves away by wording; what they tell is local, and a smooth model such as
``kernel_ridge`` averages it away. Retrieval (exact, a post never finds itself):
``popcast.models.inputs.learned_posts``, sheet mmra.md section 3. Learned posts are scored leave-one-out for the line
that calibrates the mean of the neighbours.
"""

from __future__ import annotations

from pathlib import Path
from typing import Self

import numpy as np
import polars as pl
from pydantic import Field

from popcast.core.section import Section
from popcast.features.common.embeddings import embedding
from popcast.features.common.nearest import unit_rows
from popcast.models.contract.predictor_files import read_arrays, read_predictor, take, write_predictor
from popcast.models.contract.predictors import require_columns
from popcast.models.inputs.learned_posts import COLUMNS, LearnedPosts, neighbour_weights, weighted_sums
from popcast.models.inputs.matrix import NO_BLOCK, in_time_order
from popcast.models.inputs.scaling import center_and_scale, standardised


class Params(Section):
    """What is compared, and how many neighbours count how much."""

    embedding: str = Field("text.embedding", description="what is compared; columns are standardised first")
    k: int = Field(10, ge=1)
    temperature: float = Field(0.125, gt=0, description="weights are softmax(similarity / temperature)")


class Predictor:
    """``intercept + slope * weighted mean of the labels of the k nearest``; the training mean where there are none."""

    Params = Params
    blocks = ()

    def __init__(self, params: Params, seed: int) -> None:
        self.params, self.seed = params, seed

    def fit(self, posts: pl.DataFrame, features: pl.DataFrame, target: np.ndarray, folds: np.ndarray | None) -> Self:
        require_columns(features, [self.params.embedding], "nearby: embedding column", NO_BLOCK)
        posts, features, target, folds = in_time_order(posts, features, target, folds)
        self.target = target.astype(np.float64)
        self.center, self.scale = center_and_scale(embedding(features[self.params.embedding]))
        self._fill(posts, self._vectors(features))
        estimate, center = self._mean(posts, self.bank.vectors), self.target.mean()
        spread = float(((estimate - estimate.mean()) ** 2).sum())
        along = float((estimate - estimate.mean()) @ (self.target - center))
        self.slope = max(along / spread, 0.0) if spread > 1e-9 else 0.0  # what contradicts its posts says nothing
        self.intercept = float(center - self.slope * estimate.mean())
        return self

    def _fill(self, posts: pl.DataFrame, vectors: np.ndarray) -> None:
        everything = np.ones(posts.height, bool)
        self.bank = LearnedPosts(posts, vectors, everything, "train", drop_same_title=False)

    def _vectors(self, features: pl.DataFrame) -> np.ndarray:
        """Unit rows float32 [n, width]; zero without embedding."""
        return unit_rows(standardised(embedding(features[self.params.embedding]), self.center, self.scale))

    def _mean(self, posts: pl.DataFrame, vectors: np.ndarray) -> np.ndarray:
        """Weighted mean label [n] of the neighbours."""
        index, similarity = self.bank.neighbours(posts, vectors, self.params.k, "predict")
        weights = neighbour_weights(index, similarity, self.params.temperature)
        found = weighted_sums(index, weights, self.target)
        return np.where((index >= 0).any(axis=1), found, self.target.mean())

    def predict(self, posts: pl.DataFrame, features: pl.DataFrame) -> np.ndarray:
        if not posts.height:
            return np.empty(0)
        return self.intercept + self.slope * self._mean(posts, self._vectors(features))

    def importances(self) -> dict[str, float]:
        return {self.params.embedding: abs(self.slope)}

    def save(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        arrays = {"vectors": self.bank.vectors, "target": self.target, "center": self.center, "scale": self.scale}
        np.savez(folder / "nearby.npz", **arrays)
        self.bank.posts.select(COLUMNS).write_parquet(folder / "posts.parquet")
        write_predictor(folder, self, slope=self.slope, intercept=self.intercept)

    @classmethod
    def load(cls, folder: Path) -> Self:
        predictor, content = read_predictor(cls, folder)
        take(predictor, content, ("slope", "intercept"))
        arrays = read_arrays(folder / "nearby.npz")
        take(predictor, arrays, ("target", "center", "scale"))
        predictor._fill(pl.read_parquet(folder / "posts.parquet"), arrays["vectors"])
        return predictor

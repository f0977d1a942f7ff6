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
import orjson
import polars as pl
from pydantic import Field

from popcast.core import tables
from popcast.core.errors import BadInput
from popcast.core.section import Section
from popcast.features.common.nearest import unit_rows
from popcast.models.inputs.learned_posts import COLUMNS, Bank, neighbour_weights, weighted_sums
from popcast.models.inputs.matrix import embedding, training_order


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
        name = self.params.embedding
        if name not in features.columns:
            raise BadInput(f"nearby: embedding column {name!r} is missing: declare its block in params.yaml")
        order = training_order(posts)
        posts, features, self.target = posts[order], features[order], target[order].astype(np.float64)
        raw = embedding(features[name]).astype(np.float64)
        known = ~np.isnan(raw)
        count = np.maximum(known.sum(axis=0), 1)
        self.center = np.where(known, raw, 0.0).sum(axis=0) / count
        deviation = np.sqrt(np.where(known, (raw - self.center) ** 2, 0.0).sum(axis=0) / count)
        self.scale = np.where(deviation > 1e-9, deviation, 1.0)
        self._fill(posts, self._vectors(features))
        estimate, center = self._mean(posts, self.bank.vectors), self.target.mean()
        spread = float(((estimate - estimate.mean()) ** 2).sum())
        along = float((estimate - estimate.mean()) @ (self.target - center))
        self.slope = max(along / spread, 0.0) if spread > 1e-9 else 0.0  # what contradicts its posts says nothing
        self.intercept = float(center - self.slope * estimate.mean())
        return self

    def _fill(self, posts: pl.DataFrame, vectors: np.ndarray) -> None:
        everything = np.ones(posts.height, bool)
        self.bank = Bank(posts, vectors, everything, "train", drop_same_title=False)

    def _vectors(self, features: pl.DataFrame) -> np.ndarray:
        """Unit rows float32 [n, width]; zero without embedding."""
        scaled = (embedding(features[self.params.embedding]) - self.center) / self.scale
        return unit_rows(np.where(np.isnan(scaled), 0.0, scaled))

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
        content = {"params": self.params.model_dump(), "seed": self.seed}
        content |= {"slope": self.slope, "intercept": self.intercept}
        tables.write_json(content, folder / "predictor.json")

    @classmethod
    def load(cls, folder: Path) -> Self:
        content = orjson.loads((folder / "predictor.json").read_bytes())
        predictor = cls(Params.model_validate(content["params"]), content["seed"])
        predictor.slope, predictor.intercept = content["slope"], content["intercept"]
        with np.load(folder / "nearby.npz", allow_pickle=False) as arrays:
            predictor.target, predictor.center, predictor.scale = arrays["target"], arrays["center"], arrays["scale"]
            predictor._fill(pl.read_parquet(folder / "posts.parquet"), arrays["vectors"])
        return predictor

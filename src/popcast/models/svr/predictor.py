"""``svr``: support vector regression with an RBF kernel on standardised embeddings of text, image and video.

Sheet mmra.md section 7 (C 1, epsilon .1, gamma "scale"); its form for micro-videos, the first frame (``first``, as the
published code) or the mean frame beside the title, is ``visual_pool``. scikit-learn fits it; what is saved are the
support vectors (npz), and the kernel sum is evaluated here, so that nothing is ever unpickled.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Self

import numpy as np
import polars as pl
from pydantic import Field, PositiveFloat

from popcast.core.errors import BadInput
from popcast.core.section import Section
from popcast.features.common.embeddings import embedding
from popcast.models.contract.predictor_files import read_arrays, read_predictor, take, write_predictor
from popcast.models.contract.predictors import require_columns
from popcast.models.contract.stopping import sample_rows
from popcast.models.inputs.matrix import NO_BLOCK, training_order
from popcast.models.inputs.pooling import PooledInputs
from popcast.models.inputs.scaling import center_and_scale, standardised

CONTENT = ("text.embedding", "image.embedding", "video.embedding")
CHUNK = 512
LEARNED, ARRAYS = ("columns", "gamma", "bias", "median"), ("vectors", "weights", "mean", "scale")
"""What a fitted machine keeps, in JSON and as arrays."""


class Params(Section):
    """Settings of the support vector machine, on the scale of popularity."""

    embeddings: list[str] | None = Field(None, description="null: those of text, image and video, what there is")
    visual_pool: Literal["first", "mean"] | None = Field(None, description="frames and title instead of embeddings")
    visual: str | None = Field("video.frame_embedding", description="visual_pool: frame vectors; null: titles only")
    text: str = Field("text.embedding", description="visual_pool: column of title vectors")
    frames: int = Field(10, ge=1, description="vectors in one entry of the visual column")
    c: float = Field(1.0, gt=0)
    epsilon: float = Field(0.1, ge=0)
    gamma: PositiveFloat | Literal["scale"] = Field("scale", description="scale: 1 / (columns * variance)")
    max_train: int = Field(20000, ge=1, description="training posts at most: a seeded sample of them")


class Predictor:
    """``bias + sum_s weight_s * exp(-gamma * |x - s|^2)`` over the support vectors s."""

    Params = Params
    blocks = ()

    def __init__(self, params: Params, seed: int) -> None:
        self.params, self.seed = params, seed
        self.pooled: PooledInputs | None = None

    def fit(self, posts: pl.DataFrame, features: pl.DataFrame, target: np.ndarray, folds: np.ndarray | None) -> Self:
        from sklearn.svm import SVR

        p = self.params
        if p.visual_pool is not None:
            self.pooled = PooledInputs(p.visual, p.text, p.frames, p.visual_pool).fit(features, "svr")
        wanted = list(self.pooled.inputs.columns.values()) if self.pooled else p.embeddings
        self.columns = [name for name in CONTENT if name in features.columns] if wanted is None else list(wanted)
        if not self.columns:
            raise BadInput(f"svr: embedding column {CONTENT[0]!r} is missing: {NO_BLOCK}")
        require_columns(features, self.columns, "svr: embedding column", NO_BLOCK)
        rows = training_order(posts)
        if len(rows) > p.max_train:
            rows = rows[sample_rows(len(rows), self.seed, p.max_train)]
        self.median = float(np.median(target[rows]))
        self.mean, self.scale = center_and_scale(self._raw(features[rows]))
        x = self._scaled(features[rows])
        variance = float(x.var())
        gamma = (
            self.params.gamma if self.params.gamma != "scale" else 1.0 / (x.shape[1] * variance) if variance else 1.0
        )
        model = SVR(kernel="rbf", C=self.params.c, epsilon=self.params.epsilon, gamma=gamma, cache_size=1000)
        model.fit(x, target[rows] - self.median)
        self.gamma, self.bias = float(gamma), float(model.intercept_[0])
        self.vectors, self.weights = x[model.support_].astype(np.float32), model.dual_coef_[0]
        return self

    def _raw(self, features: pl.DataFrame) -> np.ndarray:
        features = self.pooled.transform(features) if self.pooled else features
        return np.hstack([embedding(features[name]) for name in self.columns])

    def _scaled(self, features: pl.DataFrame) -> np.ndarray:
        """Standardised columns; a post without the embedding lies at the mean."""
        return standardised(self._raw(features), self.mean, self.scale).astype(np.float32).astype(np.float64)

    def predict(self, posts: pl.DataFrame, features: pl.DataFrame) -> np.ndarray:
        x, vectors = self._scaled(features), self.vectors.astype(np.float64)
        length, out = (vectors**2).sum(axis=1), np.empty(len(x))
        for start in range(0, len(x), CHUNK):
            part = x[start : start + CHUNK]
            distance = (part**2).sum(axis=1)[:, None] + length - 2 * part @ vectors.T
            out[start : start + CHUNK] = np.exp(-self.gamma * np.maximum(distance, 0.0)) @ self.weights
        return self.median + self.bias + out

    def importances(self) -> dict[str, float]:
        return {}

    def save(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        np.savez(folder / "svr.npz", **{name: getattr(self, name) for name in ARRAYS})
        learned = {name: getattr(self, name) for name in LEARNED}
        write_predictor(folder, self, pooled=self.pooled.to_json() if self.pooled else None, **learned)

    @classmethod
    def load(cls, folder: Path) -> Self:
        predictor, content = read_predictor(cls, folder)
        predictor.pooled = PooledInputs.from_json(content["pooled"]) if content["pooled"] else None
        take(predictor, content, LEARNED)
        take(predictor, read_arrays(folder / "svr.npz"), ARRAYS)
        return predictor

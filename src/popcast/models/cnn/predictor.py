"""``cnn``: the plain 1D-CNN of SMP-2025 on standardised numbers, embeddings and embedded categories.

Sheet smp2025.md section 4.3: dense 4096 as 16 channels of 256 steps, Conv1D 16 with kernel 5, max pool 2, dense 16,
dense 1. Unlike the original it stops on later posts instead of the training error, and its output is linear.
"""

from __future__ import annotations

from pathlib import Path
from typing import Self

import numpy as np
import orjson
import polars as pl
from pydantic import Field

from popcast.core import tables
from popcast.models.inputs.dense import Dense
from popcast.models.inputs.matrix import training_order
from popcast.models.nets.convolution import Convolution
from popcast.models.nets.networks import NetworkParams, Networks
from popcast.models.nets.training import Arrays, Training


class Params(NetworkParams):
    """Settings of the CNN. Which columns it gets, the network, and how it learns."""

    blocks: list[str] | None = Field(None, description="null: all that the run gets")
    embeddings: list[str] | None = Field(None, description="null: all; else these, where the run gets them")
    rare: int = Field(10, ge=1, description="posts that a category needs for a code of its own")
    convolution: Convolution = Convolution()
    training: Training = Training(learning_rate=1e-3, batch_size=256, max_epochs=100, patience=10)


class Predictor:
    """The mean of ``seeds`` convolutional networks."""

    Params = Params
    blocks = ()
    scratch: Path | None = None

    def __init__(self, params: Params, seed: int) -> None:
        self.params, self.seed = params, seed
        self.networks = Networks(params, seed, "cnn")

    def fit(self, posts: pl.DataFrame, features: pl.DataFrame, target: np.ndarray, folds: np.ndarray | None) -> Self:
        p, order = self.params, training_order(posts)
        features, target = features[order], target[order]
        self.inputs = Dense(p.blocks, p.embeddings, p.rare).fit(features, "cnn")
        if not self.inputs.varies:  # nothing to learn from: every post gets the mean
            target = np.full(len(target), target.mean())
        self.networks.fit(self._build, Arrays(**self.inputs.transform(features)), target,
                          None if folds is None else folds[order], scratch=self.scratch)  # fmt: skip
        return self

    def _build(self):
        from popcast.models.nets.cnn_layers import ConvolutionalNetwork

        return ConvolutionalNetwork(self.inputs.width, self.inputs.sizes, 0, self.params.convolution)

    def predict(self, posts: pl.DataFrame, features: pl.DataFrame) -> np.ndarray:
        return self.predict_seeds(posts, features).mean(axis=1)

    def predict_seeds(self, posts: pl.DataFrame, features: pl.DataFrame) -> np.ndarray:
        """float64 [n, seeds]."""
        return self.networks.predict(Arrays(**self.inputs.transform(features)))

    def importances(self) -> dict[str, float]:
        return {}

    def save(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        content = {"params": self.params.model_dump(), "seed": self.seed, "inputs": self.inputs.to_json()}
        tables.write_json(content, folder / "predictor.json")
        self.networks.save(folder)

    @classmethod
    def load(cls, folder: Path) -> Self:
        content = orjson.loads((folder / "predictor.json").read_bytes())
        predictor = cls(Params.model_validate(content["params"]), content["seed"])
        predictor.inputs = Dense.from_json(content["inputs"])
        predictor.networks.load(folder, predictor._build)
        return predictor

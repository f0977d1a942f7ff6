"""``cnn``: the plain 1D-CNN of SMP-2025 on standardised numbers, embeddings and embedded categories.

Sheet smp2025.md section 4.3: dense 4096 as 16 channels of 256 steps, Conv1D 16 with kernel 5, max pool 2, dense 16,
dense 1. Unlike the original it stops on later posts instead of the training error, and its output is linear.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Self

import numpy as np
import polars as pl

from popcast.models.inputs.columns import ColumnParams
from popcast.models.inputs.dense import Dense
from popcast.models.inputs.matrix import in_time_order
from popcast.models.nets.convolution import Convolution
from popcast.models.nets.network_predictor import NetworkPredictor
from popcast.models.nets.networks import NetworkParams
from popcast.models.nets.training import Arrays, Training


class Params(ColumnParams, NetworkParams):
    """Settings of the CNN. Which columns it gets, the network, and how it learns."""

    convolution: Convolution = Convolution()
    training: Training = Training(learning_rate=1e-3, batch_size=256, max_epochs=100, patience=10)


class Predictor(NetworkPredictor):
    """The mean of ``seeds`` convolutional networks."""

    Params = Params
    name = "cnn"

    def fit(self, posts: pl.DataFrame, features: pl.DataFrame, target: np.ndarray, folds: np.ndarray | None) -> Self:
        p = self.params
        posts, features, target, folds = in_time_order(posts, features, target, folds)
        self.inputs = Dense(p.blocks, p.embeddings, p.rare, p.drop).fit(features, "cnn")
        if not self.inputs.varies:  # nothing to learn from: every post gets the mean
            target = np.full(len(target), target.mean())
        examples = Arrays(**self.inputs.transform(features))
        self.networks.fit(self.network, examples, target, folds, scratch=self.scratch)
        return self

    def network(self):
        from popcast.models.nets.cnn_layers import ConvolutionalNetwork

        return ConvolutionalNetwork(self.inputs.width, self.inputs.sizes, 0, self.params.convolution)

    def predict_seeds(self, posts: pl.DataFrame, features: pl.DataFrame) -> np.ndarray:
        return self.networks.predict(Arrays(**self.inputs.transform(features)))

    def learned(self) -> dict[str, Any]:
        return {"inputs": self.inputs.to_json()}

    def restore(self, folder: Path, content: dict[str, Any]) -> None:
        self.inputs = Dense.from_json(content["inputs"])

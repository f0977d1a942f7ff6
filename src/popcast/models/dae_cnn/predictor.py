"""``dae_cnn``: an autoencoder is fitted first, then a 1D-CNN learns from its frozen encoding beside the raw inputs.

Sheet smp2025.md section 4.1: a denoising autoencoder (swap noise, mask and reconstruction heads), which sees neither
label nor id. With ``supervised`` it is the autoencoder with a label head of section 4.2; being part of the predictor it
is fitted anew in every fold, on the rows of that fold alone. The CNN is that of section 4.2, with a linear output.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Self

import numpy as np
import polars as pl

from popcast.core.errors import BadInput
from popcast.core.pretrained.saved_files import putting_together, read_torch_tensors
from popcast.models.contract.stopping import stopping_window
from popcast.models.dae_cnn.params import Params
from popcast.models.inputs.dense import Dense
from popcast.models.inputs.matrix import in_time_order, numbers
from popcast.models.nets.network_predictor import NetworkPredictor
from popcast.models.nets.networks import CHUNK, steady_error
from popcast.models.nets.training import Arrays, prediction_device, seeded, train

NEVER = {"post_id", "user_id", "popularity"}
"""Columns that must not be among the inputs (section 9, defect 10)."""


class Predictor(NetworkPredictor):
    """The mean of ``seeds`` convolutional networks on one frozen autoencoder."""

    Params = Params
    name = "dae_cnn"

    def fit(self, posts: pl.DataFrame, features: pl.DataFrame, target: np.ndarray, folds: np.ndarray | None) -> Self:
        p = self.params
        posts, features, target, folds = in_time_order(posts, features, target, folds)
        self.inputs = Dense(p.blocks, p.embeddings, p.rare, p.drop).fit(features, "dae_cnn")
        self._refuse_the_label(features, target)
        if not self.inputs.varies:  # nothing to learn from: every post gets the mean
            target = np.full(len(target), target.mean())
        with seeded(self.seed):
            self.autoencoder = self._autoencoder()
        if self.inputs.varies:
            self._learn_encoding(self.inputs.transform(features), target, folds)
        arrays = {name: _single(values) for name, values in self._arrays(features).items()}
        self.networks.fit(self.network, Arrays(**arrays), target, folds, scratch=self.scratch)
        return self

    def _refuse_the_label(self, features: pl.DataFrame, target: np.ndarray) -> None:
        names = {name.split("[")[0] for name in self.inputs.encoder.names}
        assert not {name.split(".", 1)[-1] for name in names} & NEVER, "ids and labels are no features"
        for name in self.inputs.encoder.numbers:
            if np.array_equal(numbers(features[name]), target.astype(np.float32)):
                raise BadInput(f"dae_cnn: feature {name!r} is the label itself: remove it from the block")

    def _autoencoder(self):
        from popcast.models.dae_cnn.autoencoder_layers import DenoisingAutoencoder, OneHot, SupervisedAutoencoder

        p = self.params.autoencoder
        inputs = OneHot(self.inputs.width, self.inputs.flagged.tolist(), self.inputs.sizes, p.one_hot)
        return (SupervisedAutoencoder if p.supervised else DenoisingAutoencoder)(inputs, p)

    def _learn_encoding(self, inputs: dict[str, np.ndarray], target: np.ndarray, folds: np.ndarray | None) -> None:
        """Fit the autoencoder; it stops on the last fold, like the networks after it."""
        import torch

        p = self.params.autoencoder
        window = stopping_window(folds, len(target))
        learn = np.arange(len(target)) if window is None else np.flatnonzero(window.learn)
        if p.supervised:
            scaled = (target - target[learn].mean()) / (target[learn].std() or 1.0)
            inputs = inputs | {"target": scaled.astype(np.float32)}
        examples = Arrays(**inputs)

        def loss(network: torch.nn.Module, batch: dict) -> torch.Tensor:
            return network(**batch)

        def error_on_window(network: torch.nn.Module) -> float:
            return steady_error(network, loss, examples, np.flatnonzero(window.watch), self.seed)

        train(
            self.autoencoder, examples, learn, loss, p.training, self.seed,
            monitor=None if window is None else error_on_window,
            epochs=max(1, p.training.max_epochs // 10) if window is None else None,
            folder=None if self.scratch is None else self.scratch / "autoencoder", label="dae_cnn autoencoder",
        )  # fmt: skip
        self.autoencoder.requires_grad_(False)

    def _arrays(self, features: pl.DataFrame) -> dict[str, np.ndarray]:
        """Inputs of the CNN, the encoding float64 [n, features] in double precision: each row by itself."""
        import copy

        import torch

        inputs = self.inputs.transform(features)
        device = prediction_device(self.params.autoencoder.training.device)
        network, found = copy.deepcopy(self.autoencoder).double().to(device).eval(), []
        with torch.inference_mode():
            for i in range(0, features.height, CHUNK):
                part = {name: torch.from_numpy(values[i : i + CHUNK]).to(device) for name, values in inputs.items()}
                found.append(network.encode(part["numeric"].double(), part["codes"]).cpu().numpy())
        return inputs | {"encoded": np.concatenate(found) if found else np.empty((0, network.features))}

    def network(self):
        from popcast.models.nets.cnn_layers import ConvolutionalNetwork

        return ConvolutionalNetwork(
            self.inputs.width, self.inputs.sizes, self.autoencoder.features, self.params.convolution
        )

    def predict_seeds(self, posts: pl.DataFrame, features: pl.DataFrame) -> np.ndarray:
        return self.networks.predict(Arrays(**self._arrays(features)))

    def save(self, folder: Path) -> None:
        """``predictor.json``, ``autoencoder.safetensors`` and the files of the networks."""
        from safetensors.torch import save_file

        super().save(folder)
        tensors = {name: tensor.contiguous() for name, tensor in self.autoencoder.state_dict().items()}
        save_file(tensors, folder / "autoencoder.safetensors")

    def learned(self) -> dict[str, Any]:
        return {"inputs": self.inputs.to_json()}

    def restore(self, folder: Path, content: dict[str, Any]) -> None:
        self.inputs = Dense.from_json(content["inputs"])
        with seeded(self.seed):
            self.autoencoder = self._autoencoder()
        file = folder / "autoencoder.safetensors"
        with putting_together(file):
            self.autoencoder.load_state_dict(read_torch_tensors(file))


def _single(values: np.ndarray) -> np.ndarray:
    return values.astype(np.float32) if values.dtype == np.float64 else values

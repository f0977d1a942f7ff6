"""``tabnet``: decision steps that each look at a few columns, chosen row by row.

Sources: Arik and Pfister, AAAI 2021 (arXiv 1908.07442); settings of sheet smp2025.md section 5.1. Why popcast has its
own file: docs/decisions/006-tabnet.md. A category gets an embedding of ceil(ln(codes)) numbers. A code that no training
post had takes the embedding of the most frequent one (with ``rare: 1`` that is every unseen category); numbers are
clipped to their training range. ``pretrain`` first learns, without labels and on the learning posts only, to rebuild
hidden columns from the others; the encoder then starts from there. ``pretrain.rows`` takes a share of those posts: the
notes of SMP-2025 say half of them, its code half of the columns (``ratio``).
"""

from __future__ import annotations

import math
from collections import defaultdict
from pathlib import Path
from typing import Any, Self

import numpy as np
import polars as pl
from pydantic import Field, model_validator

from popcast.core.section import Section
from popcast.models.contract.stopping import Window, sample_rows, stopping_window
from popcast.models.inputs.columns import ColumnParams
from popcast.models.inputs.dense import Dense
from popcast.models.inputs.matrix import in_time_order
from popcast.models.nets.network_predictor import NetworkPredictor
from popcast.models.nets.networks import NetworkParams, steady_error
from popcast.models.nets.training import Arrays, Training, seeded, train


class TabNetShape(Section):
    """Sizes of the network, under the names of the paper."""

    n_d: int = Field(64, ge=1, description="width of a step's decision")
    n_a: int = Field(64, ge=1, description="width of what a step hands to the next attention")
    n_steps: int = Field(3, ge=1)
    gamma: float = Field(1.2, ge=1, description="1: a column is used up by the first step that looks at it")
    n_shared: int = Field(1, ge=0, description="gated units shared by all steps")
    n_independent: int = Field(1, ge=0, description="gated units of each step")
    lambda_sparse: float = Field(1e-5, ge=0, description="weight of the masks' entropy, beside the standardised error")
    virtual_batch: int = Field(256, ge=2, description="rows normalised together")
    momentum: float = Field(0.02, gt=0, le=1, description="of the running statistics")

    @model_validator(mode="after")
    def some_unit(self) -> Self:
        if self.n_shared + self.n_independent == 0:
            raise ValueError("n_shared and n_independent are both 0: expected at least one gated unit")
        return self

    def sizes(self) -> dict[str, object]:
        """Arguments of :class:`popcast.models.tabnet.tabnet_layers.Encoder`."""
        return self.model_dump(include=set(TabNetShape.model_fields) - {"lambda_sparse"})


class Pretraining(Section):
    """Self-supervised pretraining of the encoder."""

    ratio: float = Field(0.5, gt=0, lt=1, description="share of the columns hidden in a row")
    rows: float = Field(1.0, gt=0, le=1, description="share of the learning posts, drawn by the seed")
    n_shared: int = Field(1, ge=0, description="gated units of the decoder, shared by its steps")
    n_independent: int = Field(1, ge=1, description="gated units of the decoder, of each step")
    training: Training = Training(learning_rate=0.02, batch_size=256, max_epochs=30, patience=10)


class Params(TabNetShape, ColumnParams, NetworkParams):
    """Settings of TabNet on the columns of the wide frame."""

    pretrain: Pretraining | None = None
    training: Training = Training(
        learning_rate=0.1, weight_decay=1e-5, schedule="plateau", plateau_epochs=3, batch_size=2048, max_epochs=100,
        patience=10,
    )  # fmt: skip


def tabnet(shape: TabNetShape, numbers: int, sizes: list[int]):
    """A fresh network for ``numbers`` numeric columns and categories of ``sizes`` codes."""
    from popcast.models.tabnet.tabnet_layers import TabNet

    widths = [max(1, math.ceil(math.log(size))) for size in sizes]
    return TabNet(numbers, sizes, widths, shape.sizes(), shape.lambda_sparse)


class Predictor(NetworkPredictor):
    """TabNet, one network per seed; the pretraining, if any, is common to them."""

    Params = Params
    name = "tabnet"

    def __init__(self, params: Params, seed: int) -> None:
        super().__init__(params, seed)
        self.pretraining: list[dict[str, float]] = []

    def fit(self, posts: pl.DataFrame, features: pl.DataFrame, target: np.ndarray, folds: np.ndarray | None) -> Self:
        posts, features, target, folds = in_time_order(posts, features, target, folds)
        p = self.params
        self.dense = Dense(p.blocks, p.embeddings, p.rare, p.drop).fit(features, "tabnet")
        arrays = self.dense.transform(features)
        self.low, self.high = arrays["numeric"].min(axis=0), arrays["numeric"].max(axis=0)
        self.known = [_known(arrays["codes"][:, i], size) for i, size in enumerate(self.dense.sizes)]
        examples = Arrays(**self._inputs(features))
        start = None
        if self.params.pretrain and self.dense.varies and target.min() < target.max():
            folder = None if self.scratch is None else self.scratch / "pretraining"
            start = self._pretrain(examples, stopping_window(folds, len(target)), folder)

        def build():
            module = self.network()
            if start is not None:
                module.load_state_dict(start, strict=False)
            return module

        self.networks.fit(build, examples, target, folds, scratch=self.scratch)
        self.weights = self._column_weights(features[sample_rows(len(target), self.seed)])
        return self

    def network(self):
        return tabnet(self.params, max(self.dense.width, 1), self.dense.sizes)

    def _inputs(self, features: pl.DataFrame) -> dict[str, np.ndarray]:
        """``numeric`` float32 [n, numbers] within the training range, ``codes`` int64 [n, categories] seen there."""
        arrays = self.dense.transform(features)
        numeric = np.clip(arrays["numeric"], self.low, self.high)
        if not numeric.shape[1]:  # a network needs an input; of a column of zeros it learns nothing
            numeric = np.zeros((features.height, 1), np.float32)
        codes = [np.array(known)[arrays["codes"][:, i]] for i, known in enumerate(self.known)]
        empty = np.empty((features.height, 0), np.int64)
        return {"numeric": numeric, "codes": np.stack(codes, axis=1) if codes else empty}

    def _pretrain(self, examples: Arrays, window: Window | None, folder: Path | None) -> dict:
        """Weights, but the output's, after pretraining on the posts outside the window, which decides when to stop."""
        from popcast.models.tabnet.tabnet_layers import Reconstruction

        p, settings = self.params.pretrain, self.params.pretrain.training
        learn = np.arange(len(examples)) if window is None else np.flatnonzero(window.learn)
        if p.rows < 1:
            count = max(1, round(p.rows * len(learn)))
            learn = np.sort(np.random.default_rng(self.seed).choice(learn, count, replace=False))
        with seeded(self.seed, 1):
            module = Reconstruction(self.network(), self.params.sizes(), p.n_shared, p.n_independent)
        error = masked_error(module, examples, learn, p.ratio)
        monitor, epochs = None, max(1, settings.max_epochs // 10)
        if window is not None:
            watched, epochs = np.flatnonzero(window.watch), settings.max_epochs

            def monitor(network) -> float:
                return steady_error(network, error, examples, watched, self.seed, 2)

        self.pretraining = train(
            module, examples, learn, error, settings, self.seed, monitor=monitor, epochs=epochs, folder=folder,
            label="tabnet pretraining",
        )  # fmt: skip
        state = module.tabnet.state_dict().items()
        return {name: tensor for name, tensor in state if not name.startswith("output.")}

    def _column_weights(self, features: pl.DataFrame) -> dict[str, float]:
        """Global feature importance of the paper: a column's share of all aggregate masks; they sum to 1."""
        if not self.networks.modules or not self.dense.varies:
            return {}
        import torch

        inputs = {name: torch.from_numpy(array) for name, array in self._inputs(features).items()}
        with torch.inference_mode():
            weights = sum(module.column_weights(**inputs).double().sum(dim=0) for module in self.networks.modules)
        shares = (weights / weights.sum().clamp(min=1e-12)).tolist()
        names = self.dense.encoder.names
        numbers, categories = names[: len(self.dense.mean)], names[len(self.dense.mean) :]
        flags = [numbers[i] for i in self.dense.flagged]
        found: dict[str, float] = defaultdict(float)
        placeholder = [] if self.dense.width else [None]
        for name, share in zip([*numbers, *flags, *placeholder, *categories], shares, strict=True):
            if name is not None:
                found[name] += share
        return dict(found)

    def predict_seeds(self, posts: pl.DataFrame, features: pl.DataFrame) -> np.ndarray:
        return self.networks.predict(Arrays(**self._inputs(features)))

    def importances(self) -> dict[str, float]:
        return self.weights

    def learned(self) -> dict[str, Any]:
        ranges = {"low": self.low.tolist(), "high": self.high.tolist(), "known": self.known}
        return {"dense": self.dense.to_json(), "importances": self.weights, "pretraining": self.pretraining, **ranges}

    def restore(self, folder: Path, content: dict[str, Any]) -> None:
        self.dense = Dense.from_json(content["dense"])
        self.low, self.high = (np.array(content[key], np.float32) for key in ("low", "high"))
        self.known, self.weights = content["known"], content["importances"]
        self.pretraining = content["pretraining"]


def _known(codes: np.ndarray, size: int) -> list[int]:
    """For every code the one to use: itself where a training post had it, else the most frequent one."""
    count = np.bincount(codes, minlength=size)
    return np.where(count > 0, np.arange(size), count.argmax()).tolist()


def masked_error(module, examples: Arrays, learn: np.ndarray, ratio: float):
    """error(network, batch): squared error of the hidden entries in units of their variance over the rows ``learn``.

    Mean over the hidden entries of a row, then over rows; 1 is what the training mean would get.
    """
    import torch

    with torch.no_grad():
        entries = module.tabnet.entries(**examples.batch(learn)).double()
        variance = entries.var(dim=0, correction=0).float()
    variance[variance < 1e-9] = 1.0
    columns = int(module.tabnet.encoder.column.max()) + 1

    def error(network, batch):
        numeric = batch["numeric"]
        hidden = torch.bernoulli(torch.full((len(numeric), columns), ratio, device=numeric.device))
        decoded, true, concealed = network(**batch, hidden=hidden)
        squares = concealed * (decoded.float() - true) ** 2 / variance.to(numeric.device)
        return (squares.sum(dim=1) / concealed.sum(dim=1).clamp(min=1)).mean()

    return error

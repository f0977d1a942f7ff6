"""``mmra``: a micro-video's popularity from its frames and title and from those of its most similar videos.

Source: sheet mmra.md sections 3, 5 and 6 (Zhong et al., "Predicting Micro-video Popularity via Multi-modal Retrieval
Augmentation", SIGIR 2024). ``variant: ref`` computes what the published code does, ``fixed`` what it means to do,
``paper`` what the paper says. Text is one vector per title, not a sequence of tokens, so a frame that attends to the
title always takes the whole of it.

Weights of neighbours are not learned, so the K neighbours are averaged once, before training (exact); with
``learn_temperature`` they are gathered in every step instead. What is in the bank are the rows of the fit: see
``Policy``. A post without a vector has zeros in its place; a post that finds no neighbour has zeros and the mean label
of the learning rows. ``ref`` differs from the published code in two things: the monitor is taken on the whole window
instead of averaged over batches, and rows are learned in the order of time and id instead of that of a random split.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

import numpy as np
import polars as pl
from pydantic import Field, model_validator

from popcast.core import tables
from popcast.core.pretrained.saved_files import read_json, read_tensors
from popcast.features.common.nearest import unit_rows
from popcast.models.contract.stopping import stopping_window
from popcast.models.inputs.learned_posts import LearnedPosts, Policy, Role, neighbour_weights, weighted_sums
from popcast.models.inputs.matrix import in_time_order
from popcast.models.micro_video.family import REFERENCE, MicroVideoInputs, MicroVideoParams, MicroVideoPredictor
from popcast.models.nets.training import Arrays, Training

if TYPE_CHECKING:
    import torch


Ablation = Literal["none", "retrieval", "negative", "positive", "visual", "text", "products", "first_commit"]
"""What is left out (sheet, section 5). ``products``: the head sees the label embedding instead of the products;
``first_commit``: likewise, with one hidden layer and ReLU everywhere, as the first public code was."""


class Params(MicroVideoParams):
    """Settings of the network, its bank and its training. patience 21: the reference goes on while it is at most 20."""

    published: ClassVar = {"ref": {**REFERENCE, "bank": "ref", "training": {"shuffle": False, "learning_rate": 1e-5}}}

    variant: Literal["ref", "fixed", "paper"] = "fixed"
    ablate: Ablation = Field("none", description="what is left out")
    retrieval: str = Field("text.embedding", description="column whose cosine finds neighbours")
    k: int = Field(10, ge=1, description="neighbours")
    bank: Policy = Field("train", description="what is searched, see learned_posts.py; ref where variant is ref")
    drop_same_title: bool = False
    temperature: float = Field(1.0, gt=0, description="of the weights softmax(similarity / temperature)")
    learn_temperature: bool = Field(False, description="start from temperature; neighbours are gathered in every step")
    width: int = Field(768, ge=1, description="d; vectors of another width are projected to it")
    alpha: float = Field(0.6, ge=0, le=1, description="share of the positive attention")
    divisor: float | None = Field(None, gt=0, description="c; null: width in ref, its root else")
    activation: Literal["tanh", "relu"] = Field("tanh", description="of ref and fixed; relu was used on NUS")
    hidden: list[int] = Field([800, 200], min_length=1, description="widths of the head")
    monitor: Literal["loss", "mae+nmse"] = "mae+nmse"
    training: Training = Training(learning_rate=1e-4, batch_size=64, max_epochs=100, patience=21)

    @model_validator(mode="after")
    def consistent(self) -> Self:
        if not self.modalities():
            raise ValueError(f"ablate: {self.ablate} leaves neither visual nor text")
        return self

    def modalities(self) -> dict[str, str]:
        """Columns that the network sees: ``text`` and ``visual``, less what is ablated."""
        columns = {"text": self.text, "visual": self.visual}
        return {name: column for name, column in columns.items() if column is not None and name != self.ablate}


class Gathered(Arrays):
    """Posts and, in every batch, the vectors and labels of their neighbours: [B, K, ...] instead of averages [B, ...].

    arrays: [n, ...] of the posts. index int [n, K] (-1 for none), similarity [n, K]. lent: [m, ...] of the bank.
    """

    def __init__(
        self, arrays: dict[str, np.ndarray], index: np.ndarray, similarity: np.ndarray, lent: dict[str, np.ndarray]
    ) -> None:
        near = np.where(index >= 0, similarity, -np.inf).astype(np.float32)
        super().__init__(**arrays, near_similarity=near, index=np.maximum(index, 0).astype(np.int64))
        self.lent = Arrays(**lent)

    def batch(self, rows: np.ndarray) -> dict[str, Any]:
        found = super().batch(rows)
        index = found.pop("index")
        for name, values in self.lent.tensors.items():
            near = values.index_select(0, index.flatten())
            found[f"near_{name}"] = near.view(*index.shape, *values.shape[1:])
        return found

    def to(self, device: Any) -> Gathered:
        super().to(device)
        self.lent.to(device)
        return self


class Predictor(MicroVideoPredictor):
    """Networks of ``mmra_layers`` over the :class:`LearnedPosts` that they were fitted on.

    ``key``: the retrieval column. ``lent``: ``text``, ``visual`` and ``label`` (popularity) of the bank's rows.
    """

    Params = Params
    name = "mmra"
    bank: LearnedPosts | None = None

    def fit(self, posts: pl.DataFrame, features: pl.DataFrame, target: np.ndarray, folds: np.ndarray | None) -> Self:
        p = self.params
        posts, features, target, folds = in_time_order(posts, features, target, folds)
        window = stopping_window(folds, len(target))
        learning = np.ones(len(target), bool) if window is None else window.learn
        columns = p.modalities()
        self.inputs = MicroVideoInputs(columns.get("visual"), columns.get("text"), p.frames).fit(features, "mmra")
        arrays = self.inputs.transform(features)
        self.mean, self.center, self.scale = float(target[learning].mean()), 0.0, 1.0
        if p.standardise:
            self.center, self.scale = self.mean, float(target[learning].std()) or 1.0
        if p.ablate != "retrieval":
            self.key = MicroVideoInputs(None, p.retrieval, 1).fit(features, "mmra: retrieval")
            self._fill_bank(posts, self._vectors(features), learning, {**arrays, "label": target})
        examples = self._examples(posts, features, arrays, "fit")
        self.networks.fit(self.network, examples, target, folds, window=window, scratch=self.scratch)
        return self

    def _fill_bank(
        self, posts: pl.DataFrame, vectors: np.ndarray, learning: np.ndarray, lent: dict[str, np.ndarray]
    ) -> None:
        self.bank = LearnedPosts(posts, vectors, learning, self.params.bank, self.params.drop_same_title)
        self.lent = lent

    def _vectors(self, features: pl.DataFrame) -> np.ndarray:
        """Unit retrieval vectors float32 [n, width], zeros where a post has none."""
        return unit_rows(self.key.transform(features)["text"])

    def _examples(
        self, posts: pl.DataFrame, features: pl.DataFrame, arrays: dict[str, np.ndarray], role: Role
    ) -> Arrays:
        """Inputs of the network: the posts' own ``arrays`` and what their neighbours lend."""
        if self.bank is None:
            return Arrays(**arrays)
        p = self.params
        index, similarity = self.bank.neighbours(posts, self._vectors(features), p.k, role)
        lent = {**self.lent, "label": (self.lent["label"] - self.center) / self.scale}
        if p.learn_temperature:
            lent["label"] = lent["label"].astype(np.float32)
            return Gathered(arrays, index, similarity, lent)
        weights = neighbour_weights(index, similarity, p.temperature)
        near = {f"near_{name}": weighted_sums(index, weights, values) for name, values in lent.items()}
        near["near_label"] += (1.0 - weights.sum(axis=1)) * self._fallback
        near["near_label"] = near["near_label"].astype(np.float32)
        return Arrays(**arrays, **near)

    @property
    def _fallback(self) -> float:
        """Label, on the scale of the network, of the neighbours of a post that has none."""
        return (self.mean - self.center) / self.scale

    def network(self) -> torch.nn.Module:
        from popcast.models.mmra.mmra_layers import Layout, Network

        p, first = self.params, self.params.ablate == "first_commit"
        layout = Layout(
            variant=p.variant,
            modalities={name: self.inputs.shapes[name][-1] for name in p.modalities()},
            width=p.width,
            alpha=p.alpha,
            divisor=p.divisor or (float(p.width) if p.variant == "ref" else p.width**0.5),
            activation="relu" if first else p.activation,
            polarities=tuple(name for name in ("positive", "negative") if name != p.ablate),
            retrieval=self.bank is not None,
            products=not first and p.ablate != "products",
            hidden=tuple(p.hidden[-1:] if first else p.hidden),
            fallback=self._fallback,
            temperature=p.temperature,
            learned_temperature=p.learn_temperature and self.bank is not None,
        )
        return Network(layout)

    def predict_seeds(self, posts: pl.DataFrame, features: pl.DataFrame) -> np.ndarray:
        """Popularity float64 [n, seeds]."""
        return self.networks.predict(self._examples(posts, features, self.inputs.transform(features), "predict"))

    def save(self, folder: Path) -> None:
        """Params and networks; ``bank.json`` with the scale of labels, and the bank with its labels and vectors."""
        from safetensors.numpy import save_file

        super().save(folder)
        content = {"mean": self.mean, "center": self.center, "scale": self.scale}
        if self.bank is not None:
            content["key"] = self.key.to_json()
            rows = self.bank.posts.with_columns(learning=pl.Series(self.bank.learning))
            rows.write_parquet(folder / "bank.parquet", compression="zstd", statistics=False)
            save_file({"key": self.bank.vectors, **self.lent}, folder / "bank.safetensors")
        tables.write_json(content, folder / "bank.json")

    def restore(self, folder: Path, content: dict[str, Any]) -> None:
        super().restore(folder, content)
        bank = read_json(folder / "bank.json")
        self.mean, self.center, self.scale = bank["mean"], bank["center"], bank["scale"]
        if "key" in bank:
            self.key = MicroVideoInputs.from_json(bank["key"])
            rows, lent = pl.read_parquet(folder / "bank.parquet"), read_tensors(folder / "bank.safetensors")
            self._fill_bank(rows, lent.pop("key"), rows["learning"].to_numpy(), lent)

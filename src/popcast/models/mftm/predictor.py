"""``mftm``: a weighted mean of LightGBM and TabNet, both at their libraries' defaults, on frames and title.

Sheet mmra.md section 7 (MFTM). Both halves see the same numbers: the frame vectors (side by side, their mean or the
first one) and the title vector; a post without one has zeros there. ``variant: ref`` weighs the halves equally,
``fixed`` finds the two weights (not negative, sum 1) that fit the later half of the stopping window best: TabNet stops
on the earlier half, and neither learns from any of it. TabNet is that of ``tabnet``: with ``ref`` it learns labels as
they are, with ``fixed`` standardised ones.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar, Literal, Self

import numpy as np
import polars as pl
from pydantic import Field

from popcast.core.safety.whole_files import write_whole
from popcast.core.section import Section
from popcast.models.contract.member_weights import best_share, weighing_part
from popcast.models.contract.stopping import Window, stopping_window, threads
from popcast.models.inputs.matrix import in_time_order
from popcast.models.inputs.pooling import Pool, pooled
from popcast.models.micro_video.family import MicroVideoInputs, MicroVideoParams
from popcast.models.nets.network_predictor import NetworkPredictor
from popcast.models.nets.training import Arrays, Training
from popcast.models.tabnet.predictor import TabNetShape, tabnet
from popcast.models.trees.lightgbm_trees import kept_booster, same_bytes


class Trees(Section):
    """Settings of LightGBM, under its own names and at its defaults. All rounds are used."""

    rounds: int = Field(100, ge=1)
    num_leaves: int = Field(31, ge=2)
    learning_rate: float = Field(0.1, gt=0, le=1)
    min_child_samples: int = Field(20, ge=1)


class Params(TabNetShape, MicroVideoParams):
    """Settings of both halves; those of TabNet are pytorch-tabnet's defaults (sheet mmra.md section 7)."""

    published: ClassVar = {"ref": {"standardise": False, "bounded": False}}

    variant: Literal["ref", "fixed"] = "fixed"
    visual_pool: Pool = "flat"
    lightgbm: Trees = Trees()
    n_d: int = Field(8, ge=1)
    n_a: int = Field(8, ge=1)
    gamma: float = Field(1.3, ge=1)
    n_shared: int = Field(2, ge=0)
    n_independent: int = Field(2, ge=0)
    lambda_sparse: float = Field(1e-3, ge=0)
    virtual_batch: int = Field(128, ge=2)
    refit: Literal[False] = Field(False, description="the window weighs the halves, so none may learn from it")
    training: Training = Training(learning_rate=0.02, batch_size=1024, max_epochs=200, patience=20)


class Predictor(NetworkPredictor):
    """``weight * LightGBM + (1 - weight) * TabNet``."""

    Params = Params
    name = "mftm"

    def __init__(self, params: Params, seed: int) -> None:
        super().__init__(params, seed)
        self.booster, self.weight = None, 0.5

    def fit(self, posts: pl.DataFrame, features: pl.DataFrame, target: np.ndarray, folds: np.ndarray | None) -> Self:
        p = self.params
        posts, features, target, folds = in_time_order(posts, features, target, folds)
        self.inputs = MicroVideoInputs(p.visual, p.text, p.frames).fit(features, "mftm")
        rows = self._rows(features)
        self.width = rows.shape[1]
        window = stopping_window(folds, len(target))
        weighing = weighing_part(window.watch) if p.variant == "fixed" and window is not None else None
        part = slice(None) if weighing is None else ~weighing
        self.networks.fit(
            self.network, self._examples(rows[part]), target[part], None if folds is None else folds[part],
            window=None if window is None else Window(window.watch[part], window.learn[part]), scratch=self.scratch,
        )  # fmt: skip
        if target.min() == target.max():  # nothing to learn: the network part is that constant
            self.weight = 0.0
            return self
        learn = np.ones(len(target), bool) if window is None else window.learn
        self.booster = self._boost(rows[learn], target[learn])
        if weighing is not None:
            trees, network = self._halves(rows[weighing])
            self.weight = best_share(trees, network.mean(axis=1), target[weighing], otherwise=0.5)
        return self

    def _rows(self, features: pl.DataFrame) -> np.ndarray:
        """float32 [n, columns]: pooled frames, then the title."""
        arrays = self.inputs.transform(features)
        if "visual" in arrays:
            arrays["visual"] = pooled(arrays["visual"], self.params.visual_pool)
        return np.hstack(list(arrays.values()))

    def _examples(self, rows: np.ndarray) -> Arrays:
        return Arrays(numeric=rows, codes=np.empty((len(rows), 0), np.int64))

    def network(self):
        return tabnet(self.params, self.width, [])

    def _boost(self, rows: np.ndarray, target: np.ndarray):
        import lightgbm

        settings = self.params.lightgbm.model_dump(exclude={"rounds"}) | {
            "objective": "l2",
            **same_bytes(self.seed),
        }
        return lightgbm.train(settings, lightgbm.Dataset(rows, target), self.params.lightgbm.rounds)

    def _halves(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Predictions of LightGBM [n] and of TabNet [n, seeds]."""
        network = self.networks.predict(self._examples(rows))
        if self.booster is None or not len(rows):
            return np.zeros(len(rows)), network
        return self.booster.predict(rows, num_threads=threads()), network

    def predict_seeds(self, posts: pl.DataFrame, features: pl.DataFrame) -> np.ndarray:
        trees, network = self._halves(self._rows(features))
        return self.weight * trees[:, None] + (1 - self.weight) * network

    def save(self, folder: Path) -> None:
        super().save(folder)
        if self.booster is not None:
            write_whole(self.booster.model_to_string().encode(), folder / "lightgbm.txt")

    def learned(self) -> dict[str, Any]:
        return {"inputs": self.inputs.to_json(), "width": self.width, "weight": self.weight}

    def restore(self, folder: Path, content: dict[str, Any]) -> None:
        self.inputs = MicroVideoInputs.from_json(content["inputs"])
        self.width, self.weight = content["width"], content["weight"]
        if (folder / "lightgbm.txt").exists():
            self.booster = kept_booster(folder / "lightgbm.txt")

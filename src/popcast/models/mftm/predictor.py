"""``mftm``: a weighted mean of LightGBM and TabNet, both at their libraries' defaults, on frames and title.

Sheet mmra.md section 7 (MFTM). Both halves see the same numbers: the frame vectors (side by side, their mean or the
first one) and the title vector; a post without one has zeros there. ``variant: ref`` weighs the halves equally,
``fixed`` finds the two weights (not negative, sum 1) that fit the stopping window best, so neither half learns from
it. TabNet is that of ``tabnet.py``: with ``ref`` it learns labels as they are, with ``fixed`` standardised ones.
"""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar, Literal, Self

import numpy as np
import orjson
import polars as pl
from pydantic import Field

from popcast.core import tables
from popcast.core.section import Section
from popcast.models.contract.stopping import stopping_window, threads
from popcast.models.inputs.matrix import training_order
from popcast.models.inputs.pooling import Pool, pooled
from popcast.models.micro_video.family import MicroVideoInputs, MicroVideoParams
from popcast.models.nets.networks import Networks
from popcast.models.nets.training import Arrays, Training
from popcast.models.tabnet.predictor import TabNetShape, tabnet


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


class Predictor:
    """``weight * LightGBM + (1 - weight) * TabNet``."""

    Params = Params
    blocks = ()

    def __init__(self, params: Params, seed: int) -> None:
        self.params, self.seed = params, seed
        self.networks = Networks(params, seed, "mftm")
        self.scratch: Path | None = None
        self.booster, self.weight = None, 0.5

    def fit(self, posts: pl.DataFrame, features: pl.DataFrame, target: np.ndarray, folds: np.ndarray | None) -> Self:
        p, order = self.params, training_order(posts)
        features, target = features[order], target[order]
        folds = None if folds is None else folds[order]
        self.inputs = MicroVideoInputs(p.visual, p.text, p.frames).fit(features, "mftm")
        rows = self._rows(features)
        self.width = rows.shape[1]
        window = stopping_window(folds, len(target))
        self.networks.fit(self._build, self._examples(rows), target, folds, window=window, scratch=self.scratch)
        if target.min() == target.max():  # nothing to learn: the network part is that constant
            self.weight = 0.0
            return self
        learn = np.ones(len(target), bool) if window is None else ~window
        self.booster = self._boost(rows[learn], target[learn])
        if p.variant == "fixed" and window is not None:
            trees, network = self._halves(rows[window])
            self.weight = best_weight(trees, network.mean(axis=1), target[window])
        return self

    def _rows(self, features: pl.DataFrame) -> np.ndarray:
        """float32 [n, columns]: pooled frames, then the title."""
        arrays = self.inputs.transform(features)
        if "visual" in arrays:
            arrays["visual"] = pooled(arrays["visual"], self.params.visual_pool)
        return np.hstack(list(arrays.values()))

    def _examples(self, rows: np.ndarray) -> Arrays:
        return Arrays(numeric=rows, codes=np.empty((len(rows), 0), np.int64))

    def _build(self):
        return tabnet(self.params, self.width, [])

    def _boost(self, rows: np.ndarray, target: np.ndarray):
        import lightgbm

        settings = self.params.lightgbm.model_dump(exclude={"rounds"}) | {
            "objective": "l2", "seed": self.seed % 2**31, "deterministic": True, "force_row_wise": True,
            "num_threads": threads(), "verbosity": -1,
        }  # fmt: skip
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

    def predict(self, posts: pl.DataFrame, features: pl.DataFrame) -> np.ndarray:
        return self.predict_seeds(posts, features).mean(axis=1)

    def importances(self) -> dict[str, float]:
        return {}

    def save(self, folder: Path) -> None:
        self.networks.save(folder)
        if self.booster is not None:
            self.booster.save_model(str(folder / "lightgbm.txt"))
        content = {"params": self.params.model_dump(), "seed": self.seed, "inputs": self.inputs.to_json()}
        content |= {"width": self.width, "weight": self.weight}
        tables.write_json(content, folder / "predictor.json")

    @classmethod
    def load(cls, folder: Path) -> Self:
        content = orjson.loads((folder / "predictor.json").read_bytes())
        predictor = cls(Params.model_validate(content["params"]), content["seed"])
        predictor.inputs = MicroVideoInputs.from_json(content["inputs"])
        predictor.width, predictor.weight = content["width"], content["weight"]
        predictor.networks.load(folder, predictor._build)
        if (folder / "lightgbm.txt").exists():
            import lightgbm

            predictor.booster = lightgbm.Booster(model_file=str(folder / "lightgbm.txt"))
        return predictor


def best_weight(first: np.ndarray, second: np.ndarray, target: np.ndarray) -> float:
    """w in 0..1 with the smallest mean of (w * first + (1 - w) * second - target)^2; .5 where both are the same."""
    apart = first - second
    length = float(apart @ apart)
    return float(np.clip(apart @ (target - second) / length, 0.0, 1.0)) if length else 0.5

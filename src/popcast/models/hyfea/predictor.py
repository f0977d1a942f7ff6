"""``hyfea``: the CatBoost regressor of the SMP challenge's 2020 winner, on the blocks that the run names.

Sheet smp2025.md section 1 (He et al., HyFea, ACM MM 2020): learning rate .03, L2 3, depth 8, gradient leaf estimation,
counters of single categories only; loss RMSE, or Huber with delta .8 as in the SMP-2025 system. The author's id, which
was a category there, is not used: what the author's older posts tell is the ``history`` block's business.

With ``visual_pool`` it is the baseline of MMRA (sheet mmra.md section 7): the same regressor on nothing but the frame
vectors, side by side (``flat``) or pooled, and the title vector.
"""

from __future__ import annotations

from pathlib import Path
from typing import Self

import numpy as np
import polars as pl
from pydantic import Field, model_validator

from popcast.models.contract.predictor_files import read_predictor, write_predictor
from popcast.models.contract.stopping import stopping_window
from popcast.models.inputs.matrix import in_time_order, start_values
from popcast.models.inputs.pooling import Pool, PooledInputs
from popcast.models.inputs.text_scores import ScoreParams, TextScores
from popcast.models.inputs.unknown_authors import by_words, rows_to_learn
from popcast.models.trees.catboosted import BoostingParams, CatBoosted


class Params(BoostingParams):
    """The settings of :class:`BoostingParams` and the size of category combinations."""

    max_ctr_complexity: int = Field(1, ge=1, le=8)
    baseline: str | None = Field(None, description="feature column to start from, e.g. history.smoothed_mean")
    text: ScoreParams | None = Field(None, description="text scores as further columns, see text_scores.py")
    visual_pool: Pool | None = Field(None, description="frames and title alone, whatever blocks and embeddings say")
    visual: str | None = Field("video.frame_embedding", description="visual_pool: frame vectors; null: titles only")
    title: str = Field("text.embedding", description="visual_pool: column of title vectors")
    frames: int = Field(10, ge=1, description="vectors in one entry of the visual column")

    @model_validator(mode="after")
    def one_choice(self) -> Self:
        if self.visual_pool is not None and (self.baseline or self.text):
            raise ValueError("visual_pool goes with neither baseline nor text")
        return self


class Predictor:
    """One CatBoost ensemble."""

    Params = Params
    blocks = ()

    def __init__(self, params: Params, seed: int) -> None:
        self.params, self.seed = params, seed
        self.ensemble = CatBoosted(params, seed, {"max_ctr_complexity": params.max_ctr_complexity})
        self.scores = TextScores(params.text) if params.text else None
        if self.scores and params.blocks is not None:
            self.ensemble.params = params.model_copy(update={"blocks": [*params.blocks, "scores"]})
        if params.visual_pool is not None:
            self.ensemble.params = params.model_copy(update={"blocks": None, "embeddings": None})
        self.pooled: PooledInputs | None = None

    def fit(self, posts: pl.DataFrame, features: pl.DataFrame, target: np.ndarray, folds: np.ndarray | None) -> Self:
        p = self.params
        posts, features, target, folds = in_time_order(posts, features, target, folds)
        self.center = float(np.median(target))
        if p.visual_pool is not None:
            self.pooled = PooledInputs(p.visual, p.title, p.frames, p.visual_pool).fit(features, "hyfea")
            features = self.pooled.transform(features)
        residual = target - start_values(features, p.baseline, self.center, "hyfea")
        if self.scores:
            self.scores.learn_levels(posts, target, self.center)
            features = features.hstack(self.scores.fit(posts, residual, stopping_window(folds, len(target)), target))
            learn = rows_to_learn(self.scores, features, p.baseline)
            features, residual, target = features.filter(learn), residual[learn], target[learn]
            folds = None if folds is None else folds[learn]
        self.ensemble.fit(features, residual if p.baseline else target, folds, "hyfea", labels=target)
        return self

    def predict(self, posts: pl.DataFrame, features: pl.DataFrame) -> np.ndarray:
        start = start_values(features, self.params.baseline, self.center, "hyfea") if self.params.baseline else 0.0
        features = self.pooled.transform(features) if self.pooled else features
        if self.scores:
            features = features.hstack(self.scores.transform(posts))
        found = self.ensemble.predict(features) + start
        return by_words(found, self.scores, posts, features, self.params.baseline, self.center)

    def save(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.ensemble.save(folder, "catboost")
        if self.scores:
            self.scores.save(folder)
        write_predictor(folder, self, center=self.center, pooled=self.pooled.to_json() if self.pooled else None)

    @classmethod
    def load(cls, folder: Path) -> Self:
        predictor, content = read_predictor(cls, folder)
        predictor.center = content["center"]
        predictor.pooled = PooledInputs.from_json(content["pooled"]) if content["pooled"] else None
        predictor.ensemble.restore(folder, "catboost")
        predictor.scores = TextScores.load(folder) if predictor.scores else None
        return predictor

    def importances(self) -> dict[str, float]:
        return self.ensemble.importances()

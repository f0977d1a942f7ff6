"""``lightgbm``: gradient boosted trees on every block that the run names, optionally on top of a baseline column.

With ``baseline: history.smoothed_mean`` the trees learn how far a post lies from what its author usually gets; a post
of an unknown author starts from the training median. ``seeds`` > 1 averages ensembles that differ in their random
rows and columns. LightGBM's deterministic mode with a fixed number of threads gives the same bytes each time.
"""

from __future__ import annotations

from pathlib import Path
from typing import Self

import numpy as np
import polars as pl
from pydantic import Field

from popcast.core.safety.whole_files import write_whole
from popcast.models.contract.predictor_files import read_predictor, write_predictor
from popcast.models.contract.stopping import loss_weights, sample_rows, stopping_window, threads
from popcast.models.inputs.columns import ColumnParams
from popcast.models.inputs.matrix import Encoder, in_time_order, start_values
from popcast.models.inputs.text_scores import ScoreParams, TextScores
from popcast.models.inputs.unknown_authors import by_words, rows_to_learn
from popcast.models.params import Loss
from popcast.models.trees.lightgbm_trees import kept_booster, same_bytes, stopped


class Params(ColumnParams):
    """Settings of LightGBM, under its own names where it has one."""

    baseline: str | None = Field(None, description="feature column to start from, e.g. history.smoothed_mean")
    text: ScoreParams | None = Field(None, description="text scores as further columns, see text_scores.py")
    loss: Loss = "rmse"
    delta: float = Field(0.8, gt=0, description="of the Huber loss, in units of popularity")
    learning_rate: float = Field(0.03, gt=0, le=1)
    num_leaves: int = Field(31, ge=2)
    min_child_samples: int = Field(20, ge=1)
    feature_fraction: float = Field(0.5, gt=0, le=1)
    bagging_fraction: float = Field(0.8, gt=0, le=1)
    lambda_l2: float = Field(1.0, ge=0)
    max_bin: int = Field(255, ge=2)
    rounds: int = Field(3000, ge=1, description="trees at most")
    early_stopping: int = Field(100, ge=1, description="trees without gain on the stopping window")
    refit: bool = Field(True, description="learn from the stopping window too, with the number of trees found")
    seeds: int = Field(1, ge=1, description="ensembles to average")


class Predictor:
    """The mean of ``seeds`` LightGBM ensembles, plus the baseline column if there is one."""

    Params = Params
    blocks = ()

    def __init__(self, params: Params, seed: int) -> None:
        self.params, self.seed = params, seed
        self.boosters: list = []
        self.scores = TextScores(params.text) if params.text else None

    def fit(self, posts: pl.DataFrame, features: pl.DataFrame, target: np.ndarray, folds: np.ndarray | None) -> Self:
        p = self.params
        posts, features, target, folds = in_time_order(posts, features, target, folds)
        self.center = float(np.median(target))
        window = stopping_window(folds, len(target))
        residual = target - start_values(features, p.baseline, self.center, "lightgbm")
        if self.scores:
            self.scores.learn_levels(posts, target, self.center)
            features = features.hstack(self.scores.fit(posts, residual, window, target))
            learn = rows_to_learn(self.scores, features, p.baseline)
            features, residual, target = features.filter(learn), residual[learn], target[learn]
            window = stopping_window(None if folds is None else folds[learn], len(target))
        blocks = p.blocks if p.blocks is None or not self.scores else [*p.blocks, "scores"]
        self.encoder = Encoder(blocks, p.embeddings, p.rare, p.drop).fit(features, "lightgbm")
        matrix = self.encoder.transform(features)
        if not matrix.varies():
            return self
        weights = loss_weights(target, p.loss)
        rows, width = matrix.dense(), matrix.numeric.shape[1]
        for seed in range(self.seed, self.seed + p.seeds):
            self.boosters.append(self._boost(rows, width, residual, weights, window, matrix.names, seed))
        self.sample = rows[sample_rows(len(target), self.seed)]
        return self

    def _boost(self, rows, width, residual, weights, window, names, seed):
        import lightgbm

        p = self.params

        def dataset(chosen, reference=None):
            return lightgbm.Dataset(
                rows[chosen],
                label=residual[chosen],
                weight=None if weights is None else weights[chosen],
                feature_name=[f"column_{i}" for i in range(len(names))],
                categorical_feature=list(range(width, len(names))),
                reference=reference,
                params=settings,
            )

        settings = self._settings(seed)
        rounds = p.rounds
        if window is not None:
            learn = dataset(window.learn)
            booster, rounds = stopped(settings, learn, dataset(window.watch, learn), p.rounds, p.early_stopping)
            if not p.refit:
                return lightgbm.Booster(model_str=booster.model_to_string(num_iteration=rounds))
        return lightgbm.train(settings, dataset(slice(None)), rounds)

    def _settings(self, seed: int) -> dict[str, object]:
        p = self.params
        return {
            "objective": {"rmse": "l2", "huber": "huber"}.get(p.loss, "l1"),
            "alpha": p.delta,
            "learning_rate": p.learning_rate,
            "num_leaves": p.num_leaves,
            "min_child_samples": p.min_child_samples,
            "feature_fraction": p.feature_fraction,
            "bagging_fraction": p.bagging_fraction,
            "bagging_freq": 1,
            "lambda_l2": p.lambda_l2,
            "max_bin": p.max_bin,
            **same_bytes(seed),
        }

    def predict(self, posts: pl.DataFrame, features: pl.DataFrame) -> np.ndarray:
        start = start_values(features, self.params.baseline, self.center, "lightgbm")
        if not self.boosters or not features.height:
            return start
        if self.scores:
            features = features.hstack(self.scores.transform(posts))
        rows = self.encoder.transform(features).dense()
        found = start + np.mean([booster.predict(rows, num_threads=threads()) for booster in self.boosters], axis=0)
        return by_words(found, self.scores, posts, features, self.params.baseline, self.center)

    def importances(self) -> dict[str, float]:
        """Mean absolute SHAP value per column over a fixed sample of training posts."""
        if not self.boosters:
            return {}
        if not hasattr(self, "shap"):
            values = [booster.predict(self.sample, pred_contrib=True)[:, :-1] for booster in self.boosters]
            means = np.mean([np.abs(value).mean(axis=0) for value in values], axis=0)
            self.shap = dict(zip(self.encoder.names, means.tolist(), strict=True))
        return self.shap

    def save(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        if self.scores:
            self.scores.save(folder)
        for number, booster in enumerate(self.boosters):
            write_whole(booster.model_to_string().encode(), folder / f"lightgbm-{number}.txt")
        learned = {"center": self.center, "encoder": self.encoder.to_json(), "boosters": len(self.boosters)}
        write_predictor(folder, self, **learned, importances=self.importances())

    @classmethod
    def load(cls, folder: Path) -> Self:
        predictor, content = read_predictor(cls, folder)
        predictor.center, predictor.shap = float(content["center"]), content["importances"]
        predictor.scores = TextScores.load(folder) if predictor.scores else None
        predictor.encoder = Encoder.from_json(content["encoder"])
        files = [folder / f"lightgbm-{number}.txt" for number in range(content["boosters"])]
        predictor.boosters = [kept_booster(file) for file in files]
        return predictor

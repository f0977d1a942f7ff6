"""``on_top``: any other predictor, learning how far posts lie from a start value, with text scores among its columns.

LightGBM and HyFea do both by themselves; this gives it to networks and the stacker, and compares like with like.
The start is a feature such as ``history.smoothed_mean`` (the training median where it is null). Text scores are those
of ``text_scores.py``: out-of-fold within the rows of the fit. The inner predictor gets the difference as its target.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Self

import numpy as np
import polars as pl
from pydantic import Field, model_validator

from popcast.core.errors import BadInput
from popcast.core.named import predictor_module
from popcast.core.params import merged
from popcast.core.section import Key, Section
from popcast.models.contract.predictor_files import load_predictor, read_predictor, write_predictor
from popcast.models.contract.predictors import fitted, seed_predictions
from popcast.models.contract.stopping import stopping_window
from popcast.models.inputs.matrix import in_time_order, start_values
from popcast.models.inputs.text_scores import ScoreParams, TextScores
from popcast.models.inputs.unknown_authors import by_words, rows_to_learn
from popcast.models.params import Loss


class Params(Section):
    """The inner predictor is a file in ``popcast.models``; ``set`` are all of its settings."""

    model: Key = Field(description="inner predictor")
    set: dict[str, Any] = Field({}, description="its settings; keys left out have the defaults of its file")
    loss: Loss | None = Field(None, description="of the inner predictor, where set does not name one")
    baseline: str | None = Field(None, description="feature column to start from; null: the training median")
    text: ScoreParams | None = Field(None, description="text scores as further columns, block ``scores``")

    @model_validator(mode="after")
    def inner_is_known(self) -> Self:
        """A wrong setting of the inner predictor is refused where the section is read, not in the middle of a run."""
        self.inner()
        return self

    def inner(self) -> Section:
        """The settings of the inner predictor, complete."""
        values = {**({} if self.loss is None else {"loss": self.loss}), **self.set}
        inner = merged(predictor_module(self.model).Params, values, {}, f"{self.model}.set")
        for name in ("loss", "relative"):  # what weighs errors by the size of the label
            if getattr(inner, name, None) in ("mape", True):
                raise BadInput(
                    f"on_top: {name} {values[name]}: a relative error of a difference means nothing, expected another"
                )
        return inner


class Predictor:
    """``start + inner``."""

    Params = Params
    blocks = ()

    def __init__(self, params: Params, seed: int) -> None:
        self.params, self.seed = params, seed
        self.scratch: Path | None = None
        self.module = predictor_module(params.model)
        self.inner = self.module.Predictor(params.inner(), seed)
        self.scores = TextScores(params.text) if params.text else None

    def fit(self, posts: pl.DataFrame, features: pl.DataFrame, target: np.ndarray, folds: np.ndarray | None) -> Self:
        posts, features, target, folds = in_time_order(posts, features, target, folds)
        self.center = float(np.median(target))
        self.constant = bool(target.min() == target.max())  # then no start value is better than the only label
        if self.constant:
            return self
        residual = target - start_values(features, self.params.baseline, self.center, "on_top")
        if self.scores:
            self.scores.learn_levels(posts, target, self.center)
            features = features.hstack(self.scores.fit(posts, residual, stopping_window(folds, len(target)), target))
            learn = rows_to_learn(self.scores, features, self.params.baseline)
            posts, features, residual = posts.filter(learn), features.filter(learn), residual[learn]
            folds = None if folds is None else folds[learn]
        fitted(self.inner, self.scratch, posts, features, residual, folds)
        return self

    def predict(self, posts: pl.DataFrame, features: pl.DataFrame) -> np.ndarray:
        return self.predict_seeds(posts, features).mean(axis=1)

    def predict_seeds(self, posts: pl.DataFrame, features: pl.DataFrame) -> np.ndarray:
        """float64 [n, seeds of the inner predictor]."""
        if self.constant:
            return np.full((features.height, 1), self.center)
        start = start_values(features, self.params.baseline, self.center, "on_top")
        if self.scores:
            features = features.hstack(self.scores.transform(posts))
        found = start[:, None] + seed_predictions(self.inner, posts, features)
        return by_words(found, self.scores, posts, features, self.params.baseline, self.center)

    def importances(self) -> dict[str, float]:
        return {} if self.constant else self.inner.importances()

    def save(self, folder: Path) -> None:
        write_predictor(folder, self, center=self.center, constant=self.constant)
        if self.constant:
            return
        if self.scores:
            self.scores.save(folder)
        self.inner.save(folder / "inner")
        history = folder / "inner" / "history.json"
        if history.exists():  # where the report looks for training curves
            (folder / "history.json").write_bytes(history.read_bytes())

    @classmethod
    def load(cls, folder: Path) -> Self:
        predictor, content = read_predictor(cls, folder)
        predictor.center, predictor.constant = content["center"], content["constant"]
        if predictor.constant:
            return predictor
        predictor.inner = load_predictor(predictor.module.Predictor, folder / "inner")
        predictor.scores = TextScores.load(folder) if predictor.scores else None
        return predictor

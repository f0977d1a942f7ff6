"""``normed_label``: any other predictor, learning a label on another scale; what it predicts is brought back.

Source: label variants of SMP-2025 (smp2025.md section 1: y - 1.29 floored at 1, 0.8 y, log1p y) and the standardised
label of HMMVED (mmra.md section 4). There the variants are blended as they are, which only lowers them; here every
prediction is on the scale of the label again. What can change is what the loss weighs (``huber`` after ``scaled``,
large labels after ``log1p``, labels below the floor after ``shifted``) and how regularised predictors start. Networks
standardise by themselves (``standardise``).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
import polars as pl
from pydantic import Field, model_validator

from popcast.core.errors import BadInput
from popcast.core.named import predictor_module
from popcast.core.params import merged
from popcast.core.section import Key, Section
from popcast.models.contract.predictor_files import load_predictor, read_predictor, write_predictor
from popcast.models.contract.predictors import fitted, seed_predictions
from popcast.models.params import Loss


class Params(Section):
    """The inner predictor is a file in ``popcast.models``; ``set`` are all of its settings."""

    model: Key = Field(description="inner predictor")
    set: dict[str, Any] = Field({}, description="its settings; keys left out have the defaults of its file")
    loss: Loss | None = Field(None, description="of the inner predictor, where set does not name one")
    norm: Literal["standardised", "shifted", "scaled", "log1p"] = Field(
        "standardised", description="standardised: (y - mean) / deviation; shifted: max(y - shift, floor)"
    )
    shift: float = Field(1.29, description="shifted: taken from every label")
    floor: float = Field(1.0, description="shifted: the least label learned")
    scale: float = Field(0.8, gt=0, description="scaled: factor of every label")

    @model_validator(mode="after")
    def inner_is_known(self) -> Self:
        """A wrong setting of the inner predictor is refused where the section is read, not in the middle of a run."""
        self.inner()
        return self

    def inner(self) -> Section:
        """The settings of the inner predictor, complete."""
        values = {**({} if self.loss is None else {"loss": self.loss}), **self.set}
        inner = merged(predictor_module(self.model).Params, values, {}, f"{self.model}.set")
        for name in ("loss", "relative"):
            if getattr(inner, name, None) in ("mape", True):
                raise BadInput(
                    f"normed_label: {name} {values[name]}: a relative error on another scale means nothing, "
                    "expected another"
                )
        if getattr(inner, "baseline", None) is not None:
            raise BadInput("normed_label: baseline is on the scale of the label, expected none: null")
        return inner


class Predictor:
    """``back(inner)``, where the inner predictor learned ``there(label)``."""

    Params = Params
    blocks = ()

    def __init__(self, params: Params, seed: int) -> None:
        self.params, self.seed = params, seed
        self.scratch: Path | None = None
        self.module = predictor_module(params.model)
        self.inner = self.module.Predictor(params.inner(), seed)

    def fit(self, posts: pl.DataFrame, features: pl.DataFrame, target: np.ndarray, folds: np.ndarray | None) -> Self:
        self._note(target)
        self.constant = bool(target.min() == target.max())
        if not self.constant:
            fitted(self.inner, self.scratch, posts, features, self.there(target), folds)
        return self

    def _note(self, target: np.ndarray) -> None:
        deviation = float(target.std())
        self.center, self.spread = float(target.mean()), deviation if deviation > 0 else 1.0
        self.low, self.high = float(target.min()), float(target.max())

    def there(self, label: np.ndarray) -> np.ndarray:
        """Labels [n] on the scale that is learned."""
        p = self.params
        if p.norm == "standardised":
            return (label - self.center) / self.spread
        if p.norm == "shifted":
            return np.maximum(label - p.shift, p.floor)
        return label * p.scale if p.norm == "scaled" else np.log1p(label - min(self.low, 0.0))

    def back(self, value: np.ndarray) -> np.ndarray:
        """What was learned, on the scale of the label; of a logarithm no more than the labels seen."""
        p = self.params
        if p.norm == "standardised":
            return value * self.spread + self.center
        if p.norm == "shifted":
            return value + p.shift
        if p.norm == "scaled":
            return value / p.scale
        seen = self.there(np.array([self.low, self.high]))
        return np.expm1(np.clip(value, *seen)) + min(self.low, 0.0)

    def predict(self, posts: pl.DataFrame, features: pl.DataFrame) -> np.ndarray:
        return self.predict_seeds(posts, features).mean(axis=1)

    def predict_seeds(self, posts: pl.DataFrame, features: pl.DataFrame) -> np.ndarray:
        """float64 [n, seeds of the inner predictor]."""
        if self.constant:
            return np.full((posts.height, 1), self.center)
        return self.back(seed_predictions(self.inner, posts, features))

    def importances(self) -> dict[str, float]:
        return {} if self.constant else self.inner.importances()

    def save(self, folder: Path) -> None:
        label = {name: getattr(self, name) for name in ("center", "spread", "low", "high", "constant")}
        write_predictor(folder, self, **label)
        if self.constant:
            return
        self.inner.save(folder / "inner")
        history = folder / "inner" / "history.json"
        if history.exists():  # where the report looks for training curves
            (folder / "history.json").write_bytes(history.read_bytes())

    @classmethod
    def load(cls, folder: Path) -> Self:
        predictor, content = read_predictor(cls, folder)
        for name in ("center", "spread", "low", "high", "constant"):
            setattr(predictor, name, content[name])
        if not predictor.constant:
            predictor.inner = load_predictor(predictor.module.Predictor, folder / "inner")
        return predictor

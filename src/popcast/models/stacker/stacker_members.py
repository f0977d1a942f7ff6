"""First layer of ``stacker``: boosted trees, a ridge and extra trees of scikit-learn behind one small interface.

``fit(inputs, target, folds, seed)`` and ``predict(inputs)`` take a dict of two float32 matrices of the same rows:
``table`` [n, p + c], numbers with NaN for missing and category codes, and ``scaled`` [n, q], standardised numbers with
missing flags and one-hot categories. ``arrays()`` is what an npz file keeps, ``of(arrays)`` puts it back.
"""

from __future__ import annotations

from typing import Literal, Self

import numpy as np
from pydantic import Field

from popcast.core.section import Section
from popcast.models.contract.stopping import loss_weights, stopping_window, threads
from popcast.models.trees.tree_arrays import Trees


class Boosting(Section):
    """Settings of HistGradientBoostingRegressor, under its own names where it has one."""

    learning_rate: float = Field(0.1, gt=0, le=1)
    max_leaf_nodes: int = Field(31, ge=2)
    min_samples_leaf: int = Field(20, ge=1)
    l2_regularization: float = Field(1.0, ge=0)
    max_features: float = Field(0.3, gt=0, le=1, description="share of columns looked at per split")
    max_bins: int = Field(255, ge=2, le=255)
    rounds: int = Field(500, ge=1, description="trees at most")
    early_stopping: int = Field(20, ge=1, description="trees without gain on the stopping window")


class ExtraTrees(Section):
    """Settings of ExtraTreesRegressor."""

    n_estimators: int = Field(100, ge=1)
    min_samples_leaf: int = Field(5, ge=1)
    max_features: float = Field(0.3, gt=0, le=1)


class Settings(Section):
    """Settings of the members."""

    loss: Literal["rmse", "mae", "mape"] = Field("rmse", description="of the boosted trees; the others learn squares")
    boosting: Boosting = Boosting()
    ridge_penalty: float = Field(100.0, gt=0)
    extra_trees: ExtraTrees = ExtraTrees()


def without_empty(x: np.ndarray) -> np.ndarray:
    """``x`` [n, columns] with zeros in columns that hold no value at all: scikit-learn's bins want one."""
    empty = np.isnan(x).all(axis=0)
    return np.where(empty, 0.0, x).astype(x.dtype) if empty.any() else x


class BoostedMember:
    """Boosted trees; the number of rounds is chosen on the last fold, then all rows are learned."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    def fit(self, inputs: dict, target: np.ndarray, folds: np.ndarray | None, seed: int) -> Self:
        p, x = self.settings.boosting, inputs["table"]
        weights = loss_weights(target, self.settings.loss)
        window, rounds = stopping_window(folds, len(target)), p.rounds

        def part(rows):
            return without_empty(x[rows]), target[rows], None if weights is None else weights[rows]

        if window is not None:
            model = self._model(rounds, seed, stop=True)
            learn, (late_x, late_y, late_weights) = part(window.learn), part(window.watch)
            model.fit(*learn, X_val=late_x, y_val=late_y, sample_weight_val=late_weights)
            rounds = max(model.n_iter_ - p.early_stopping, 1) if model.n_iter_ < rounds else rounds
        self.trees = Trees.of_boosting(self._model(rounds, seed, stop=False).fit(*part(slice(None))))
        return self

    def _model(self, rounds: int, seed: int, stop: bool):
        from sklearn.ensemble import HistGradientBoostingRegressor

        settings = self.settings.boosting.model_dump(exclude={"rounds", "early_stopping"})
        return HistGradientBoostingRegressor(
            loss="squared_error" if self.settings.loss == "rmse" else "absolute_error",
            max_iter=rounds, early_stopping=stop, n_iter_no_change=self.settings.boosting.early_stopping, tol=0.0,
            categorical_features=None, random_state=seed, **settings,
        )  # fmt: skip

    def predict(self, inputs: dict) -> np.ndarray:
        return self.trees.predict(inputs["table"])

    def arrays(self) -> dict[str, np.ndarray]:
        return self.trees.arrays()

    def of(self, arrays: dict[str, np.ndarray]) -> Self:
        self.trees = Trees(**arrays)
        return self


class ExtraTreesMember(BoostedMember):
    """Extremely randomised trees."""

    def fit(self, inputs: dict, target: np.ndarray, folds: np.ndarray | None, seed: int) -> Self:
        from sklearn.ensemble import ExtraTreesRegressor

        model = ExtraTreesRegressor(**self.settings.extra_trees.model_dump(), random_state=seed, n_jobs=threads())
        self.trees = Trees.of_forest(
            model.fit(without_empty(inputs["table"]), target, loss_weights(target, self.settings.loss))
        )
        return self


class RidgeMember:
    """Ridge regression on standardised numbers and one-hot categories; memory: the matrix in float64."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    def fit(self, inputs: dict, target: np.ndarray, folds: np.ndarray | None, seed: int) -> Self:
        from sklearn.linear_model import Ridge

        model = Ridge(alpha=self.settings.ridge_penalty, solver="cholesky")
        model.fit(inputs["scaled"].astype(np.float64), target, loss_weights(target, self.settings.loss))
        self.weights, self.bias = model.coef_, np.float64(model.intercept_)
        return self

    def predict(self, inputs: dict) -> np.ndarray:
        return inputs["scaled"].astype(np.float64) @ self.weights + self.bias

    def arrays(self) -> dict[str, np.ndarray]:
        return {"weights": self.weights, "bias": self.bias}

    def of(self, arrays: dict[str, np.ndarray]) -> Self:
        self.weights, self.bias = arrays["weights"], arrays["bias"]
        return self


def make_member(name: str, settings: Settings) -> BoostedMember | RidgeMember:
    """An unfitted member by its name in params.yaml."""
    kinds = {"boosting": BoostedMember, "ridge": RidgeMember, "extra_trees": ExtraTreesMember}
    return kinds[name](settings)

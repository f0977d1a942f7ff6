"""CatBoost on the wide feature frame: what the predictors ``hyfea`` and ``cr`` have in common.

Trees grow on the CPU with a fixed number of threads and the saved cbm carries no time stamp and no random id, so the
same rows give the same bytes. Categorical columns are CatBoost's own; importances are CatBoost's SHAP values.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Self

import numpy as np
import polars as pl
from pydantic import Field

from popcast.core import tables
from popcast.core.errors import bad_input
from popcast.core.pretrained.saved_files import putting_together, read_json
from popcast.core.safety.whole_files import whole_file
from popcast.models.contract.stopping import loss_weights, sample_rows, stopping_window, threads
from popcast.models.inputs.columns import ColumnParams
from popcast.models.inputs.matrix import Encoder, Matrix
from popcast.models.params import Loss


class BoostingParams(ColumnParams):
    """Settings of one CatBoost ensemble. Defaults of learning rate and regularisation: sheet smp2025.md section 1."""

    loss: Loss = "rmse"
    delta: float = Field(0.8, gt=0, description="of the Huber loss, in units of popularity")
    learning_rate: float = Field(0.03, gt=0, le=1)
    depth: int = Field(8, ge=1, le=16)
    l2_leaf_reg: float = Field(3.0, ge=0)
    column_share: float = Field(1.0, gt=0, le=1, description="columns looked at per split")
    borders: int = Field(254, ge=1, le=254, description="split candidates per numeric column")
    rounds: int = Field(2000, ge=1, description="trees at most")
    early_stopping: int = Field(100, ge=1, description="trees without gain on the stopping window")
    refit: bool = Field(True, description="learn from the stopping window too, with the number of trees found")


class CatBoosted:
    """One CatBoost ensemble with the encoder of its columns. ``extra``: settings beyond :class:`BoostingParams`."""

    def __init__(self, params: BoostingParams, seed: int, extra: dict[str, Any]) -> None:
        self.params, self.seed, self.extra = params, seed, extra
        self.model = None
        self.weighing_prediction: np.ndarray | None = None

    def fit(
        self,
        features: pl.DataFrame,
        target: np.ndarray,
        folds: np.ndarray | None,
        name: str,
        labels: np.ndarray | None = None,
        weighing: np.ndarray | None = None,
    ) -> Self:
        """Rows in time order. labels [n]: popularity, by which MAPE weighs, where ``target`` is a difference to it.

        weighing: bool [n], the part of the last fold that has no say in when to stop; ``weighing_prediction``: what the
        model of the earlier folds, which stopped on the rest of it, says about that part.
        """
        p = self.params
        self.center = float(np.median(target))
        self.encoder = Encoder(p.blocks, p.embeddings, p.rare, p.drop).fit(features, name)
        matrix = self.encoder.transform(features)
        if not matrix.varies() or target.min() == target.max():
            return self
        weights = loss_weights(target if labels is None else labels, p.loss)
        target = target - self.center
        window, rounds = stopping_window(folds, len(target)), p.rounds
        if window is not None and matrix.rows(window.learn).varies():
            learn = self._pool(matrix, target, weights, window.learn)
            watched = window.watch if weighing is None else window.watch & ~weighing
            watch = self._pool(matrix, target, weights, watched)
            self.model = self._regressor(rounds, stop=p.early_stopping).fit(learn, eval_set=watch)
            if weighing is not None:
                self.weighing_prediction = self.model.predict(self._pool(matrix, rows=weighing)) + self.center
            rounds = self.model.tree_count_
        if p.refit or self.model is None:
            self.model = self._regressor(rounds).fit(self._pool(matrix, target, weights, slice(None)))
        self.sample = matrix.rows(sample_rows(len(target), self.seed))
        return self

    def _pool(self, matrix: Matrix, target=None, weights=None, rows=slice(None)):
        from catboost import FeaturesData, Pool

        part = matrix.rows(rows)
        width = part.numeric.shape[1]
        data = FeaturesData(
            num_feature_data=np.ascontiguousarray(part.numeric) if width else None,
            cat_feature_data=part.codes.astype("S").astype(object) if part.codes.shape[1] else None,
            num_feature_names=matrix.names[:width] if width else None,
            cat_feature_names=matrix.names[width:] if part.codes.shape[1] else None,
        )
        label = None if target is None else target[rows]
        return Pool(data, label=label, weight=None if weights is None else weights[rows])

    def _regressor(self, rounds: int, stop: int | None = None):
        from catboost import CatBoostRegressor

        p = self.params
        loss = {"rmse": "RMSE", "huber": f"Huber:delta={p.delta}"}.get(p.loss, "MAE")
        stopping = {} if stop is None else {"od_type": "Iter", "od_wait": stop, "use_best_model": True}
        return CatBoostRegressor(
            iterations=rounds,
            loss_function=loss,
            learning_rate=p.learning_rate,
            depth=p.depth,
            l2_leaf_reg=p.l2_leaf_reg,
            rsm=p.column_share,
            border_count=p.borders,
            # Exact puts the median into a leaf, which gradient steps reach slowly; but it ignores row weights
            leaf_estimation_method="Exact" if p.loss == "mae" else "Gradient",
            random_seed=self.seed % 2**31,
            thread_count=threads(),
            allow_const_label=True,
            allow_writing_files=False,
            verbose=False,
            **self.extra,
            **stopping,
        )

    def predict(self, features: pl.DataFrame) -> np.ndarray:
        """Popularity [n] float64."""
        if self.model is None or not features.height:
            return np.full(features.height, self.center)
        return self.model.predict(self._pool(self.encoder.transform(features))) + self.center

    def importances(self) -> dict[str, float]:
        """Mean absolute SHAP value per column over a fixed sample of training posts."""
        if self.model is None:
            return {}
        if not hasattr(self, "shap"):
            values = self.model.get_feature_importance(self._pool(self.sample), type="ShapValues")
            means = np.abs(values[:, :-1]).mean(axis=0)
            self.shap = dict(zip(self.sample.names, means.tolist(), strict=True))
        return self.shap

    def save(self, folder: Path, name: str) -> None:
        """Write ``<name>.json`` and, unless the ensemble is a constant, ``<name>.cbm``."""
        content = {"center": self.center, "encoder": self.encoder.to_json(), "importances": self.importances()}
        tables.write_json({**content, "constant": self.model is None}, folder / f"{name}.json")
        if self.model is not None:
            metadata = self.model.get_metadata()
            for key in ("train_finish_time", "model_guid"):
                metadata[key] = ""
            file = folder / f"{name}.cbm"
            with whole_file(file) as part:
                self.model.save_model(str(part))
                _check_whole(part)

    def restore(self, folder: Path, name: str) -> Self:
        """Read what :meth:`save` wrote."""
        from catboost import CatBoostRegressor

        content = read_json(folder / f"{name}.json")
        self.center, self.shap = float(content["center"]), content["importances"]
        self.encoder = Encoder.from_json(content["encoder"])
        if not content["constant"]:
            file = folder / f"{name}.cbm"
            with putting_together(file):
                self.model = CatBoostRegressor().load_model(str(file))
        return self


def _check_whole(file: Path) -> None:
    """Raise BadInput where a cbm file is cut short: CatBoost says nothing when the last bytes find no room."""
    from catboost import CatBoostError, CatBoostRegressor

    try:
        CatBoostRegressor().load_model(str(file))
    except CatBoostError:
        raise bad_input("cannot be written: it was cut short, the disk is full: make room and start again, what is done"
                        " stays done", file=file.with_suffix("")) from None  # fmt: skip

"""AutoGluon behind ``stacker``: an optional extra, ``pip install -r requirements-autogluon.txt``.

It chooses and weighs its models on the last fold (later posts), then fits them again on all rows. Its files are
pickles, which run code when they are loaded: loading is refused unless POPCAST_TRUST_PICKLE=1 says that the folder is
one's own. Its fits use their own random numbers and clocks, so the promise of the same bytes does not hold for it.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Self

import numpy as np

from popcast.core.errors import BadInput
from popcast.core.scratch import temporary
from popcast.models.contract.stopping import stopping_window
from popcast.models.inputs.matrix import Matrix

METRICS = {"rmse": "root_mean_squared_error", "mae": "mean_absolute_error", "mape": "mean_absolute_percentage_error"}


class Ensemble:
    """A fitted ``autogluon.tabular.TabularPredictor``."""

    def __init__(self, predictor, folder: object = None) -> None:
        self.predictor, self.folder = predictor, folder  # the folder of a fit lives as long as the ensemble

    @classmethod
    def fitted(
        cls,
        matrix: Matrix,
        target: np.ndarray,
        folds: np.ndarray | None,
        presets: str,
        time_limit: int | None,
        loss: str,
        seed: int,
    ) -> Self:
        """matrix: n rows in the order of time; target float64 [n]; folds int [n] or None."""
        kind = _tabular_predictor()
        table = _frame(matrix).assign(popularity=target)
        window = stopping_window(folds, len(target))
        learn = np.ones(len(target), bool) if window is None else window.learn
        folder = temporary("autogluon")
        predictor = kind(
            label="popularity", problem_type="regression", eval_metric=METRICS[loss], verbosity=0, path=folder.name
        )
        predictor.fit(
            table[learn], tuning_data=None if window is None else table[window.watch], presets=presets,
            time_limit=time_limit, ag_args_fit={"random_seed": seed},
        )  # fmt: skip
        if window is not None:
            predictor.refit_full()
        return cls(predictor, folder)

    def predict(self, matrix: Matrix) -> np.ndarray:
        """float64 [n]."""
        if not len(matrix.numeric):
            return np.empty(0)
        return np.asarray(self.predictor.predict(_frame(matrix), as_pandas=False), np.float64)

    def save(self, folder: Path) -> None:
        """AutoGluon's folder with what prediction needs."""
        self.predictor.clone_for_deployment(str(folder), dirs_exist_ok=True)

    @classmethod
    def load(cls, folder: Path) -> Self:
        if os.environ.get("POPCAST_TRUST_PICKLE") != "1":
            raise BadInput(
                f"{folder}: AutoGluon keeps pickles, which run code when loaded: set POPCAST_TRUST_PICKLE=1 if you "
                "made this folder yourself"
            )
        return cls(_tabular_predictor().load(str(folder)))


def _tabular_predictor():
    try:
        from autogluon.tabular import TabularPredictor
    except ModuleNotFoundError as error:
        raise BadInput(
            f"stacker: backend autogluon needs a package that is missing ({error.name}): "
            "pip install -r requirements-autogluon.txt"
        ) from None
    return TabularPredictor


def _frame(matrix: Matrix):
    """pandas frame: numbers with NaN, codes as categories."""
    import pandas as pd

    width = matrix.numeric.shape[1]
    columns = {f"number_{i}": matrix.numeric[:, i] for i in range(width)}
    columns |= {f"category_{i}": matrix.codes[:, i].astype(str) for i in range(matrix.codes.shape[1])}
    return pd.DataFrame(columns)

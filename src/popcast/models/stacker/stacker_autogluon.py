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
        words: dict[str, list[str]],
        target: np.ndarray,
        folds: np.ndarray | None,
        presets: str,
        time_limit: int | None,
        loss: str,
        seed: int,
    ) -> Self:
        """matrix: n rows in the order of time; words: name -> n texts; target float64 [n]; folds int [n] or None.

        With words AutoGluon fits its set ``multimodal``: boosted trees, a network, and a text encoder that it tunes.
        """
        kind = _tabular_predictor()
        table = _frame(matrix, words).assign(popularity=target)
        window = stopping_window(folds, len(target))
        learn = np.ones(len(target), bool) if window is None else window.learn
        folder = temporary("autogluon")
        predictor = kind(
            label="popularity", problem_type="regression", eval_metric=METRICS[loss], verbosity=0, path=folder.name
        )
        models = {"hyperparameters": "multimodal"} if words else {}
        predictor.fit(
            table[learn], tuning_data=None if window is None else table[window.watch], presets=presets,
            time_limit=time_limit, ag_args_fit={"random_seed": seed}, **models,
        )  # fmt: skip
        if window is not None:
            predictor.refit_full()
        return cls(predictor, folder)

    def predict(self, matrix: Matrix, words: dict[str, list[str]]) -> np.ndarray:
        """float64 [n]."""
        if not len(matrix.numeric):
            return np.empty(0)
        return np.asarray(self.predictor.predict(_frame(matrix, words), as_pandas=False), np.float64)

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


def _frame(matrix: Matrix, words: dict[str, list[str]]):
    """pandas frame: numbers with NaN, codes as categories, words as they are."""
    import pandas as pd

    width = matrix.numeric.shape[1]
    columns = {f"number_{i}": matrix.numeric[:, i] for i in range(width)}
    columns |= {f"category_{i}": matrix.codes[:, i].astype(str) for i in range(matrix.codes.shape[1])}
    return pd.DataFrame(columns | {f"words_{name}": texts for name, texts in words.items()})

"""The contract of a predictor, in scikit-learn's manner: the constructor stores, ``fit`` validates and learns.

The ``predictor.py`` of a folder defines ``Params`` (its section of params.yaml) and ``Predictor``. Files are loaded
without pickle: CatBoost's cbm, LightGBM's text, safetensors, npz without objects, or JSON.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import ClassVar, Protocol, Self

import numpy as np
import polars as pl

from popcast.core.errors import BadInput
from popcast.core.section import Section


class Predictor(Protocol):
    """One predictor of popularity.

    ``posts`` holds the ``posts`` table without ``popularity`` and ``posthoc_*``; ``features`` the columns
    ``<block>.<column>`` of the feature tables, row by row the same posts. Same seed, same rows: same bytes.

    Three things are optional. ``predict_seeds(posts, features)``: float64 [n, seeds], the predictions of the single
    seeds of a predictor that averages several; ``predict`` is their mean, and the number of seeds depends on the
    params alone. ``scratch: Path | None``, None by default: a folder of this one fit, set before ``fit`` by a stage
    and removed after it, where a long fit keeps its epochs so that a killed one goes on. ``facts()``: what every report
    must say about the fitted predictor, such as ``{"stand_in": True}`` for a language model that was made here.
    """

    Params: ClassVar[type[Section]]
    blocks: ClassVar[tuple[str, ...]]
    """Feature blocks that it needs; fit raises BadInput naming the first missing one. Others are used if asked for."""

    def __init__(self, params: Section, seed: int) -> None: ...

    def fit(self, posts: pl.DataFrame, features: pl.DataFrame, target: np.ndarray, folds: np.ndarray | None) -> Self:
        """Learn. target: float64 [n]. folds: int [n], in time order; the last one is the early stopping window, and
        ``ASIDE`` marks rows that take no part in choosing, see ``popcast.models.contract.stopping``.

        After the number of rounds is known, the predictor learns from all n rows.
        """

    def predict(self, posts: pl.DataFrame, features: pl.DataFrame) -> np.ndarray:
        """Popularity [n] float64, finite. The prediction of a row does not depend on the other rows."""

    def save(self, folder: Path) -> None: ...

    @classmethod
    def load(cls, folder: Path) -> Self: ...

    def importances(self) -> dict[str, float]:
        """Mean absolute SHAP value or weight per column; empty where the predictor has none."""


def seed_predictions(model: Predictor, posts: pl.DataFrame, features: pl.DataFrame) -> np.ndarray:
    """Predictions of the single seeds [n, seeds]; of a predictor without ``predict_seeds`` [n, 1]."""
    if hasattr(model, "predict_seeds"):
        return model.predict_seeds(posts, features)
    return model.predict(posts, features)[:, None]


def fitted(
    model: Predictor,
    scratch: Path | None,
    posts: pl.DataFrame,
    features: pl.DataFrame,
    target: np.ndarray,
    folds: np.ndarray | None,
) -> Predictor:
    """``model`` after its fit. ``scratch``: folder for the work of this fit if the predictor wants one, then gone."""
    if scratch is None or not hasattr(model, "scratch"):
        return model.fit(posts, features, target, folds)
    model.scratch = scratch
    model.fit(posts, features, target, folds)
    model.scratch = None
    shutil.rmtree(scratch, ignore_errors=True)
    return model


def require_columns(features: pl.DataFrame, names: Iterable[str], what: str, remedy: str) -> None:
    """Raise :class:`BadInput` for the first of ``names`` that ``features`` lacks.

    what: who needs it and as what, ``svr: embedding column``. remedy: what to do about it.
    """
    for name in names:
        if name not in features.columns:
            raise BadInput(f"{what} {name!r} is missing: {remedy}")


def require_blocks(features: pl.DataFrame, blocks: tuple[str, ...] | list[str], model: str) -> None:
    """Raise :class:`BadInput` for the first block of which ``features`` has no column."""
    present = {name.split(".", 1)[0] for name in features.columns}
    for block in blocks:
        if block not in present:
            raise BadInput(f"{model}: feature block {block!r} is missing: declare it for this dataset in params.yaml")

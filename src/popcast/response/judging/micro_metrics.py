"""Micro metrics: sentiment of generated against real responses from tables of confusion, and means over cases.

All functions take leading axes, so that a thousand resamples are scored as one.
"""

from __future__ import annotations

import numpy as np
import polars as pl

SENTIMENT = ("accuracy", "macro_f1", "weighted_f1", "kappa", "polarity_mae")


def confusion(real: np.ndarray, made: np.ndarray, weights: np.ndarray | None = None, classes: int = 3) -> np.ndarray:
    """Real classes [n] in rows, generated ones in columns, float64 [classes, classes]; -1 is no class: left out."""
    known = (real >= 0) & (made >= 0)
    cells = real[known] * classes + made[known]
    weights = None if weights is None else weights[known]
    return np.bincount(cells, weights, minlength=classes**2).reshape(classes, classes).astype(np.float64)


def from_confusion(table: np.ndarray) -> dict[str, np.ndarray]:
    """``SENTIMENT`` of tables [..., 3, 3] as scikit-learn defines them, each [...]; NaN where undefined.

    macro_f1: over all three classes, one that neither side has counts as 0. kappa: Cohen's; NaN where all is one class.
    polarity_mae: of -1, 0, 1.
    """
    total = table.sum((-2, -1))
    real, made = table.sum(-1), table.sum(-2)
    hit = np.diagonal(table, axis1=-2, axis2=-1)
    f1 = _divided(2 * hit, real + made, 0.0)
    chance = _divided((real * made).sum(-1), total**2)
    accuracy = _divided(hit.sum(-1), total)
    place = np.arange(table.shape[-1])
    away = (table * np.abs(place[:, None] - place)).sum((-2, -1))
    undefined = np.where(total > 0, 0.0, np.nan)
    return {
        "accuracy": accuracy,
        "macro_f1": f1.mean(-1) + undefined,
        "weighted_f1": _divided((f1 * real).sum(-1), total),
        "kappa": _divided(accuracy - chance, np.where(1 - chance > 1e-12, 1 - chance, 0)),
        "polarity_mae": _divided(away, total),
    }


def mean_over_cases(values: np.ndarray, weights: np.ndarray | None = None) -> np.ndarray:
    """Mean over the first axis of ``values`` [cases, ...], cases that are NaN left out; NaN where all are."""
    known = ~np.isnan(values)
    weights = np.ones(len(values)) if weights is None else weights
    return _divided(weights @ np.where(known, values, 0.0), weights @ known.astype(np.float64))


def per_topic(topics: pl.Series, measures: dict[str, np.ndarray], real: np.ndarray, cells: np.ndarray) -> pl.DataFrame:
    """One row per topic, by topic_id: ``cases``, means of ``measures`` (each [n]) and ``SENTIMENT``.

    real: class of each case or -1, [n]; cells: weights of real class x generated class of each case, [n, 9].
    """
    names, codes = np.unique(topics.to_numpy(), return_inverse=True)
    rows = []
    for code, name in enumerate(names):
        own = codes == code
        figures = {key: mean_over_cases(value[own]) for key, value in measures.items()}
        figures |= from_confusion(cells[own].sum(0).reshape(3, 3))
        counts = {"cases": int(own.sum()), "labelled": int((real[own] >= 0).sum())}
        rows.append({"topic_id": str(name)} | counts | {key: float(value) for key, value in figures.items()})
    return pl.DataFrame(rows, infer_schema_length=None).fill_nan(None)


def _divided(over: np.ndarray, under: np.ndarray, otherwise: float = np.nan) -> np.ndarray:
    over, under = np.asarray(over, np.float64), np.asarray(under, np.float64)
    shape = np.broadcast_shapes(over.shape, under.shape)
    return np.divide(over, under, out=np.full(shape, otherwise), where=np.broadcast_to(under > 0, shape))

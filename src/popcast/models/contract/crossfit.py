"""Out-of-fold predictions of training posts: each is made by a model that never saw the post's label.

Where posts have times, fold k is predicted by a model of the folds before it (forward chaining), so a prediction looks
back as it does at test time and the posts of fold 0 have none: every row that the model learned is older than the first
post of fold k. Without times it is plain K-fold.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import polars as pl

from popcast.core.scratch import Pieces
from popcast.models.contract.predictors import Predictor, fitted, seed_predictions
from popcast.models.contract.stopping import older, set_aside


def out_of_fold(
    make: Callable[[], Predictor],
    posts: pl.DataFrame,
    features: pl.DataFrame,
    target: np.ndarray,
    folds: np.ndarray,
    in_time: bool,
    scratch: Pieces | None = None,
    first: int = 0,
    without: Callable[[int], pl.DataFrame] | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Predict training posts fold by fold.

    make: a fresh, unfitted predictor. posts, features, target [n], folds int [n] (0 = oldest): training posts only.
    scratch: keeps each finished fold, so that a killed stage goes on with the next. first: earlier folds are not
    predicted, which saves their fits. without: fold -> features [n] as they are while the labels of that fold are
    unknown, from which the model that predicts it learns; None: always ``features``. Returns row numbers (ascending)
    and the predictions of the single seeds [rows, seeds], see
    :func:`popcast.models.contract.predictors.seed_predictions`.
    """
    rows, predictions = [], []
    moments = posts["posted_at"].dt.epoch("us").to_numpy() if in_time else None
    for fold in sorted(set(folds.tolist())):
        learn = older(folds, moments, fold) if in_time else folds != fold
        if not learn.any() or fold < first:
            continue
        held_out = np.flatnonzero(folds == fold)

        def predict(fold=fold, learn=learn, held_out=held_out) -> np.ndarray:
            chosen = np.flatnonzero(learn)
            work = None if scratch is None else scratch.folder / f"fold-{fold}-work"
            own = set_aside(folds[chosen], moments[chosen]) if in_time else folds[chosen]
            learned = features if without is None else without(fold)
            model = fitted(make(), work, posts[chosen], learned[chosen], target[chosen], own)
            return seed_predictions(model, posts[held_out], features[held_out])

        rows.append(held_out)
        predictions.append(predict() if scratch is None else scratch.array(f"fold-{fold}", predict))
    if not rows:
        return np.empty(0, np.int64), np.empty((0, 1))
    order = np.argsort(np.concatenate(rows))
    return np.concatenate(rows)[order], np.concatenate(predictions)[order]

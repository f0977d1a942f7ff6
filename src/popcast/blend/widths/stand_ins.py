"""Residuals of training posts that members do not predict out of fold: those of a quick stand-in for the blend.

How far outcomes lie apart is mostly a matter of the post and its author, not of the model; so errors of boosted trees
on the widths' own columns, each predicted by trees of other authors, teach the shape of the widths well where valid
posts are few. They never calibrate: what a shape is worth is measured on the blend's own errors.
"""

from __future__ import annotations

import numpy as np
import polars as pl

from popcast.models.inputs.matrix import Encoder, start_values
from popcast.models.trees.lightgbm_trees import same_bytes

BASELINE = "history.smoothed_mean"
TREES = {
    "objective": "l1", "learning_rate": 0.1, "num_leaves": 31, "min_child_samples": 30, "feature_fraction": 0.5,
    "bagging_fraction": 0.7, "bagging_freq": 1, "max_bin": 63,
}  # fmt: skip
ROUNDS = 120


def stand_in_predictions(features: pl.DataFrame, y: np.ndarray, fold: np.ndarray, seed: int) -> np.ndarray | None:
    """Predictions [n] of training posts with labels ``y`` by trees that learned from the other folds.

    features: columns ``<block>.<column>`` [n]. fold: [n]. None: one fold, or no column that varies.
    """
    import lightgbm

    encoder = Encoder(rare=20).fit(features, "widths")
    matrix = encoder.transform(features)
    if not matrix.varies() or len(np.unique(fold)) < 2:
        return None
    rows, width = matrix.dense(), matrix.numeric.shape[1]
    start = start_values(features, BASELINE if BASELINE in features.columns else None, float(np.median(y)), "widths")
    settings = TREES | same_bytes(seed)
    found = start.copy()
    for number in np.unique(fold):
        others, asked = fold != number, fold == number
        data = lightgbm.Dataset(
            rows[others], label=(y - start)[others], categorical_feature=list(range(width, rows.shape[1])),
            params=settings,
        )  # fmt: skip
        found[asked] += lightgbm.train(settings, data, ROUNDS).predict(rows[asked], num_threads=1)
    return found

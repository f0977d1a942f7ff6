"""Shapes of the error that depend on the post: quantiles of the residual, or its size, learned by boosted trees.

``cqr``: an ensemble per level with the pinball loss (Romano, Patterson and Candes 2019). ``normalised``: one ensemble
of the absolute residual; each level is a multiple of it (Lei et al. 2018, section 5.2). ``constant``: neither.
Every shape gives base [n, k] and scale [n]: a residual quantile is base + offset * scale, with a conformal offset.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from popcast.blend.widths.params import Widths
from popcast.core.safety.whole_files import write_whole
from popcast.models.inputs.matrix import Encoder
from popcast.models.trees.lightgbm_trees import kept_booster, same_bytes

if TYPE_CHECKING:
    import lightgbm

LEAST_SCALE = 0.1
"""Least scale of ``normalised``, as a share of the mean absolute residual: no post is certain."""


@dataclass(frozen=True)
class Shape:
    """A fitted shape. ``boosters``: one per level (``cqr``), one (``normalised``) or none."""

    method: str
    levels: tuple[float, ...]
    encoder: Encoder | None = None
    boosters: list[lightgbm.Booster] = field(default_factory=list)
    least: float = 0.0

    def __call__(self, columns: pl.DataFrame) -> tuple[np.ndarray, np.ndarray]:
        """base [n, k] and scale [n] of posts, see ``width_columns``."""
        count = columns.height
        if not self.boosters or not count:
            return np.zeros((count, len(self.levels))), np.ones(count)
        rows = self.encoder.transform(columns).dense()
        # One thread: sums of a row are in one order however many rows there are.
        found = np.column_stack([booster.predict(rows, num_threads=1) for booster in self.boosters])
        if self.method == "normalised":
            return np.zeros((count, len(self.levels))), np.maximum(found[:, 0], self.least)
        return np.sort(found, axis=1), np.ones(count)

    def save(self, folder: Path) -> dict[str, Any]:
        """Write the ensembles as LightGBM's text; returns what else there is, as JSON."""
        for number, booster in enumerate(self.boosters):
            write_whole(booster.model_to_string().encode(), folder / f"widths-{number}.txt")
        encoder = None if self.encoder is None else self.encoder.to_json()
        return {"encoder": encoder, "boosters": len(self.boosters), "least": self.least}

    @classmethod
    def load(cls, folder: Path, method: str, levels: tuple[float, ...], content: dict[str, Any]) -> Shape:
        encoder = None if content["encoder"] is None else Encoder.from_json(content["encoder"])
        boosters = [kept_booster(folder / f"widths-{number}.txt") for number in range(content["boosters"])]
        return cls(method, levels, encoder, boosters, float(content["least"]))


def fit_shape(
    method: str, levels: tuple[float, ...], columns: pl.DataFrame, residual: np.ndarray, section: Widths, seed: int
) -> Shape:
    """Learn a shape from residuals (label minus blend) [n] that were held out. Rows in a fixed order."""
    if method == "constant":
        return Shape(method, levels)
    encoder = Encoder(rare=20).fit(columns, "widths")
    matrix = encoder.transform(columns)
    size = np.abs(residual)
    if not matrix.varies() or np.ptp(residual) == 0:
        return Shape(method, levels)
    rows, width = matrix.dense(), matrix.numeric.shape[1]
    if method == "normalised":
        booster = _boosted(rows, width, size, {"objective": "l2"}, section, seed)
        return Shape(method, levels, encoder, [booster], float(LEAST_SCALE * size.mean()))
    boosters = [
        _boosted(rows, width, residual, {"objective": "quantile", "alpha": level}, section, seed) for level in levels
    ]
    return Shape(method, levels, encoder, boosters)


def _boosted(
    rows: np.ndarray, width: int, target: np.ndarray, aim: dict[str, Any], section: Widths, seed: int
) -> lightgbm.Booster:
    """An ensemble on rows [n, p]; columns from ``width`` on are categories."""
    import lightgbm

    settings = {
        **aim,
        "learning_rate": section.learning_rate,
        "num_leaves": section.num_leaves,
        "min_child_samples": section.min_child_samples,
        "feature_fraction": 0.5,
        "bagging_fraction": 0.7,
        "bagging_freq": 1,
        "lambda_l2": 1.0,
        "max_bin": 63,
        **same_bytes(seed),
    }
    data = lightgbm.Dataset(
        rows, label=target, categorical_feature=list(range(width, rows.shape[1])), params=settings, free_raw_data=True
    )
    return lightgbm.train(settings, data, section.rounds)

"""Regression trees of scikit-learn as plain arrays: kept as npz, evaluated here, never unpickled.

scikit-learn has no file format of its own. skops, the safe replacement of pickle, writes object ids and times into its
files, so the same model gives other bytes each time; these arrays do not. Evaluation gives scikit-learn's own numbers.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Self

import numpy as np

CELLS = 2048
"""Rows times trees that are walked down at once."""


@dataclass(frozen=True)
class Trees:
    """``start`` + the sum over trees of ``value`` at the leaf that a row falls into, times ``scale``.

    Nodes of all trees lie one after the other, ``roots`` int64 [trees] says where each begins. A row goes left where
    its value is at most ``threshold``, or missing and ``missing_left``; a leaf is its own child.
    """

    roots: np.ndarray
    column: np.ndarray
    threshold: np.ndarray
    left: np.ndarray
    right: np.ndarray
    missing_left: np.ndarray
    value: np.ndarray
    start: np.ndarray
    scale: np.ndarray

    def predict(self, x: np.ndarray) -> np.ndarray:
        """float64 [n] for x float32 [n, p] with NaN for missing."""
        found = np.full(len(x), float(self.start))
        together = max(1, CELLS // max(1, len(x)))  # of a draft all trees are walked down at once
        for first in range(0, len(self.roots), together):
            leaves = self._leaves(x, self.roots[first : first + together])
            for values in self.value[leaves].T:  # one after the other: sums are the same however many rows there are
                found += values
        return found * float(self.scale)

    def _leaves(self, x: np.ndarray, roots: np.ndarray) -> np.ndarray:
        """Leaf [n, trees] that each row falls into."""
        node, rows = np.tile(roots, (len(x), 1)), np.arange(len(x))[:, None]
        while True:
            values = x[rows, self.column[node]]
            goes_left = np.where(np.isnan(values), self.missing_left[node], values <= self.threshold[node])
            child = np.where(goes_left, self.left[node], self.right[node])
            if np.array_equal(child, node):
                return node
            node = child

    def arrays(self) -> dict[str, np.ndarray]:
        """What an npz file holds."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    @classmethod
    def of_boosting(cls, model) -> Self:
        """From a fitted HistGradientBoostingRegressor without categorical columns. Its nodes are no public attribute
        of scikit-learn, so a test compares the predictions with those of the library."""
        nodes = [stage[0].nodes for stage in model._predictors]
        parts = [
            {
                "column": tree["feature_idx"].astype(np.int64),
                "threshold": tree["num_threshold"],
                "left": np.where(tree["is_leaf"], -1, tree["left"].astype(np.int64)),
                "right": np.where(tree["is_leaf"], -1, tree["right"].astype(np.int64)),
                "missing_left": tree["missing_go_to_left"].astype(bool),
                "value": tree["value"],
            }
            for tree in nodes
        ]
        return cls._joined(parts, float(model._baseline_prediction.item()), 1.0)

    @classmethod
    def of_forest(cls, model) -> Self:
        """From a fitted ExtraTreesRegressor or RandomForestRegressor."""
        parts = [
            {
                "column": np.maximum(tree.feature, 0).astype(np.int64),
                "threshold": tree.threshold,
                "left": tree.children_left.astype(np.int64),
                "right": tree.children_right.astype(np.int64),
                "missing_left": tree.missing_go_to_left.astype(bool),
                "value": tree.value[:, 0, 0],
            }
            for tree in (estimator.tree_ for estimator in model.estimators_)
        ]
        return cls._joined(parts, 0.0, 1.0 / len(parts))

    @classmethod
    def _joined(cls, parts: list[dict[str, np.ndarray]], start: float, scale: float) -> Self:
        sizes = [len(part["value"]) for part in parts]
        roots = np.concatenate([[0], np.cumsum(sizes)[:-1]]).astype(np.int64)
        for part, root, size in zip(parts, roots, sizes, strict=True):
            own = np.arange(root, root + size)
            for side in ("left", "right"):
                part[side] = np.where(part[side] < 0, own, part[side] + root)
        joined = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
        return cls(roots=roots, **joined, start=np.float64(start), scale=np.float64(scale))

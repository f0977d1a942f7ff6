"""Boosted trees under a multinomial loss over counts: one tree per class and round, started from given logits.

The loss of a post with n reactions is n / (n + k) times the cross-entropy of its shares: a post with many reactions
counts as one post, not as thousands. LightGBM learns it through gradients of its own; its files are its own text.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from popcast.core.safety.whole_files import write_whole
from popcast.models.contract.stopping import Window, threads
from popcast.models.trees.lightgbm_trees import kept_booster, same_bytes
from popcast.response.shares.params import ShareTrees
from popcast.response.shares.share_words import softmax

if TYPE_CHECKING:
    import lightgbm

FLAT = 1e-3
"""Smallest curvature p (1 - p): a class of hardly any share must not make a step endless."""


class SoftmaxTrees:
    """``start`` plus trees. ``rounds`` is 0 where there was nothing to learn."""

    def __init__(self, params: ShareTrees, classes: int, seed: int) -> None:
        self.params, self.classes, self.seed = params, classes, seed
        self.booster: lightgbm.Booster | None = None
        self.rounds = 0
        self.watched: np.ndarray | None = None

    def fit(
        self,
        rows: np.ndarray,
        shares: np.ndarray,
        weights: np.ndarray,
        start: np.ndarray,
        window: Window | None,
        categorical: list[int],
    ) -> Self:
        """rows: float32 [n, p], NaN for missing, in time order. shares, start (logits): [n, classes]; weights: [n].

        window: rows that say how many rounds; then all rows are learned for that many. Fewer rows than two leaves hold
        grow no tree. :attr:`watched`: logits of the window's rows by the ensemble that has not learned them, or None.
        """
        enough = 2 * self.params.min_child_samples
        if len(rows) < enough:
            return self
        self.rounds = min(self.params.fallback_rounds, self.params.rounds)
        if window is not None and window.learn.sum() >= enough:
            self.rounds = self._rounds(rows, shares, weights, start, window, categorical)
        data = self._dataset(rows, start, categorical)
        self.booster = self._train(data, shares, weights, self.rounds)
        return self

    def _rounds(self, rows, shares, weights, start, window: Window, categorical) -> int:
        """Rounds of least loss on the window, at least 1."""
        import lightgbm

        learn = self._dataset(rows[window.learn], start[window.learn], categorical)
        watch = self._dataset(rows[window.watch], start[window.watch], categorical, learn)
        asked, real = weights[window.watch], shares[window.watch]

        def loss(logits: np.ndarray, _) -> tuple[str, float, bool]:
            logs = np.log(np.maximum(softmax(logits), 1e-12))
            return "loss", float(-(asked * (real * logs).sum(axis=1)).sum() / asked.sum()), False

        stop = lightgbm.early_stopping(self.params.early_stopping, verbose=False)
        more = {"valid_sets": [watch], "feval": loss, "callbacks": [stop]}
        booster = self._train(learn, shares[window.learn], weights[window.learn], self.params.rounds, **more)
        best = max(booster.best_iteration, 1)
        logits = booster.predict(rows[window.watch], raw_score=True, num_iteration=best, num_threads=threads())
        self.watched = start[window.watch] + logits.reshape(-1, self.classes)
        return best

    def _train(self, data, shares: np.ndarray, weights: np.ndarray, rounds: int, **more: Any) -> lightgbm.Booster:
        import lightgbm

        def slopes(logits: np.ndarray, _) -> tuple[np.ndarray, np.ndarray]:
            p = softmax(logits)
            curve = self.classes / (self.classes - 1) * np.maximum(p * (1 - p), FLAT)
            return weights[:, None] * (p - shares), weights[:, None] * curve

        return lightgbm.train({**self._settings(), "objective": slopes}, data, rounds, **more)

    def _dataset(self, rows, start, categorical, reference=None) -> lightgbm.Dataset:
        import lightgbm

        return lightgbm.Dataset(
            rows,
            label=np.zeros(len(rows)),
            init_score=start,
            feature_name=[f"column_{i}" for i in range(rows.shape[1])],
            categorical_feature=categorical,
            reference=reference,
            params=self._settings(),
        )

    def _settings(self) -> dict[str, Any]:
        own = self.params.model_dump(exclude={"rounds", "early_stopping", "fallback_rounds"})
        return {**own, "bagging_freq": 1, "num_class": self.classes, "metric": "None", **same_bytes(self.seed)}

    def predict(self, rows: np.ndarray, start: np.ndarray) -> np.ndarray:
        """Logits [n, classes]."""
        if self.booster is None or not len(rows):
            return start
        return start + self.booster.predict(rows, raw_score=True, num_threads=threads()).reshape(start.shape)

    def importances(self, names: list[str]) -> dict[str, float]:
        """Share of the gain of all splits per column."""
        if self.booster is None:
            return {}
        gain = self.booster.feature_importance("gain")
        return dict(zip(names, (gain / max(gain.sum(), 1e-12)).tolist(), strict=True))

    def save(self, file: Path) -> None:
        if self.booster is not None:
            write_whole(self.booster.model_to_string().encode(), file)

    @classmethod
    def load(cls, file: Path, params: ShareTrees, classes: int, seed: int, rounds: int) -> Self:
        trees = cls(params, classes, seed)
        trees.rounds = rounds
        trees.booster = kept_booster(file) if rounds else None
        return trees

"""A model of shares: the author's smoothed log-shares, a softmax regression on words, and boosted trees on top.

It learns from counts under a multinomial loss (``share_trees.py``). The window that decides when boosting stops is the
newest fifth of the posts learned, and no word score knows its labels. Files: JSON, safetensors, LightGBM's text.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Self

import numpy as np
import polars as pl

from popcast.core import tables
from popcast.core.errors import BadInput
from popcast.core.pretrained.saved_files import putting_together, read_json
from popcast.models.contract.stopping import stopping_window
from popcast.models.inputs.matrix import Encoder
from popcast.response.judging.share_distances import jsd, normalised
from popcast.response.shares.params import ShareSettings
from popcast.response.shares.share_history import base_of, weights_of
from popcast.response.shares.share_items import Items
from popcast.response.shares.share_trees import SoftmaxTrees
from popcast.response.shares.share_words import WordShares, softmax

FILE, TREES = "share_model.json", "trees.txt"
POWERS = tuple(1 + step / 20 for step in range(-4, 13))
"""From 0.8 to 1.6."""


class ShareModel:
    """``fit`` on items with reactions, ``predict`` any. features: of ``share_history``, row by row of the items."""

    def __init__(self, settings: ShareSettings, classes: Sequence[str], seed: int) -> None:
        self.settings, self.classes, self.seed = settings, tuple(classes), seed
        self.words = WordShares(settings.words, classes)
        self.trees = SoftmaxTrees(settings.trees, len(self.classes), seed)

    def fit(self, items: Items, features: pl.DataFrame) -> Self:
        """Learn from the items that have reactions; :attr:`held_out` are shares [n, classes] of all of them that a
        regression without the item's own stretch of time gives. Raises BadInput where no item has any reaction."""
        usable = items.totals > 0
        if not usable.any():
            raise BadInput("shares: no post of the learned parts has a reaction of any class: nothing to learn from")
        learned, features = items.part(usable), features.filter(pl.Series(usable))
        shares, weights = normalised(learned.counts), weights_of(learned.totals, self.settings.history.half)
        base, window = base_of(features, self.classes), stopping_window(None, learned.frame.height)
        scores = self.words.fit(learned.frame, shares, weights, base, window)
        self.prior = shares.mean(axis=0)
        self.held_out = np.full(items.counts.shape, np.nan)
        self.held_out[usable] = softmax(base + scores[:, 0])
        wide = self._wide(learned, features, scores)
        blocks = self.settings.blocks
        blocks = blocks if blocks is None else [*blocks, "shares", "words"]
        self.encoder = Encoder(blocks, None, self.settings.rare).fit(wide, "shares")
        matrix = self.encoder.transform(wide)
        if matrix.varies():
            width = matrix.numeric.shape[1]
            categorical = list(range(width, len(matrix.names)))
            self.trees.fit(matrix.dense(), shares, weights, base + scores[:, 0], window, categorical)
        self.power = 1.0
        if self.settings.sharpen and self.trees.watched is not None:
            enough = learned.totals[window.watch] >= self.settings.least
            self.power = best_power(self.trees.watched[enough], shares[window.watch][enough])
        self.gains = self.trees.importances(self.encoder.names)
        return self

    def predict(self, items: Items, features: pl.DataFrame) -> np.ndarray:
        """Shares float64 [n, classes], all above 0, each row summing to 1; a row depends on that row alone."""
        scores = self.words.transform(items.frame)
        start = base_of(features, self.classes) + scores[:, 0]
        rows = self.encoder.transform(self._wide(items, features, scores)).dense()
        return softmax(self.power * self.trees.predict(rows, start))

    def _wide(self, items: Items, features: pl.DataFrame, scores: np.ndarray) -> pl.DataFrame:
        """Feature columns of the items, history and word scores side by side."""
        own = [pl.Series(f"words.all_{name}", scores[:, 0, i]) for i, name in enumerate(self.classes)]
        own += [pl.Series(f"words.author_{name}", scores[:, 1, i]) for i, name in enumerate(self.classes)]
        given = items.frame.select(name for name in items.frame.columns if "." in name)
        return pl.concat([given, features, pl.DataFrame(own)], how="horizontal")

    def importances(self) -> dict[str, float]:
        """Share of the trees' gain per column."""
        return self.gains

    def save(self, folder: Path) -> None:
        """Write the model into ``folder``, which is made where it is missing."""
        folder.mkdir(parents=True, exist_ok=True)
        self.words.save(folder)
        self.trees.save(folder / TREES)
        learned = {
            "encoder": self.encoder.to_json(),
            "rounds": self.trees.rounds,
            "power": self.power,
            "prior": self.prior.tolist(),
        }
        own = {"settings": self.settings.model_dump(), "classes": list(self.classes), "seed": self.seed}
        tables.write_json({**own, **learned, "importances": self.gains}, folder / FILE)

    @classmethod
    def load(cls, folder: Path) -> Self:
        content = read_json(folder / FILE)
        with putting_together(folder / FILE):
            model = cls(ShareSettings.model_validate(content["settings"]), content["classes"], content["seed"])
            model.encoder, model.gains = Encoder.from_json(content["encoder"]), content["importances"]
            model.power = float(content["power"])
            model.prior = np.array(content["prior"])
            model.words = WordShares.load(folder)
            trees = (model.settings.trees, len(model.classes), model.seed, content["rounds"])
            model.trees = SoftmaxTrees.load(folder / TREES, *trees)
        return model


def best_power(logits: np.ndarray, shares: np.ndarray) -> float:
    """The power of the predicted shares (then made to sum to 1) that lies nearest to ``shares`` [n, classes].

    Cross-entropy asks for the mean of what may come; the divergence of single posts is least somewhat nearer to their
    mode, so the power is mostly above 1. 1 where there is no row.
    """
    if not len(logits):
        return 1.0
    return min(POWERS, key=lambda power: (float(jsd(shares, softmax(power * logits)).mean()), abs(power - 1)))

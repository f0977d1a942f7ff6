"""One run: the evaluation model predicts valid and test, the final one what has no label; both beside reference rows.

The evaluation model knows the labels of the training part, the final model those of every labelled part.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
import polars as pl

from popcast.core.errors import BadInput
from popcast.core.libraries.table_schemas import Schema
from popcast.core.tables import SPLITS
from popcast.response.response_tables import SHARES
from popcast.response.shares.params import ShareSettings
from popcast.response.shares.share_audience import audience_shares
from popcast.response.shares.share_history import base_of, share_history
from popcast.response.shares.share_items import Items
from popcast.response.shares.share_model import ShareModel
from popcast.response.shares.share_scores import MODEL, calibration, share_scores

EVALUATION, FINAL = "evaluation", "final"
KNOWN = {EVALUATION: ("train",), FINAL: ("train", "valid", "test")}
SCORED = ("valid", "test")
WRITTEN = Schema(SHARES.columns)
"""SHARES, and a column per class beside the vector."""


@dataclass(frozen=True)
class ShareRunResult:
    """predictions: table SHARES. models: by name. scores: flat, ``<part>.<row>.<score>``. calibration: rows of a plot
    of the test part. importances: share of the trees' gain per column, of the final model where there is one. terms:
    the strongest words per class. notes: why a reference row is missing."""

    predictions: pl.DataFrame
    models: dict[str, ShareModel]
    scores: dict[str, float]
    calibration: list[dict[str, float | str]]
    importances: dict[str, float]
    terms: pl.DataFrame
    notes: list[str] = field(default_factory=list)

    def save_models(self, folder: Path) -> None:
        """Write ``<folder>/evaluation`` and, where there are posts without a label, ``<folder>/final``."""
        for name, model in self.models.items():
            model.save(folder / name)


def run(
    items: Items,
    settings: ShareSettings,
    seed: int,
    simulation: Path | None = None,
    bands: Mapping[str, tuple[int, int]] | None = None,
    final_fit: Literal["labelled", "train"] = "labelled",
) -> ShareRunResult:
    """Fit, predict every item and score.

    simulation: folder data/simulation/<key> of an audience that saw these posts, see ``share_audience.py``, with the
    ``bands`` of scores of the classes. final_fit: of the dataset's split; ``train``: the evaluation model predicts
    unlabelled items too. Shares of the training part come from fits that left the post's own stretch of
    time out, without the trees (posts without reactions: from the evaluation model). Raises BadInput where no training
    post has a reaction.
    """
    split = items.frame["split"].to_numpy()
    shares = np.full(items.counts.shape, np.nan)
    models, evaluation_features = {}, None
    asked_of = {EVALUATION: ("train", *SCORED), FINAL: ("unlabelled",)}
    if final_fit == "train":
        asked_of = {EVALUATION: SPLITS}
    for name, asked in asked_of.items():
        chosen = np.isin(split, asked)
        if not chosen.any():
            continue
        features = share_history(items, KNOWN[name], settings.history, seed)
        model, held_out = _fitted(items, features, KNOWN[name], settings, seed)
        models[name] = model
        shares[chosen] = model.predict(items.part(chosen), features.filter(pl.Series(chosen)))
        if name == EVALUATION:
            evaluation_features = features
            shares = np.where(np.isfinite(held_out), held_out, shares)
    rows, notes = _reference_rows(items, models[EVALUATION], evaluation_features, simulation, bands)
    scores: dict[str, float] = {}
    for part in SCORED:
        chosen = split == part
        own = {MODEL: shares[chosen]} | {name: row[chosen] for name, row in rows.items()}
        found = share_scores(items.part(chosen), own, settings, seed)
        scores |= {f"{part}.{key}": value for key, value in found.items()}
    newest = models.get(FINAL, models[EVALUATION])
    predictions = pl.DataFrame({"post_id": items.frame["post_id"], "split": items.frame["split"]}).with_columns(
        shares=pl.Series(shares.tolist(), dtype=pl.List(pl.Float64))
    )
    test = split == "test"
    plot = calibration(items.part(test), shares[test], settings.least)
    return ShareRunResult(predictions, models, scores, plot, newest.importances(), newest.words.strongest(), notes)


def by_class(predictions: pl.DataFrame, classes: Sequence[str]) -> pl.DataFrame:
    """Table SHARES with a column per class behind it, named like the class."""
    return predictions.with_columns(pl.col("shares").list.get(place).alias(name) for place, name in enumerate(classes))


def _fitted(
    items: Items, features: pl.DataFrame, known: Collection[str], settings: ShareSettings, seed: int
) -> tuple[ShareModel, np.ndarray]:
    """A model of the known parts, and its held-out shares [n, classes], NaN for all other items."""
    learned = items.frame["split"].is_in(list(known)).to_numpy()
    if not learned.any():
        raise BadInput(f"shares: no item in the parts {list(known)}: nothing to learn from")
    model = ShareModel(settings, items.classes, seed).fit(items.part(learned), features.filter(pl.Series(learned)))
    held_out = np.full(items.counts.shape, np.nan)
    held_out[learned] = model.held_out
    return model, held_out


def _reference_rows(
    items: Items,
    model: ShareModel,
    features: pl.DataFrame,
    simulation: Path | None,
    bands: Mapping[str, tuple[int, int]] | None,
) -> tuple[dict[str, np.ndarray], list[str]]:
    """``uniform``, ``prior`` (mean of the training shares), ``author`` (the author's smoothed mean shares), perhaps
    ``audience``; all [n, classes]."""
    shape = items.counts.shape
    rows = {
        "uniform": np.full(shape, 1 / shape[1]),
        "prior": np.broadcast_to(model.prior, shape),
        "author": np.exp(base_of(features, items.classes)),
    }
    if simulation is None:
        return rows, ["audience: no simulation named"]
    found, reason = audience_shares(simulation, items.frame["post_id"].to_list(), items.classes, bands)
    return (rows, [f"audience: {reason}"]) if found is None else (rows | {"audience": found}, [])

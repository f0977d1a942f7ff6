"""One run of a predictor on one dataset: what the stage ``train`` does between reading and writing.

The ``evaluation`` model learns from the training part and predicts valid and test; training posts get out-of-fold
predictions. The ``final`` model learns from every labelled post, and only posts without a label ever see it. With
``test_fit: train+valid`` a third model, ``test``, predicts the test part after everything was chosen on valid.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from popcast.errors import BadInput
from popcast.models.base import Predictor, model_module
from popcast.models.crossfit import out_of_fold
from popcast.params import Metric, ModelRun, merged
from popcast.scratch import Scratch

LOSS_OF_METRIC = {"mae": "mae", "rmse": "rmse", "nmse": "rmse", "mape": "mape"}


@dataclass(frozen=True)
class Design:
    """What predictors see and what they learn, row by row the same posts, in time order.

    rows: post_id, split, fold. posts: without popularity, split, fold and posthoc columns. features: the wide frame.
    target: float64 [n], NaN for posts without a label.
    """

    rows: pl.DataFrame
    posts: pl.DataFrame
    features: pl.DataFrame
    target: np.ndarray

    def part(self, chosen: np.ndarray) -> tuple[pl.DataFrame, pl.DataFrame]:
        return self.posts[chosen], self.features[chosen]


def make_design(posts: pl.DataFrame, blocks: dict[str, pl.DataFrame], allow_posthoc: bool) -> Design:
    """Join the feature tables of a run to its posts.

    posts: the ``posts`` table with ``split`` and ``fold``. blocks: name -> feature table. The block ``profile`` was
    measured after posting and is left out unless ``allow_posthoc``.
    """
    posts = posts.sort("posted_at", "post_id", nulls_last=True)
    features = posts.select("post_id")
    for name, table in blocks.items():
        if name == "profile" and not allow_posthoc:
            continue
        if table.height != posts.height or not table["post_id"].is_in(posts["post_id"].implode()).all():
            raise BadInput(f"feature block {name!r} and posts hold different posts: run `dvc repro`")
        features = features.join(table, on="post_id", how="left", maintain_order="left")
    target = posts["popularity"].cast(pl.Float64).fill_null(float("nan")).to_numpy()
    return Design(
        posts.select("post_id", "split", "fold"),
        posts.drop("popularity", "split", "fold", pl.selectors.starts_with("posthoc_")),
        features.drop("post_id"),
        target,
    )


def predictor_maker(run: ModelRun, section: dict[str, Any], metric: Metric, seed: int) -> Callable[[], Predictor]:
    """A function that makes the run's predictor. ``loss: metric`` stands for the loss of the dataset's metric."""
    module = model_module(run.model)
    values = {**section, **run.set}
    if values.get("loss") == "metric":
        values["loss"] = LOSS_OF_METRIC[metric]
    params = merged(module.Params, values, {}, f"models.{run.model}")
    return lambda: module.Predictor(params, seed)


def predict_all(
    make: Callable[[], Predictor],
    design: Design,
    final_fit: str,
    scratch: Scratch,
    cross_fit_from: int = 0,
    test_fit: str = "train",
) -> tuple[pl.DataFrame, dict[str, Predictor]]:
    """The prediction table (post_id, split, fold, prediction) and the fitted models by name.

    Raises BadInput where there is no training post. ``scratch`` keeps finished folds and models.
    """
    split = design.rows["split"].to_numpy()
    train, unlabelled = np.flatnonzero(split == "train"), np.flatnonzero(split == "unlabelled")
    if not len(train):
        raise BadInput("no post with a label in the training part: nothing to learn from")
    target, folds = design.target[train], design.rows["fold"].to_numpy()[train].astype(np.int64)
    in_time = design.posts[train]["posted_at"].null_count() == 0
    rows, predictions = out_of_fold(make, *design.part(train), target, folds, in_time, scratch, cross_fit_from)
    found = [(train[rows], predictions)]

    models = {"evaluation": _kept(scratch, "evaluation", make, lambda m: m.fit(*design.part(train), target, folds))}

    def refitted(name: str, chosen: np.ndarray) -> Predictor:
        """The model ``name`` with the same settings, fitted on the rows ``chosen``."""
        target, folds = design.target[chosen], _final_folds(design, chosen)
        models[name] = _kept(scratch, name, make, lambda m: m.fit(*design.part(chosen), target, folds))
        return models[name]

    valid, test = np.flatnonzero(split == "valid"), np.flatnonzero(split == "test")
    if len(valid):
        found.append((valid, models["evaluation"].predict(*design.part(valid))))
    if len(test):
        known = np.sort(np.concatenate([train, valid]))
        model = refitted("test", known) if test_fit == "train+valid" and len(valid) else models["evaluation"]
        found.append((test, model.predict(*design.part(test))))
    if len(unlabelled):
        final = final_fit == "labelled" and len(valid) + len(test)
        model = refitted("final", np.flatnonzero(split != "unlabelled")) if final else models["evaluation"]
        found.append((unlabelled, model.predict(*design.part(unlabelled))))
    where = np.concatenate([rows for rows, _ in found])
    values = np.concatenate([predictions for _, predictions in found])
    return design.rows[where].with_columns(prediction=pl.Series(values, dtype=pl.Float64)), models


def _final_folds(design: Design, labelled: np.ndarray) -> np.ndarray:
    """Folds of all labelled posts: the training folds, then valid, then test, so that the newest posts come last."""
    rows = design.rows[labelled]
    last = rows["fold"].max()
    fold = pl.when(split="valid").then(last + 1).when(split="test").then(last + 2).otherwise("fold")
    return rows.select(fold.cast(pl.Int64)).to_series().to_numpy()


def _kept(scratch: Scratch, name: str, make: Callable[[], Predictor], fit: Callable[[Predictor], Predictor]):
    """A fitted predictor; one that an earlier, killed run finished is loaded."""
    folder = scratch.folder / name
    if not folder.exists():
        unfinished = scratch.folder / f"{name}.part"
        shutil.rmtree(unfinished, ignore_errors=True)
        fit(make()).save(unfinished)
        os.replace(unfinished, folder)
    return type(make()).load(folder)


def move_models(scratch: Scratch, models: dict[str, Predictor], target: Path) -> None:
    """Put the saved models of this run, and nothing else, into ``target``."""
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    for name in models:
        os.replace(scratch.folder / name, target / name)

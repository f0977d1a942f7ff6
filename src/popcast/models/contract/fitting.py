"""One run of a predictor on one dataset: its models and what they predict.

The ``evaluation`` model learns from the training part and predicts valid and test; training posts get out-of-fold
predictions. The ``final`` model learns from every labelled post, and only posts without a label ever see it: it is
fitted where there are such posts, or where some will come (``always_final``). With
``test_fit: stop_on_valid`` the evaluation model stops on the valid part (published protocols); with ``test_fit:
train+valid`` a third model, ``test``, predicts the test part after everything was chosen on valid.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import polars as pl

from popcast.core.errors import BadInput
from popcast.core.named import predictor_module
from popcast.core.params import parse
from popcast.core.safety.whole_files import whole_folder
from popcast.core.scratch import Pieces
from popcast.core.tables import SPLITS
from popcast.models.contract.crossfit import out_of_fold
from popcast.models.contract.predictor_files import load_predictor
from popcast.models.contract.predictors import Predictor, fitted, seed_predictions
from popcast.models.contract.stopping import ASIDE, from_the_oldest, set_aside, stopping_window
from popcast.models.params import PlannedRun


@dataclass(frozen=True)
class Design:
    """What predictors see and what they learn, row by row the same posts, in time order.

    rows: post_id, split, fold. posts: without popularity, split, fold and posthoc columns. features: the wide frame.
    target: float64 [n], NaN for posts without a label. held_out: fold -> columns that take the place of those of
    ``features`` in rows that a model learns to predict that fold (none where features never look at other folds).
    """

    rows: pl.DataFrame
    posts: pl.DataFrame
    features: pl.DataFrame
    target: np.ndarray
    held_out: dict[int, pl.DataFrame] = field(default_factory=dict)

    def without(self, fold: int) -> pl.DataFrame:
        """``features`` of all rows as they are while the labels of ``fold`` are unknown."""
        return self.features.with_columns(self.held_out[fold]) if fold in self.held_out else self.features

    def part(self, chosen: np.ndarray) -> tuple[pl.DataFrame, pl.DataFrame]:
        return self.posts[chosen], self.features[chosen]


def make_design(
    posts: pl.DataFrame,
    blocks: dict[str, pl.DataFrame],
    allow_posthoc: bool,
    held_out: dict[str, dict[int, pl.DataFrame]] | None = None,
) -> Design:
    """Join the feature tables of a run to its posts.

    posts: the ``posts`` table with ``split`` and ``fold``. blocks: name -> feature table. held_out: name -> fold ->
    columns of the block as they are while that fold's labels are unknown. The block ``profile`` was
    measured after posting and is left out unless ``allow_posthoc``.
    """
    posts = posts.sort("posted_at", "post_id", nulls_last=True)
    features = posts.select("post_id")
    changed: dict[int, pl.DataFrame] = {}
    for name, table in blocks.items():
        if name == "profile" and not allow_posthoc:
            continue
        if table.height != posts.height or not table["post_id"].is_in(posts["post_id"].implode()).all():
            raise BadInput(f"feature block {name!r} and posts hold different posts: run `dvc repro`")
        features = features.join(table, on="post_id", how="left", maintain_order="left")
        for fold, columns in (held_out or {}).get(name, {}).items():
            changed[fold] = changed.get(fold, posts.select("post_id")).join(
                columns, on="post_id", how="left", maintain_order="left"
            )
    target = posts["popularity"].cast(pl.Float64).fill_null(float("nan")).to_numpy()
    return Design(
        posts.select("post_id", "split", "fold"),
        posts.drop("popularity", "split", "fold", pl.selectors.starts_with("posthoc_")),
        features.drop("post_id"),
        target,
        {fold: columns.drop("post_id") for fold, columns in changed.items()},
    )


def predictor_maker(run: PlannedRun, seed: int) -> Callable[[], Predictor]:
    """A function that makes the run's predictor."""
    module = predictor_module(run.model)
    params = parse(module.Params, run.params, f"{run.dataset}/{run.name}: params")
    return lambda: module.Predictor(params, seed)


def fit_run(
    run: PlannedRun, design: Design, seed: int, final_fit: str, scratch: Pieces, always_final: bool = False
) -> tuple[pl.DataFrame, dict[str, Predictor]]:
    """:func:`predict_all` as a run asks for it. ``scratch`` holds the saved models afterwards, each in its folder."""
    make = predictor_maker(run, seed)
    return predict_all(
        make, design, final_fit, scratch, run.cross_fit_from, run.test_fit, run.pseudo_labels, always_final
    )


def predict_all(
    make: Callable[[], Predictor],
    design: Design,
    final_fit: str,
    scratch: Pieces,
    cross_fit_from: int = 0,
    test_fit: str = "train",
    pseudo_labels: str = "none",
    always_final: bool = False,
) -> tuple[pl.DataFrame, dict[str, Predictor]]:
    """The prediction table (post_id, split, fold, prediction, maybe seeds) and the fitted models by name.

    ``seeds`` (list[f64]) holds the predictions of the single seeds of a predictor that averages several. Raises
    BadInput where there is no training post. ``scratch`` keeps finished folds and models. ``pseudo_labels:
    predicted``: each model is fitted twice, see :func:`_fit`; out-of-fold models know no pseudo-label. always_final:
    fit the model of posts without a label even where there are none.
    """
    split = design.rows["split"].to_numpy()
    parts = {name: np.flatnonzero(split == name) for name in SPLITS}
    train = parts["train"]
    if not len(train):
        raise BadInput("no post with a label in the training part: nothing to learn from")
    loose = _loose(design)  # then folds are of authors, and each is asked about when all others are known
    in_time = design.posts[train]["posted_at"].null_count() == 0 and not loose
    folds = from_the_oldest(design.rows[train]["fold"].cast(pl.Int64).fill_null(ASIDE).to_numpy(), loose)
    rows, predictions = out_of_fold(
        make, *design.part(train), design.target[train], folds, in_time, scratch, cross_fit_from + loose,
        without=lambda fold: design.without(fold - loose)[train],
    )  # fmt: skip
    found = [(train[rows], predictions)]
    models = {}
    for name, (learned, predicted) in _roles(parts, final_fit, test_fit, always_final).items():
        rows = np.sort(np.concatenate([parts[part] for part in learned]))
        asked = np.sort(np.concatenate([parts[part] for part in predicted]))
        pseudo = asked if pseudo_labels == "predicted" else asked[:0]
        models[name] = _fit(make, design, rows, pseudo, scratch, name)
        found += [
            (parts[p], seed_predictions(models[name], *design.part(parts[p]))) for p in predicted if len(parts[p])
        ]
    found = [(rows, values) for rows, values in found if len(rows)] or [(train[:0], np.empty((0, 1)))]
    where = np.concatenate([rows for rows, _ in found])
    values = np.concatenate([predictions for _, predictions in found])
    table = design.rows[where].with_columns(prediction=pl.Series(values.mean(axis=1), dtype=pl.Float64))
    if values.shape[1] > 1:
        table = table.with_columns(seeds=pl.Series(values).cast(pl.List(pl.Float64)))
    return table, models


def _roles(
    parts: dict[str, np.ndarray], final_fit: str, test_fit: str, always_final: bool
) -> dict[str, tuple[list[str], list[str]]]:
    """Model -> (parts that it learns from, parts that it predicts)."""
    own_test = test_fit == "train+valid" and len(parts["valid"]) and len(parts["test"])
    asked = always_final or len(parts["unlabelled"])
    final = final_fit == "labelled" and asked and len(parts["valid"]) + len(parts["test"])
    roles = {"evaluation": (["train", "valid"] if test_fit == "stop_on_valid" else ["train"], ["valid"])}
    if own_test:
        roles["test"] = (["train", "valid"], ["test"])
    else:
        roles["evaluation"][1].append("test")
    if final:
        roles["final"] = (["train", "valid", "test"], ["unlabelled"])
    else:
        roles["evaluation"][1].append("unlabelled")
    return roles


def _loose(design: Design) -> bool:
    """Whether some training post has no fold, see ``popcast.splits.making.newest_folds``."""
    return design.rows.filter(pl.col("fold").is_null(), split="train").height > 0


def _folds(design: Design, labelled: np.ndarray) -> np.ndarray:
    """Folds of labelled posts: the training folds, then valid, then test, so that the newest posts come last.

    Where the last fold is one of the training part, rows that are not older than it are set aside: ``ASIDE``.
    """
    rows = design.rows[labelled]
    last = rows["fold"].max()
    fold = pl.when(split="valid").then(last + 1).when(split="test").then(last + 2).otherwise("fold")
    loose = _loose(design)
    folds = from_the_oldest(rows.select(fold.cast(pl.Int64)).to_series().fill_null(ASIDE).to_numpy(), loose)
    times = design.posts[labelled]["posted_at"]
    if loose or times.null_count() or (rows["split"] != "train").any():
        return folds
    return set_aside(folds, times.dt.epoch("us").to_numpy())


def _fit(
    make: Callable[[], Predictor],
    design: Design,
    learned: np.ndarray,
    pseudo: np.ndarray,
    scratch: Pieces,
    name: str,
) -> Predictor:
    """The model ``name``, fitted on the rows ``learned``, or the one that an earlier, killed run finished.

    pseudo: rows whose labels are predicted by a first model and that then count as training posts for the second one.
    Their own labels are never looked at. They belong to the oldest fold, so that nothing is chosen or stopped on them.
    """

    def taught(label: str, rows: np.ndarray, target: np.ndarray, folds: np.ndarray) -> Predictor:
        work = scratch.folder / f"{label}-work"
        return _kept(scratch, label, make, lambda m: fitted(m, work, *design.part(rows), target, folds))

    target, folds = design.target[learned], _folds(design, learned)
    if not len(pseudo):
        return taught(name, learned, target, folds)
    guesses = taught(f"{name}-first", learned, target, folds).predict(*design.part(pseudo))
    order = np.argsort(np.append(learned, pseudo))
    rows = np.append(learned, pseudo)[order]
    return taught(name, rows, np.append(target, guesses)[order], with_pseudo_rows(folds, len(pseudo))[order])


def with_pseudo_rows(folds: np.ndarray, pseudo: int) -> np.ndarray:
    """Folds int [n + pseudo]: those of n posts with a label, then fold 0 for rows with a pseudo-label.

    The last fold is the stopping window and holds real labels only. Where all n posts are of one fold, the window that
    they would have had alone becomes a fold of its own; too few posts for a window leave one that is too small for one.
    """
    known = folds[folds != ASIDE]
    if known.min() == known.max():
        window = stopping_window(folds, len(folds))
        watch = np.arange(len(folds)) == len(folds) - 1 if window is None else window.watch
        folds, known = np.where(folds == ASIDE, ASIDE, watch), watch
    oldest = int(known.min())
    folds = np.where(folds == ASIDE, ASIDE, folds - oldest)
    return np.append(folds, np.zeros(pseudo)).astype(np.int64)


def _kept(scratch: Pieces, name: str, make: Callable[[], Predictor], fit: Callable[[Predictor], Predictor]):
    """A fitted predictor; one that an earlier, killed run finished is loaded."""
    folder = scratch.folder / name
    if not folder.exists():
        model = fit(make())
        with whole_folder(folder) as part:
            model.save(part)
    return load_predictor(type(make()), folder)

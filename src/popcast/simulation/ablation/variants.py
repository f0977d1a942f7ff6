"""Does the simulated audience add anything to history and text? (popsim.md 6: our own ablation.)

The same labelled posts and base columns (block ``history`` and the post's own text), and besides them nothing, the
words of the field, its numbers, both, both of another post, or the mean raw score instead of the attitudes: after
every epoch, for every run (seed) of the simulation. Learned on train, chosen on valid, scored on test; test labels
are taken away before anything is learned. The base is fitted once per run too, with that run's seed of the learner,
so that its spread over runs is that of the learner alone.

Scores are flat: ``<learner>.none.<key>`` and ``<learner>.<variant>.<epoch>.<key>``, epochs from 1. Keys: ``mae`` and
``src`` (means over runs), ``<metric>_run_sd`` (over runs, n - 1), ``<metric>_low`` and ``_high`` (bootstrap over
authors of the mean over runs), ``vs_<variant>.difference``, ``.low``, ``.high``, ``.p`` of the MAE and
``.src_difference`` ... of the SRC (this minus the other: same learner, epoch, resamples). Every variant is compared
with ``none``, ``both`` also with ``shuffled``, ``numeric`` also with ``raw``. p is of one comparison: of many, some
fall below 0.05 by chance.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from popcast.core.engine import progress
from popcast.core.errors import bad_input
from popcast.core.stable import stable_random
from popcast.features.common.contract import Context
from popcast.features.common.embeddings import embedding
from popcast.scoring import metrics
from popcast.scoring.bootstrap import bootstrap, clusters_of, interval, paired_difference
from popcast.scoring.params import Evaluation
from popcast.simulation.ablation.learners import LEARNERS
from popcast.simulation.fields import FieldTexts, epochs_of, numbers_of, of_posts
from popcast.simulation.params import Ablation, FieldFeatures

VARIANTS = {
    "none": "history and text alone",
    "text": "and the field's words",
    "numeric": "and the attitudes",
    "both": "and words and attitudes",
    "shuffled": "and words and attitudes of another post",
    "raw": "and the mean raw score",
}
RIVALS = {"both": ("none", "shuffled"), "numeric": ("none", "raw")}
"""What a variant is compared with; all others with ``none`` alone."""
ATTITUDES, RAW = ("mean_attitude", "attitude_sd"), ("mean_raw_score",)
"""Numbers of a state that ``numeric`` and ``raw`` take, with their changes from epoch to epoch."""
SHOWN = ("mae", "src")
LEAST = {"train": 20, "valid": 2, "test": 2}
"""Posts per part without which nothing is compared."""

Cell = tuple[str, str, int, int]
"""Learner, variant, epoch from 1 (0: none), run."""
Scores = dict[str, float | int | None]


@dataclass(frozen=True)
class Design:
    """The posts of the ablation, sorted by id.

    rows: post_id, split, user_id, posted_at. y: labels [n]. base: float64 [n, p], NaN for null. triggers: TRIGGERS of
    these posts, each with states of ``runs`` runs.
    """

    rows: pl.DataFrame
    y: np.ndarray
    base: np.ndarray
    triggers: pl.DataFrame
    runs: int

    def part(self, name: str) -> np.ndarray:
        return (self.rows["split"] == name).to_numpy()


def make_design(
    posts: pl.DataFrame,
    triggers: pl.DataFrame,
    text: pl.DataFrame,
    history: pl.DataFrame | None,
    section: Ablation,
    dataset: str,
) -> Design:
    """Labelled posts that were simulated most often, with their base columns.

    posts: ``posts`` joined with ``split``. text, history: feature tables; history is None where ``section.history`` is
    off. Raises BadInput for a missing column and for too few posts.
    """
    runs = int(triggers["runs"].max() or 0)
    own = triggers.filter(pl.col("runs") == runs).sort("post_id")
    rows = posts.filter(pl.col("popularity").is_not_null() & pl.col("split").is_in(list(LEAST)))
    rows = (
        rows.select("post_id", "split", "user_id", "posted_at", "popularity")
        .join(own, on="post_id", how="semi")
        .sort("post_id")
    )
    own = own.join(rows, on="post_id", how="semi")
    for part, least in LEAST.items():
        there = rows.filter(pl.col("split") == part).height
        if there < least:
            problem = f"too few labelled posts of the {part} part were simulated {runs} times"
            field = f"simulations.{dataset}.simulate"
            raise bad_input(problem, field=field, value=there, expected=f"at least {least}")
    if section.text not in text.columns or not isinstance(text.schema[section.text], pl.Array):
        raise bad_input("no such embedding column in the block text", field=f"simulations.{dataset}.ablation.text",
                        value=section.text)  # fmt: skip
    parts = [embedding(_aligned(rows, text, "text")[section.text])]
    if history is not None:
        parts.append(_floats(_aligned(rows, history, "history").drop("post_id")))
    base = np.hstack(parts).astype(np.float64)
    return Design(rows.drop("popularity"), rows["popularity"].to_numpy(), base, own, runs)


def _aligned(rows: pl.DataFrame, table: pl.DataFrame, block: str) -> pl.DataFrame:
    lost = rows.join(table, on="post_id", how="anti")
    if lost.height:
        raise bad_input(f"block {block} lacks a post: run `dvc repro`", field="post_id", value=lost["post_id"][0])
    return rows.select("post_id").join(table, on="post_id", how="left", maintain_order="left")


def _floats(table: pl.DataFrame) -> np.ndarray:
    """Numeric columns of a table, float64 [n, columns], NaN for null."""
    numeric = table.select(pl.selectors.numeric() | pl.selectors.boolean())
    return numeric.select(pl.all().cast(pl.Float64).fill_null(float("nan"))).to_numpy()


def field_columns(
    design: Design, states: pl.DataFrame, run: int, epoch: int, section: FieldFeatures, context: Context
) -> dict[str, np.ndarray]:
    """Columns that each variant but ``none`` adds to the base, float64 [n, p].

    The vectoriser of the words learns from the training posts' fields of this run and epoch.
    """
    table = of_posts(design.rows, design.triggers, numbers_of(states, run, epoch))
    texts = FieldTexts(section, context).fit(table)
    words = embedding(texts.transform(table)).astype(np.float64)
    found = {"text": words}
    for variant, names in (("numeric", ATTITUDES), ("raw", RAW)):
        moves = [name for name in table.columns if name.startswith(f"{names[0]}_change_")]
        found[variant] = _floats(table.select(*names, *moves))
    found["both"] = np.hstack([words, found["numeric"]])
    found["shuffled"] = found["both"][shuffled_rows(design.rows, context.seed, run)]
    return found


def shuffled_rows(rows: pl.DataFrame, seed: int, run: int) -> np.ndarray:
    """Row numbers [n] that put another post's fields in a post's place, within each part: a cycle in a drawn order."""
    order = stable_random(rows["post_id"].to_list(), seed, f"ablation-shuffle-{run}")
    found = np.arange(rows.height)
    for part in LEAST:
        own = np.flatnonzero((rows["split"] == part).to_numpy())
        drawn = own[np.argsort(order[own], kind="stable")]
        found[drawn] = np.roll(drawn, 1)
    return found


def predict_all(
    design: Design, states: pl.DataFrame, section: Ablation, fields: FieldFeatures, context: Context
) -> dict[Cell, np.ndarray]:
    """Predictions for the test rows of every learner, variant, epoch and run. states: STATES."""
    states = states.join(design.triggers.select("trigger").unique(), on="trigger", how="semi")
    epochs = epochs_of(states)
    train, valid, test = (design.part(name) for name in LEAST)
    y = np.where(test, np.nan, design.y)  # nobody learns from what is to be predicted
    found: dict[Cell, np.ndarray] = {}
    rounds = [(run, epoch) for run in range(design.runs) for epoch in range(epochs + 1)]
    for run, epoch in progress(rounds, len(rounds), "ablation"):
        added = {"none": design.base[:, :0]}
        if epoch:
            added = field_columns(design, states, run, epoch, fields, context)
        for variant, columns in added.items():
            x = np.hstack([design.base, columns])
            for name, learner in LEARNERS.items():
                predictions = learner(x, y, train, valid, section.rounds, context.seed + run)
                found[name, variant, epoch, run] = predictions[test]
    return found


def score(design: Design, predictions: dict[Cell, np.ndarray], section: Evaluation, seed: int) -> Scores:
    """All scores, see the head of this module. predictions: from :func:`predict_all`, of the test rows."""
    test = design.rows.filter(pl.col("split") == "test")
    y = design.y[design.part("test")]
    draws = {}
    clusters = clusters_of(test) if section.bootstrap else None
    if clusters is not None:
        draws = bootstrap(y, predictions, clusters.codes, section.bootstrap, seed)
    runs = sorted({run for *_, run in predictions})
    found: Scores = {}
    means, drawn = {}, {}
    for cell in sorted({cell[:3] for cell in predictions}, key=_place):
        singles = [metrics.score(y, predictions[(*cell, run)]) for run in runs]
        of = means[cell] = _over_runs(singles)
        drawn[cell] = {name: np.mean([draws[(*cell, run)][name] for run in runs], axis=0) for name in SHOWN if draws}
        for name, values in drawn[cell].items():
            of[f"{name}_low"], of[f"{name}_high"] = interval(values, section.confidence) or (None, None)
        for rival in RIVALS.get(cell[1], ("none",)) if cell[1] != "none" else ():
            other = (cell[0], rival, 0 if rival == "none" else cell[2])
            of |= _paired(of, means[other], drawn[cell], drawn[other], section.confidence, rival)
        stem = f"{cell[0]}.{cell[1]}" + (f".{cell[2]}" if cell[2] else "")
        found |= {f"{stem}.{key}": value for key, value in of.items()}
    return found


def _place(cell: tuple[str, str, int]) -> tuple[int, int, int]:
    """Rivals come before those that are compared with them."""
    order = ["none", "shuffled", "raw", "text", "numeric", "both"]
    return list(LEARNERS).index(cell[0]), cell[2], order.index(cell[1])


def _over_runs(singles: list[dict[str, float | None]]) -> Scores:
    of: Scores = {}
    for name in SHOWN:
        values = [single[name] for single in singles]
        defined = None not in values
        of[name] = float(np.mean(values)) if defined else None
        of[f"{name}_run_sd"] = float(np.std(values, ddof=1)) if defined and len(values) > 1 else None
    return of


def _paired(own: Scores, other: Scores, drawn: dict, others: dict, confidence: float, rival: str) -> Scores:
    found: Scores = {}
    for name, stem in (("mae", ""), ("src", "src_")):
        defined = own[name] is not None and other[name] is not None
        found[f"{stem}difference"] = own[name] - other[name] if defined else None
        if drawn:
            bounds = paired_difference(drawn[name], others[name], confidence) or (None,) * 3
            found |= {f"{stem}{key}": value for key, value in zip(("low", "high", "p"), bounds, strict=True)}
    return {f"vs_{rival}.{key}": value for key, value in found.items()}


def about(design: Design, epochs: int, section: Ablation, evaluation: Evaluation) -> dict[str, object]:
    """What was compared, for whoever reads the scores: posts by part, variants in words, runs, resamples."""
    test = design.rows.filter(pl.col("split") == "test")
    clusters = clusters_of(test) if evaluation.bootstrap else None
    return {
        "posts": {part: int(design.part(part).sum()) for part in LEAST},
        "authors": test["user_id"].drop_nulls().n_unique(),
        "base": [section.text, *(["history"] if section.history else [])],
        "learners": list(LEARNERS),
        "variants": VARIANTS,
        "epochs": epochs,
        "runs": design.runs,
        "comparisons": len(LEARNERS) * (len(VARIANTS) - 1) * epochs,
        "confidence": evaluation.confidence,
        "resamples": evaluation.bootstrap,
        "drawn": None if clusters is None else clusters.unit,
    }

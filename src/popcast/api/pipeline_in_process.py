"""The stages posts, features, train, blend and evaluate on tables in memory, with the functions that the stages call.

Every table is checked, sorted and rounded where the pipeline writes and reads a file, so both come to the same bytes.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from popcast.blend import blending
from popcast.blend.params import Blend as BlendSection
from popcast.core import params, tables
from popcast.core.named import block_module
from popcast.core.safety.whole_files import whole_folder
from popcast.core.scratch import Pieces
from popcast.features.common.block_run import context_of, embedding_in, fitted_block
from popcast.models.contract.fitting import fit_run, make_design
from popcast.models.contract.predictors import Predictor
from popcast.models.params import PlannedRun
from popcast.planning import instances
from popcast.planning.instances import Instance
from popcast.planning.project_params import Params
from popcast.scoring import evaluation
from popcast.scoring.interval_scoring import OneWidth
from popcast.scoring.params import Evaluation, ScoredRun
from popcast.serving.bundle_writing import weighted
from popcast.splits.making import make_splits


@dataclass(frozen=True)
class Finished:
    """What the stages came to. ``blocks``: settings of each block, in the order in which they were made.

    Saved blocks lie in ``<scratch>/blocks/<block>``, the models of a run in ``<scratch>/runs/<run>/<model>``.
    """

    posts: pl.DataFrame
    blocks: list[dict[str, Any]]
    features: dict[str, pl.DataFrame]
    runs: dict[str, PlannedRun]
    predictions: dict[str, pl.DataFrame]
    blend: blending.Blend
    scores: dict[str, dict]
    settings: dict[str, Any]


def run_pipeline(name: str, posts: pl.DataFrame, p: Params, scratch: Path, raw: Path) -> Finished:
    """All stages of the dataset ``name``. posts: its checked ``posts`` table. raw: folder of its media files."""
    splits = make_splits(posts, p.splits[name], p.datasets[name].zone, p.base.seed, name)
    splits = tables.as_written(splits, Path("splits"), tables.SPLIT_TABLE)
    posts = tables.labelled(posts, splits)
    blocks, features = _blocks(name, posts, p, scratch, raw)
    runs = {
        label: params.parse(PlannedRun, values, label)
        for one in (*instances.train(p), *instances.suite(p))
        if one.settings["dataset"] == name
        for label, values in one.settings["runs"].items()
    }
    fit = _Fits(posts, features, p.base.seed, p.splits[name].final_fit, scratch)
    found = {label: fit.run(run) for label, run in runs.items()}
    predictions = {
        label: tables.as_written(table, Path(label), tables.PREDICTIONS) for label, (table, _) in found.items()
    }
    facts = {label: facts_of(models["evaluation"]) for label, (_, models) in found.items()}
    settings = _settings(instances.blend(p), name)
    section = params.parse(BlendSection, settings["blend"], "blend")
    members = {member: predictions[member] for member in settings["members"]}
    shown = {block: tables.shown_features(features[block]) for block in settings["width_blocks"]}
    blended, fitted = blending.blend(
        posts, members, section, settings["metric"], settings["allow_posthoc"], settings["final_fit"], shown,
        settings["seed"],
    )  # fmt: skip
    predictions["blend"] = tables.as_written(blended, Path("blend"), tables.PREDICTIONS)
    told = _settings(instances.evaluate(p), name)
    scores = _scores(posts, predictions, told, fitted, facts)
    for label in weighted(fitted):  # what others come to in posts without a label makes no difference
        fit.run(runs[label], always_final=True)
    return Finished(posts, blocks, features, runs, predictions, fitted, scores, told)


def _settings(made: Any, name: str) -> dict[str, Any]:
    """Settings of the one instance with the key ``name``."""
    return next(one.settings for one in made if one.key == name)


def _blocks(
    name: str, posts: pl.DataFrame, p: Params, scratch: Path, raw: Path
) -> tuple[list[dict[str, Any]], dict[str, pl.DataFrame]]:
    """Settings and tables of the feature blocks, those before that others are derived from."""
    waiting: list[Instance] = [
        one for stage in (instances.features, instances.media, instances.derive) for one in stage(p)
        if one.settings["dataset"] == name
    ]  # fmt: skip
    made: list[dict[str, Any]] = []
    features: dict[str, pl.DataFrame] = {}
    while waiting:
        ready = next((one for one in waiting if one.settings.get("of") in (None, *features)), waiting[0])
        waiting.remove(ready)
        settings = ready.settings | ({"raw": raw} if "raw" in ready.settings else {})
        block, of = settings["block"], settings.get("of")
        given = () if of is None else (embedding_in(features.get(of, posts.select("post_id")), of, of),)
        section = params.parse(block_module(block).Params, settings["params"], f"features.{block}")
        work = scratch / "work" / block
        work.mkdir(parents=True)
        context = context_of(settings, work)
        fitted, table = fitted_block(block, section, context, posts, given)
        with whole_folder(scratch / "blocks" / block) as folder:
            fitted.save(folder)
        features[block] = tables.as_written(table, Path(block), tables.FEATURES)
        made.append(settings)
    return made, features


@dataclass(frozen=True)
class _Fits:
    """Fits runs on the tables of one dataset; what a run has come to is found again below ``scratch``."""

    posts: pl.DataFrame
    features: dict[str, pl.DataFrame]
    seed: int
    final_fit: str
    scratch: Path

    def run(self, run: PlannedRun, always_final: bool = False) -> tuple[pl.DataFrame, dict[str, Predictor]]:
        shown = {block: tables.shown_features(self.features[block]) for block in run.blocks}
        held_out = {block: tables.held_out_features(self.features[block]) for block in run.blocks}
        design = make_design(self.posts, shown, run.allow_posthoc, held_out)
        folder = self.scratch / "runs" / run.name
        folder.mkdir(parents=True, exist_ok=True)
        return fit_run(run, design, self.seed, self.final_fit, Pieces(folder), always_final)


def facts_of(model: Predictor) -> dict[str, object]:
    """What must be said about a fitted predictor."""
    return model.facts() if hasattr(model, "facts") else {}


def _scores(
    posts: pl.DataFrame, predictions: dict[str, pl.DataFrame], told: dict[str, Any], blend: blending.Blend, facts: dict
) -> dict[str, dict]:
    """Model -> flat metrics as the stage ``evaluate`` has them, and the paired difference of each to the blend."""
    runs = {name: params.parse(ScoredRun, values, name) for name, values in told["runs"].items()}
    section = params.parse(Evaluation, told["evaluation"], "evaluation")
    section = section.model_copy(update={"baselines": [*section.baselines, "blend"]})
    singles = evaluation.singles_of(runs, told["allow_posthoc"])
    scored = evaluation.scored_posts(posts, told["zone"])
    one_width = OneWidth(blend.nominal, blend.half_width)
    scores = evaluation.evaluate(scored, predictions, told["metric"], section, told["seed"], singles, one_width)
    for name, of in scores.items():
        behind = blend.members if name == "blend" else [name]
        said = [facts[one] for one in behind]
        of |= evaluation.flags([runs[one] for one in behind], told["generated"], told["rule_audience"], said)
    return {name: evaluation.rounded(of) for name, of in scores.items()}

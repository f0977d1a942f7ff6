"""Every stage instance that params.yaml asks for, with all that it reads, fully resolved.

One function per stage, named like it: what it puts into ``settings`` is all that the stage script ever sees of
params.yaml. ``modules`` are those that are found by a name in the settings (predictors, blocks, readers, policies);
the rest of an instance's source follows from what its script imports.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from popcast.blend import blending
from popcast.core import params, paths
from popcast.core.errors import bad_input
from popcast.core.named import block_module, block_package, predictor_package
from popcast.core.section import Section
from popcast.datasets import sample as generators
from popcast.models.contract.resolving import resolved
from popcast.models.params import ModelRun, PlannedRun
from popcast.planning.project_params import Params
from popcast.scoring.evaluation import is_generated
from popcast.scoring.params import ScoredRun
from popcast.serving.pipeline_parts import why_left_out
from popcast.simulation.params import MEAN_FIELD, SIMULATION
from popcast.simulation.params import settings as audience_settings
from popcast.splits.params import Split


@dataclass(frozen=True)
class Instance:
    """One expanded stage: ``<stage>@<key>``. settings: plain JSON. modules: dotted names, see above."""

    stage: str
    key: str
    settings: dict[str, Any]
    modules: tuple[str, ...] = ()


def plain(section: Section, **options: Any) -> dict[str, Any]:
    """A section as JSON has it, defaults written out."""
    return section.model_dump(mode="json", **options)


def generated(p: Params, dataset: str) -> bool:
    """Whether the posts of a dataset are generated: the one answer that every stage is told.

    However the raw folder is written: from the root of the file system, or with ``..`` in it.
    """
    return is_generated(dataset, os.path.relpath(p.datasets[dataset].raw))


def sample(p: Params) -> Iterator[Instance]:
    for key, values in p.sample.items():
        section = generators.settings(key, values)
        settings = {"seed": p.base.seed, "sample": plain(section)}
        yield Instance("sample", key, settings, (f"popcast.datasets.sample.generate_{section.kind}",))


def posts(p: Params) -> Iterator[Instance]:
    """What decides between models (metric) and what final models learn from (final_fit) changes no post."""
    for key, section in p.datasets.items():
        settings = {
            "seed": p.base.seed,
            "dataset": plain(section, exclude={"metric"}),
            "splits": plain(p.splits[key], exclude=_changes_no_split(p.splits[key])),
        }
        yield Instance("posts", key, settings, (f"popcast.datasets.{section.kind}",))


def _changes_no_split(section: Split) -> set[str]:
    """Settings that the stage ``posts`` is not told: a setting that came later is told where it is set."""
    return {"final_fit"} | ({"newest_folds"} if section.newest_folds is None else set())


def features(p: Params) -> Iterator[Instance]:
    for key, run in p.blocks.items():
        settings = {"zone": p.datasets[run.dataset].zone, "final_fit": p.splits[run.dataset].final_fit}
        yield _block(p, "features", key, **settings)


def media(p: Params) -> Iterator[Instance]:
    for key, run in p.media.items():
        if run.raw is None:
            raise bad_input("missing", file=paths.PARAMS, field=f"media.{key}.raw", expected="folder of the media")
        yield _block(p, "media", key, raw=run.raw)


def derive(p: Params) -> Iterator[Instance]:
    for key, run in p.derived.items():
        if run.of is None:
            raise bad_input("missing", file=paths.PARAMS, field=f"derived.{key}.of", expected="block with an embedding")
        yield _block(p, "derive", key, of=run.of, final_fit=p.splits[run.dataset].final_fit)


def _block(p: Params, stage: str, key: str, **more: Any) -> Instance:
    run = {"features": p.blocks, "media": p.media, "derive": p.derived}[stage][key]
    kind = block_module(run.block).Params
    section = params.merged(kind, p.features[run.block], run.set, f"features.{run.block}")
    settings = {"seed": p.base.seed, "dataset": run.dataset, "block": run.block, "params": plain(section), **more}
    return Instance(stage, key, settings, (block_package(run.block),))


def adversarial(p: Params) -> Iterator[Instance]:
    for key, section in p.adversarial.items():
        settings = {"seed": p.base.seed, "generated": generated(p, key), "adversarial": plain(section)}
        yield Instance("adversarial", key, settings)


def train(p: Params) -> Iterator[Instance]:
    for key, run in p.runs.items():
        yield _runs(p, "train", key, [run])


def suite(p: Params) -> Iterator[Instance]:
    for key, of in p.suites.items():
        yield _runs(p, "suite", key, of.members())


def train_llm(p: Params) -> Iterator[Instance]:
    for key, run in p.llm_runs.items():
        yield _runs(p, "train_llm", key, [run])


def planned_runs(p: Params, runs: list[ModelRun]) -> list[PlannedRun]:
    """Runs with the settings of their predictors, as the stages that fit them get them."""
    return [
        resolved(run, p.models[run.model], p.datasets[run.dataset].metric, p.features.get("allow_posthoc", False))
        for run in runs
    ]


def _runs(p: Params, stage: str, key: str, runs: list[ModelRun]) -> Instance:
    planned = planned_runs(p, runs)
    dataset = runs[0].dataset
    settings = {"seed": p.base.seed, "dataset": dataset, "final_fit": p.splits[dataset].final_fit}
    settings["runs"] = {run.name: plain(run) for run in planned}
    named = {predictor_package(name) for run in planned for name in (run.model, *run.inner)}
    return Instance(stage, key, settings, tuple(sorted(named)))


def blend(p: Params) -> Iterator[Instance]:
    """Only datasets with runs have anything to blend."""
    allow_posthoc = p.features.get("allow_posthoc", False)
    for key in with_runs(p):
        runs = {run.name: run for run in p.runs_of(key)}
        members = blending.entering(list(runs.values()), p.blend, allow_posthoc, key)
        _fits_split(p, key, [runs[name] for name in members])
        settings = {
            "seed": p.base.seed,
            "metric": p.datasets[key].metric,
            "final_fit": p.splits[key].final_fit,
            "allow_posthoc": allow_posthoc,
            "blend": plain(p.blend),
            "width_blocks": width_blocks(p, key),
            "members": {name: runs[name].suite for name in members},
        }
        yield Instance("blend", key, settings)


def width_blocks(p: Params, key: str) -> list[str]:
    """Feature blocks of a dataset that the widths of its blend look at."""
    if p.blend.widths.method == "constant":
        return []
    made = {run.block for of in (p.blocks, p.media, p.derived) for run in of.values() if run.dataset == key}
    allowed = made if p.features.get("allow_posthoc", False) else made - set(blending.POSTHOC_BLOCKS)
    return [block for block in p.blend.widths.blocks if block in allowed]


IN_TIME = ("chronological", "rolling_origin")
"""Splits whose valid and test parts are newer than all that was learned."""


def _fits_split(p: Params, key: str, members: list[ModelRun]) -> None:
    """Raise BadInput where section ``blend`` asks for what the split of a dataset cannot give."""
    split = p.splits[key]
    if p.blend.drift_correction and split.method not in IN_TIME:
        raise bad_input(
            f"{key} is split {split.method}: its posts to predict are not newer than what models learned",
            file=paths.PARAMS,
            field="blend.drift_correction",
            value=True,
            expected=f"false, or a split that is {' or '.join(IN_TIME)}",
        )
    folds = split.newest_folds or split.folds
    for run in members if p.blend.fit_on == "oof+valid" else ():
        if run.cross_fit_from >= folds:
            raise bad_input(
                f"{run.dataset}/{run.name} has no out-of-fold prediction for the weights of the blend",
                file=paths.PARAMS,
                field="cross_fit_from",
                value=run.cross_fit_from,
                expected=f"below the {folds} folds of the split, or blend.fit_on: valid",
            )


def evaluate(p: Params) -> Iterator[Instance]:
    allow_posthoc = p.features.get("allow_posthoc", False)
    for key in with_runs(p):
        runs = p.runs_of(key)
        settings = {
            "seed": p.base.seed,
            "generated": generated(p, key),
            "metric": p.datasets[key].metric,
            "zone": p.datasets[key].zone,
            "final_fit": p.splits[key].final_fit,
            "allow_posthoc": allow_posthoc,
            "evaluation": plain(p.evaluation),
            "blend": plain(p.blend),
            "runs": {run.name: _scored(run, allow_posthoc) for run in runs},
            "suites": {of.suite: list(of.runs) for of in p.suites.values() if of.dataset == key},
            "rule_audience": key in p.simulations and _policy(p, key) == "persona",
        }
        yield Instance("evaluate", key, settings)


def bundle(p: Params) -> Iterator[Instance]:
    """Members as the blend has them; those that need a simulated audience or a language model of the project do not
    go along."""
    told = {one.key: one.settings for one in evaluate(p)}
    for blended in blend(p):
        key, names = blended.key, blended.settings["members"]
        runs = planned_runs(p, [run for run in p.runs_of(key) if run.name in names])
        settings = told[key] | {
            "dataset": plain(p.datasets[key]),
            "blocks": list(_making_order(p, key)),
            "width_blocks": blended.settings["width_blocks"],
            "members": {run.name: plain(run) for run in runs},
            "audience": _audience(p, key),
        }
        fitted = {name for run in runs if why_left_out(run) is None for name in (run.model, *run.inner)}
        yield Instance("bundle", key, settings, tuple(sorted(predictor_package(name) for name in fitted)))


def _making_order(p: Params, dataset: str) -> Iterator[dict[str, Any]]:
    """Settings of the blocks of a dataset without their params, those before that others are made of."""
    waiting = [one.settings for stage in (features, media, derive) for one in stage(p)]
    waiting = [settings for settings in waiting if settings["dataset"] == dataset]
    made: set[str | None] = {None}
    while waiting:
        ready = next((one for one in waiting if one.get("of") in made), waiting[0])
        waiting.remove(ready)
        made.add(ready["block"])
        yield {name: value for name, value in ready.items() if name != "params"}


def _scored(run: ModelRun, allow_posthoc: bool) -> dict[str, Any]:
    simulated = bool({SIMULATION, MEAN_FIELD} & set(run.blocks))
    posthoc = blending.uses_posthoc(run, allow_posthoc)
    kept = run.model_dump(include={"name", "suite", "test_fit", "pseudo_labels"})
    return plain(ScoredRun(**kept, posthoc=posthoc, simulated=simulated))


def _policy(p: Params, dataset: str) -> str:
    return audience_settings(p.simulations[dataset].simulate, p.simulation).policy.kind


def _audience(p: Params, dataset: str) -> dict[str, Any] | None:
    """Whom a bundle can ask about a draft: those whom the dataset's simulation asks. How many are asked at once, and
    what is kept on the way, is no part of a bundle."""
    if dataset not in p.simulations:
        return None
    simulation = p.simulations[dataset]
    settings = audience_settings(simulation.simulate, p.simulation)
    return {"population": simulation.population, "settings": plain(settings) | {"runner": {}}}


def report(p: Params) -> Iterator[Instance]:
    told = {
        key: {
            "metric": p.datasets[key].metric,
            "kind": p.datasets[key].kind,
            "split": p.splits[key].method,
            "models": [run.name for run in p.runs_of(key)],
            "adversarial": key in p.adversarial,
        }
        for key in with_runs(p)
    }
    if not told and not p.responses:
        expected = "at least one, in runs or suites: `popcast init` writes them"
        raise bad_input("no dataset has a run: nothing to report", file=paths.PARAMS, field="runs", expected=expected)
    settings = {
        "datasets": told,
        "evaluation": plain(p.evaluation),
        "tasks": {key: task.source for key, task in p.tasks.items()},
        "simulations": list(p.simulations),
        "responses": list(p.responses),
        "shares": list(p.reaction_shares),
    }
    yield Instance("report", "all", settings)


def with_runs(p: Params) -> list[str]:
    """Datasets that have at least one run, in the order of params.yaml."""
    return [key for key in p.datasets if p.runs_of(key)]

"""The stage instances of few-shot tasks and language models, see ``instances.py``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from popcast.core.errors import bad_input
from popcast.core.params import merged, parse
from popcast.core.section import Section
from popcast.fewshot import score_prompts
from popcast.fewshot.alignment import idpop
from popcast.fewshot.alignment.preferences import Params as PreferenceParams
from popcast.fewshot.answering import checkpoints
from popcast.fewshot.feature_rows import PREDICTORS
from popcast.fewshot.params import Task, many_name
from popcast.fewshot.track_scores import MEAN, systems_of
from popcast.lm import backbone, decoding, tuning
from popcast.planning.instances import Instance, generated, plain
from popcast.planning.project_params import Params


def shared(p: Params, part: str, kind: type[Section]) -> Section:
    """A part of the section ``llm``, complete."""
    return parse(kind, p.llm.get(part, {}), f"llm.{part}")


def task_of(task: Task) -> dict[str, Any]:
    """What records and prompts depend on: not which systems answer."""
    return plain(task, exclude={"systems", "rivals"})


def asking(p: Params, task: Task) -> dict[str, Any]:
    """What every stage is told that writes prompts of a task."""
    return {
        "seed": p.base.seed,
        "task": task_of(task),
        "prompts": plain(shared(p, "prompts", score_prompts.Params)),
    }


def instructions(p: Params) -> Iterator[Instance]:
    for key, task in p.tasks.items():
        yield Instance("instructions", key, {"seed": p.base.seed, "task": task_of(task)})


def base_model(p: Params) -> Iterator[Instance]:
    for key, llm in p.llms.items():
        settings = asking(p, p.tasks[key]) | {"scores": llm.scores}
        settings["base"] = plain(parse(backbone.Params, llm.base, f"llms.{key}.base"))
        yield Instance("base_model", key, settings)


def sft(p: Params) -> Iterator[Instance]:
    for key, llm in p.llms.items():
        systems = {}
        for name, run in llm.sft.items():
            section = merged(tuning.Params, p.llm.get("sft", {}), run.set, f"llms.{key}.sft.{name}.set")
            systems[name] = {"records": run.records, "shots": run.shots, "params": plain(section)}
        settings = asking(p, p.tasks[key]) | {"generated": generated(p, key), "systems": systems}
        yield Instance("sft", key, settings)


def preferences(p: Params) -> Iterator[Instance]:
    for key, llm in p.llms.items():
        run = llm.preferences
        section = merged(PreferenceParams, p.llm.get("preferences", {}), run.set, f"llms.{key}.preferences.set")
        settings = asking(p, p.tasks[key]) | {"scores": llm.scores}
        settings |= {"start": run.start, "shots": run.shots, "params": plain(section)}
        yield Instance("preferences", key, settings)


def align(p: Params) -> Iterator[Instance]:
    for key, llm in p.llms.items():
        systems = {}
        for name, run in llm.align.items():
            section = merged(idpop.Params, p.llm.get("align", {}), run.set, f"llms.{key}.align.{name}.set")
            systems[name] = {"start": run.start, "shots": run.shots, "params": plain(section)}
        yield Instance("align", key, {"seed": p.base.seed, "generated": generated(p, key), "systems": systems})


def llm_predict(p: Params) -> Iterator[Instance]:
    for key, task in p.tasks.items():
        llm = p.llms[task.source]
        asked = checkpoints(llm, task.source, task.shots, task.systems)
        settings = asking(p, task) | {
            "task": plain(task, exclude={"systems"}),
            "scores": llm.scores,
            "decoding": plain(shared(p, "decoding", decoding.Params)),
            "asked": [{"system": one.system, "shots": one.shots, "folder": one.folder.as_posix()} for one in asked],
        }
        yield Instance("llm_predict", key, settings)


def tracks(p: Params) -> Iterator[Instance]:
    for key, task in p.tasks.items():
        llm = p.llms[task.source]
        settings = {
            "seed": p.base.seed,
            "generated": generated(p, key),
            "evaluation": plain(p.evaluation, include={"bootstrap", "confidence"}),
            "task": task_of(task),
            "tuned": llm.preferences.start,
            "filled": shared(p, "decoding", decoding.Params).invalid == "history_mean",
            "systems": systems_of(task, llm, p.feature_rows, p.llm),
            "aligned": {name: run.shots for name, run in llm.align.items()},
            "rows": {name: plain(row) for name, row in p.feature_rows.items()},
            "blocks": {name: row_blocks(p, name) for name in dict.fromkeys((task.source, key))},
        }
        check_rows(p, task)
        yield Instance("tracks", key, settings)


def row_blocks(p: Params, dataset: str) -> list[str]:
    """Blocks of the feature rows that the pipeline makes for a dataset, sorted."""
    wanted = {block for row in p.feature_rows.values() for block in row.blocks}
    groups = (p.blocks, p.media, p.derived)
    made = {run.block for group in groups for run in group.values() if run.dataset == dataset}
    return sorted(wanted & made)


def check_rows(p: Params, task: Task) -> None:
    """A feature row learns from the source's records, so the source needs every block that the row names.

    The stage ``tracks`` compares with such rows, so there is one that has records to learn from; where means of the
    scores shown stand in for invalid answers, they are one of the rows.
    """
    known = {"fewshot"} | {many_name(share) for share in p.tasks[task.source].many_shot}
    if not any(row.records in known for row in p.feature_rows.values()):
        raise bad_input(
            f"tasks.{task.dataset} has no row to compare with", file="params.yaml", field="feature_rows",
            expected="at least one row that learns from its records, such as history_mean: {model: history_mean}",
        )  # fmt: skip
    mean = p.feature_rows.get(MEAN)
    filled = shared(p, "decoding", decoding.Params).invalid == "history_mean"
    if filled and (mean is None or (mean.model, mean.records) != (MEAN, "fewshot")):
        raise bad_input(
            "llm.decoding.invalid lets this row stand in for invalid answers", file="params.yaml",
            field=f"feature_rows.{MEAN}", expected="history_mean: {model: history_mean}",
        )  # fmt: skip
    made = row_blocks(p, task.source)
    for name, row in p.feature_rows.items():
        if row.model in PREDICTORS:
            merged(PREDICTORS[row.model].Params, {}, row.set, f"feature_rows.{name}.set")
        for block in row.blocks:
            if block not in made:
                raise bad_input(f"no stage makes block {block!r} of {task.source}", file="params.yaml",
                                field=f"feature_rows.{name}.blocks")  # fmt: skip

"""What the stages that fit predictors share: a run's tables, its finished outputs in scratch, the way to its outs.

DVC removes a stage's outs before it starts the stage again. So the outputs of a finished run wait in the run's scratch
folder until all runs of the stage are done, and a killed suite goes on with its first unfinished run.
"""

from __future__ import annotations

import shutil
from functools import cache
from pathlib import Path

import orjson
import polars as pl

from popcast.core import paths, tables
from popcast.core.plan_file import Plan
from popcast.core.safety.whole_files import copy_whole, whole_folder
from popcast.core.scratch import Scratch
from popcast.models.contract.fitting import fit_run, make_design
from popcast.models.params import PlannedRun

BESIDE = ("importances.json", "facts.json")
"""Files beside a run's saved models. ``facts.json``: what every report must say about it, where it has ``facts``."""


class Inputs:
    """The tables of a dataset, each read once however many runs ask for it."""

    def __init__(self, dataset: str) -> None:
        self.dataset = dataset
        self.posts = tables.labelled(
            tables.read(paths.posts(dataset), tables.POSTS), tables.read(paths.splits(dataset), tables.SPLIT_TABLE)
        )
        self.block = cache(lambda block: tables.read_features(paths.features(dataset, block)))
        self.held_out = cache(lambda block: tables.read_held_out(paths.features(dataset, block)))

    def files(self, blocks: list[str]) -> list[Path]:
        return [
            paths.posts(self.dataset),
            paths.splits(self.dataset),
            *(paths.features(self.dataset, b) for b in blocks),
        ]

    def blocks(self, names: list[str]) -> dict[str, pl.DataFrame]:
        return {name: self.block(name) for name in names}


def scratch_of(plan: Plan, run: PlannedRun, inputs: Inputs) -> Scratch:
    """The scratch folder of one run."""
    base = [] if run.base is None else sorted(f for f in paths.base_model(run.base).rglob("*") if f.is_file())
    return Scratch(plan, inputs.files(run.blocks) + base, part="" if run.suite is None else run.name)


def finish(run: PlannedRun, plan: Plan, inputs: Inputs, scratch: Scratch) -> str:
    """Fit and predict, unless an earlier start did; the outputs stay in ``scratch``. Returns one line about the run."""
    note = scratch.folder / "finished.json"
    if not note.exists():
        held_out = {name: inputs.held_out(name) for name in run.blocks}
        design = make_design(inputs.posts, inputs.blocks(run.blocks), run.allow_posthoc, held_out)
        predictions, models = fit_run(run, design, plan["seed"], plan["final_fit"], scratch)
        tables.write(predictions, scratch.folder / "predictions.parquet", tables.PREDICTIONS)
        tables.write_json(models["evaluation"].importances(), scratch.folder / "importances.json")
        if hasattr(models["evaluation"], "facts"):
            tables.write_json(models["evaluation"].facts(), scratch.folder / "facts.json")
        said = f"{predictions.height} predictions, {len(models)} models, {design.features.width} columns"
        tables.write_json({"models": list(models), "said": said}, note)
    return f"{run.dataset}/{run.name}: {orjson.loads(note.read_bytes())['said']}"


def fit_alone(plan: Plan, run: PlannedRun, inputs: Inputs) -> str:
    """Fit the only run of a stage and place its outputs. Returns one line about it."""
    with scratch_of(plan, run, inputs) as scratch:
        said = finish(run, plan, inputs, scratch)
        place(scratch, paths.model(run.dataset, run.name), paths.predictions(run.dataset, run.name))
    return said


def place(scratch: Scratch, model: Path, predictions: Path) -> None:
    """Copy the outputs of a finished run to the folder ``model``, and nothing that was there before, and to a table."""
    with whole_folder(model) as target:
        for name in orjson.loads((scratch.folder / "finished.json").read_bytes())["models"]:
            shutil.copytree(scratch.folder / name, target / name)
        for file in BESIDE:
            if (scratch.folder / file).exists():
                shutil.copyfile(scratch.folder / file, target / file)
    copy_whole(scratch.folder / "predictions.parquet", predictions)

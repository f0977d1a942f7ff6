"""One trial of a search: the run with other settings, fitted on the training part and scored on the valid part.

Posts of the test part and posts without a label are taken out before anything is fitted. ``Here`` fits in this process
from the tables of the project; ``Experiments`` lets `dvc exp run` do it, so that every trial is an experiment of DVC
with its outs in the cache, and reads the valid part of what it predicted.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl

from popcast.core import paths, tables
from popcast.core.errors import BadInput, bad_input, cut
from popcast.core.safety.whole_files import write_whole
from popcast.core.scratch import temporary
from popcast.datasets.params import Metric
from popcast.models.contract.finished import Inputs
from popcast.models.contract.fitting import make_design, predictor_maker
from popcast.models.contract.predictors import fitted
from popcast.models.contract.resolving import resolved
from popcast.models.contract.stopping import set_aside
from popcast.models.params import ModelRun
from popcast.planning.searching.search_space import Value, laid_over
from popcast.scoring.metrics import METRICS, score

Scores = dict[str, float | None]
"""``METRICS`` of the valid part."""


def checked(run: ModelRun) -> ModelRun:
    """The run, where its valid posts are ones that it has not learned; raises BadInput, one line, where they are."""
    if run.test_fit == "stop_on_valid" or run.pseudo_labels != "none":
        what = "test_fit stop_on_valid" if run.test_fit == "stop_on_valid" else "pseudo_labels"
        raise BadInput(f"search: {run.dataset}/{run.name} with {what}: it learns the posts that it would be chosen on")
    if run.base is not None:
        raise BadInput(f"search: {run.dataset}/{run.name} tunes a language model: expected a run of runs or suites")
    return run


class Here:
    """Fits a run with other settings in this process. section: ``models.<model>`` of params.yaml."""

    def __init__(self, run: ModelRun, section: dict, metric: Metric, allow_posthoc: bool, seed: int) -> None:
        self.run, self.section, self.metric, self.seed = checked(run), section, metric, seed
        self.allow_posthoc = allow_posthoc
        inputs = Inputs(run.dataset)
        posts = inputs.posts.filter(pl.col("split").is_in(["train", "valid"]) & pl.col("popularity").is_not_null())
        kept = posts.select("post_id")
        blocks = {name: table.join(kept, on="post_id", how="semi") for name, table in inputs.blocks(run.blocks).items()}
        planned = self.planned({})
        self.design = make_design(posts, blocks, planned.allow_posthoc)
        split = self.design.rows["split"].to_numpy()
        self.train, self.valid = np.flatnonzero(split == "train"), np.flatnonzero(split == "valid")
        if not len(self.train) or not len(self.valid):
            raise BadInput(f"search: {run.dataset} has no training or no valid part with labels: nothing to choose on")

    def planned(self, values: dict[str, Value]):
        """The run with ``values``, its settings complete and checked."""
        run = self.run.model_copy(update={"set": laid_over(self.run.set, values)})
        return resolved(run, self.section, self.metric, self.allow_posthoc)

    def __call__(self, number: int, values: dict[str, Value]) -> Scores:
        """Scores of the valid part with the settings ``values``. Raises BadInput for settings that are none."""
        posts, features = self.design.part(self.train)
        folds = self.design.rows[self.train]["fold"].cast(pl.Int64).to_numpy()
        if not posts["posted_at"].null_count():
            folds = set_aside(folds, posts["posted_at"].dt.epoch("us").to_numpy())
        model = predictor_maker(self.planned(values), self.seed)()
        with temporary("search") as folder:
            fitted(model, Path(folder) / "work", posts, features, self.design.target[self.train], folds)
        predicted = model.predict(*self.design.part(self.valid))
        return _metrics(self.design.target[self.valid], predicted)


class Experiments:
    """Fits a run with other settings by `dvc exp run`, one experiment per trial, named ``<study>-<number>``."""

    def __init__(self, run: ModelRun, study: str) -> None:
        self.run, self.study = checked(run), study
        self.before = paths.PARAMS.read_bytes()

    def __call__(self, number: int, values: dict[str, Value]) -> Scores:
        """Raises BadInput with DVC's last words where it fails. params.yaml is put back."""
        try:
            done = subprocess.run(self.command(number, values), capture_output=True, text=True, check=False)
        finally:
            write_whole(self.before, paths.PARAMS)
        if done.returncode:
            said = (done.stderr.strip() or done.stdout.strip() or "it says nothing").splitlines()[-1]
            raise BadInput(f"search: `dvc exp run` of trial {number} failed: {cut(said, 300)}")
        return valid_scores(self.run)

    def command(self, number: int, values: dict[str, Value]) -> list[str]:
        """The command of one trial; a value is written as JSON, which YAML reads as well."""
        suite = self.run.suite
        key = f"{self.run.dataset}-{suite or self.run.name}"
        where = f"runs.{key}.set" if suite is None else f"suites.{key}.runs.{self.run.name}.set"
        changes = [part for name, value in values.items() for part in ("-S", f"++{where}.{name}={_written(value)}")]
        name = f"{self.study}-start" if number < 0 else f"{self.study}-{number}"
        stage = "train" if suite is None else "suite"
        return [sys.executable, "-m", "dvc", "exp", "run", "-n", name, *changes, f"{stage}@{key}"]


def valid_scores(run: ModelRun) -> Scores:
    """Scores of the valid part of what the stage of a run predicted."""
    table = tables.read(paths.predictions(run.dataset, run.name), tables.PREDICTIONS).filter(split="valid")
    posts = tables.read(paths.posts(run.dataset), tables.POSTS).select("post_id", "popularity").drop_nulls()
    both = table.join(posts, on="post_id")
    if both.is_empty():
        raise bad_input("no valid post with a label in it", file=paths.predictions(run.dataset, run.name))
    return _metrics(both["popularity"].to_numpy(), both["prediction"].to_numpy())


def _metrics(label: np.ndarray, predicted: np.ndarray) -> Scores:
    found = score(label, predicted)
    return {name: None if found[name] is None else round(float(found[name]), 6) for name in METRICS}


def _written(value: Value) -> str:
    return json.dumps(value)

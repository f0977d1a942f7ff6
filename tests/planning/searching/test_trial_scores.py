"""One trial: fitted on training posts, scored on valid ones, blind to test labels; and the command of an experiment."""

import datetime as dt
import subprocess
import sys

import numpy as np
import polars as pl
import pytest

from popcast.core.errors import BadInput
from popcast.models.params import ModelRun
from popcast.planning.searching import trial_scores
from popcast.planning.searching.trial_scores import Experiments, Here
from popcast.scoring.metrics import score
from tests.clone import environment

LIGHT = {"rounds": 20, "early_stopping": 5, "min_child_samples": 5}


class Tables:
    """Stands for the tables of a project: 300 posts whose label is a noisy feature; the last third is test."""

    def __init__(self, dataset: str, test_label: float | None = None) -> None:
        rng = np.random.default_rng(3)
        x = rng.normal(size=300)
        parts = ["train"] * 150 + ["valid"] * 50 + ["test"] * 90 + ["unlabelled"] * 10
        label = np.where(np.array(parts) == "unlabelled", np.nan, 5 + 2 * x + rng.normal(size=300) / 5)
        if test_label is not None:
            label[200:290] = test_label
        start = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)
        self.posts = pl.DataFrame({
            "post_id": [f"p{i:03d}" for i in range(300)],
            "user_id": [f"u{i % 30}" for i in range(300)],
            "posted_at": [start + dt.timedelta(hours=i) for i in range(300)],
            "popularity": pl.Series(label, nan_to_null=True),
            "split": parts,
            "fold": pl.Series([i // 50 if i < 150 else None for i in range(300)], dtype=pl.Int8),
        })  # fmt: skip
        self.table = self.posts.select("post_id", pl.Series("history.x", x))

    def blocks(self, names):
        return dict.fromkeys(names, self.table)


def run(**values) -> ModelRun:
    return ModelRun(dataset="d", name="light", features="d", model="lightgbm", blocks=["history"], set=LIGHT, **values)


def here(monkeypatch, **values) -> Here:
    monkeypatch.setattr(trial_scores, "Inputs", lambda dataset: Tables(dataset, **values))
    return Here(run(), {}, "mae", False, 0)


def test_a_trial_is_scored_on_the_valid_part_and_never_sees_the_test_part(monkeypatch):
    one = here(monkeypatch)
    assert (len(one.train), len(one.valid)) == (150, 50)
    assert one.design.rows["split"].unique().sort().to_list() == ["train", "valid"]
    found = one(0, {"learning_rate": 0.2})
    assert found == here(monkeypatch, test_label=99.0)(0, {"learning_rate": 0.2})
    label = one.design.target[one.valid]
    assert found["mae"] < 0.7 * score(label, np.full(50, np.median(label)))["mae"]
    assert found["mae"] < one(1, {"rounds": 1, "learning_rate": 0.01})["mae"]


def test_a_setting_that_is_none_is_one_line(monkeypatch):
    with pytest.raises(BadInput, match=r"models.lightgbm: leafs: unknown key|leafs: unknown key"):
        here(monkeypatch)(0, {"leafs": 3})


@pytest.mark.parametrize("values", [{"pseudo_labels": "predicted"}, {"test_fit": "stop_on_valid"}])
def test_a_run_that_learns_valid_posts_is_refused(values):
    with pytest.raises(BadInput, match="it learns the posts that it would be chosen on"):
        trial_scores.checked(run(**values))


@pytest.mark.parametrize(
    ("suite", "expected"),
    [
        (None, ['++runs.d-light.set.loss="mae"', "train@d-light"]),
        ("simple", ['++suites.d-simple.runs.light.set.loss="mae"', "suite@d-simple"]),
    ],
)
def test_an_experiment_is_named_and_changes_the_settings_of_its_run(tmp_path, monkeypatch, suite, expected):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "params.yaml").write_text("base: {seed: 1}\n")
    command = Experiments(run(suite=suite), "search-d").command(4, {"loss": "mae"})
    assert command == [sys.executable, "-m", "dvc", "exp", "run", "-n", "search-d-4", "-S", *expected]


def test_a_failed_experiment_is_one_line_and_params_are_put_back(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "params.yaml").write_text("base: {seed: 1}\n")

    def failing(command, **rest):
        (tmp_path / "params.yaml").write_text("changed\n")
        return trial_scores.subprocess.CompletedProcess(command, 1, "", "first\nERROR: no such stage\n")

    one = Experiments(run(), "search-d")
    monkeypatch.setattr(trial_scores.subprocess, "run", failing)
    with pytest.raises(BadInput, match="of trial 3 failed: ERROR: no such stage"):
        one(3, {"loss": "mae"})
    assert (tmp_path / "params.yaml").read_text() == "base: {seed: 1}\n"


TOY = """
import polars as pl, yaml
depth = yaml.safe_load(open("params.yaml"))["runs"]["d-light"]["set"]["depth"]
posts = pl.read_parquet("posts.parquet")
table = posts.select("post_id", pl.lit("valid").alias("split"), (pl.col("popularity") + depth).alias("prediction"))
table.write_parquet("predictions.parquet")
"""
PIPELINE = """
stages:
  train:
    foreach: ${runs}
    do:
      cmd: python toy.py
      deps: [toy.py]
      params: [runs]
      outs: [predictions.parquet]
"""


@pytest.mark.slow
def test_a_trial_is_an_experiment_of_dvc(tmp_path, monkeypatch):
    """A toy pipeline whose predictions are off by the setting ``depth``."""
    monkeypatch.chdir(tmp_path)
    for name, value in environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(trial_scores.paths, "predictions", lambda dataset, name: tmp_path / "predictions.parquet")
    monkeypatch.setattr(trial_scores.paths, "posts", lambda dataset: tmp_path / "posts.parquet")
    monkeypatch.setattr(trial_scores.tables, "read", lambda path, schema: pl.read_parquet(path))
    posts = pl.DataFrame({"post_id": ["a", "b", "c"], "popularity": [1.0, 5.0, 3.0]})
    posts.write_parquet(tmp_path / "posts.parquet")
    given = "runs:\n  d-light: {dataset: d, set: {depth: 1}}\n"
    for name, text in (("toy.py", TOY), ("dvc.yaml", PIPELINE), ("params.yaml", given)):
        (tmp_path / name).write_text(text)
    for command in ("git init -q", f"{sys.executable} -m dvc init -q", "git add -A", "git commit -qm toy"):
        subprocess.run(command.split(), check=True)
    scores = Experiments(run(), "search-d-light")
    assert scores(-1, {})["mae"] == 1
    assert scores(0, {"depth": 3, "training.epochs": 2})["mae"] == 3
    assert (tmp_path / "params.yaml").read_text() == given
    shown = subprocess.run([sys.executable, "-m", "dvc", "exp", "list"], capture_output=True, text=True, check=True)
    assert {"search-d-light-start", "search-d-light-0"} <= set(shown.stdout.replace("[", " ").replace("]", " ").split())

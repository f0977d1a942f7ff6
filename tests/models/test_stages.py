"""The stages ``train`` and ``suite`` on a small generated project: their outs, and a suite that was killed."""

from __future__ import annotations

import orjson
import polars as pl
import pytest

from popcast.core import paths, tables
from popcast.models import reference
from popcast.models.contract import finished
from tests.models.test_train import ROWS, table
from tests.plans import run_stage

PARAMS = """
base: {seed: 7}
datasets: {toy: {kind: microlens, raw: nowhere}}
splits: {toy: {method: chronological, shares: [0.7, 0.1, 0.2]}}
blocks: {toy-history: {dataset: toy, block: history}, toy-metadata: {dataset: toy, block: metadata}}
features: {allow_posthoc: false, history: {}, metadata: {}}
runs:
  toy-ridge:
    {dataset: toy, name: ridge, model: reference, features: toy, blocks: [history, metadata],
     set: {kind: history_ridge}}
suites:
  toy-simple:
    dataset: toy
    suite: simple
    features: toy
    runs:
      median: {model: reference, blocks: []}
      author_mean: {model: reference, blocks: [history], set: {kind: author_mean}}
      line: {model: reference, blocks: [history, metadata], set: {kind: history_ridge}}
models: {reference: {}, knn: {}}
blend: {}
evaluation: {}
"""


@pytest.fixture
def project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    posts, blocks = table()
    paths.PARAMS.write_text(PARAMS)
    columns = {name: pl.lit(None, dtype=dtype).alias(name) for name, dtype in tables.POSTS_COLUMNS.items()}
    full = posts.drop("split", "fold").with_columns(c for name, c in columns.items() if name not in posts.columns)
    tables.write(full, paths.posts("toy"), tables.POSTS)
    tables.write(posts.select("post_id", "split", "fold"), paths.splits("toy"), tables.SPLIT_TABLE)
    for block in ("history", "metadata"):
        tables.write(blocks[block], paths.features("toy", block), tables.FEATURES)
    return tmp_path


def run(stage: str):
    return run_stage(stage, {"train": "toy-ridge", "suite": "toy-simple"}[stage])


def outs(suite_name: str | None = None) -> dict[str, bytes]:
    folders = (paths.members("toy", suite_name), paths.models("toy", suite_name))
    return {str(f): f.read_bytes() for folder in folders for f in sorted(folder.rglob("*.*")) if f.is_file()}


def test_train_writes_predictions_models_and_importances(project):
    (paths.model("toy", "ridge") / "ghost").mkdir(parents=True)
    result = run("train")
    assert result.exit_code == 0, result.output
    predictions = tables.read(paths.predictions("toy", "ridge"), tables.PREDICTIONS)
    assert predictions.height == ROWS - 35
    assert predictions["post_id"].is_sorted()
    assert "seeds" not in predictions.columns
    folder = paths.model("toy", "ridge")
    assert sorted(f.name for f in folder.iterdir()) == ["evaluation", "final", "importances.json"]
    assert "history.last" in orjson.loads((folder / "importances.json").read_bytes())
    assert not list(paths.SCRATCH.glob("*")), "a finished stage leaves no scratch"


def test_suite_makes_the_outs_of_its_runs_below_its_own_folders(project):
    result = run("suite")
    assert result.exit_code == 0, result.output
    assert [line.split(":")[0] for line in result.output.splitlines()] == ["toy/median", "toy/author_mean", "toy/line"]
    assert {f.stem for f in paths.members("toy", "simple").iterdir()} == {"median", "author_mean", "line"}
    assert {f.name for f in paths.models("toy", "simple").iterdir()} == {"median", "author_mean", "line"}
    assert not list(paths.SCRATCH.glob("*")), "a finished stage leaves no scratch"
    assert run("train").exit_code == 0
    alone = paths.predictions("toy", "ridge").read_bytes()
    assert paths.predictions("toy", "line", "simple").read_bytes() == alone, "the same run, the same bytes"


def test_suite_drops_what_a_former_member_left(project):
    ghosts = (paths.predictions("toy", "ghost", "simple"), paths.model("toy", "ghost", "simple") / "m.json")
    for ghost in ghosts:
        ghost.parent.mkdir(parents=True)
        ghost.write_text("x")
    assert run("suite").exit_code == 0
    assert not [ghost for ghost in ghosts if ghost.exists()]


def test_killed_suite_goes_on_with_the_first_unfinished_run(project, monkeypatch):
    assert run("suite").exit_code == 0
    expected = outs("simple")
    fits = []
    fit = reference.Predictor.fit

    def counted(self, *arguments):
        fits.append(self.params.kind)
        if fits.count("history_ridge") == 2:
            raise KeyboardInterrupt
        return fit(self, *arguments)

    monkeypatch.setattr(reference.Predictor, "fit", counted)
    assert run("suite").exit_code == 1
    assert fits == ["median"] * 5 + ["author_mean"] * 5 + ["history_ridge"] * 2
    assert len(list(paths.SCRATCH.glob("suite-toy-simple-*/finished.json"))) == 2
    fits.clear()
    for folder in (paths.members("toy", "simple"), paths.models("toy", "simple")):
        finished.shutil.rmtree(folder)  # as DVC does before it starts a stage again
    monkeypatch.setattr(reference.Predictor, "fit", lambda self, *a: fits.append(self.params.kind) or fit(self, *a))
    assert run("suite").exit_code == 0
    assert fits == ["history_ridge"] * 4, "one of its five fits had been kept"
    assert outs("simple") == expected
    assert not list(paths.SCRATCH.glob("*"))


def test_a_changed_run_of_a_killed_suite_does_not_take_old_pieces(project, monkeypatch):
    fit = reference.Predictor.fit

    def stopping(self, *arguments):
        if self.params.kind == "history_ridge":
            raise KeyboardInterrupt
        return fit(self, *arguments)

    monkeypatch.setattr(reference.Predictor, "fit", stopping)
    assert run("suite").exit_code == 1
    monkeypatch.setattr(reference.Predictor, "fit", fit)
    text = paths.PARAMS.read_text()
    changed = text.replace("[history], set: {kind: author_mean}", "[history], set: {kind: median}")
    paths.PARAMS.write_text(changed)
    assert run("suite").exit_code == 0
    files = [paths.predictions("toy", name, "simple").read_bytes() for name in ("author_mean", "median")]
    assert files[0] == files[1]

"""``popcast run``: what it refuses, what it keeps of params.yaml, what it says; one run from an export to forecasts."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest
from click.testing import CliRunner
from rich.console import Console

from popcast.commands.hand_made_changes import keep_changes, note_made
from popcast.commands.init_command import init
from popcast.commands.run_command import check_files, own_python_first, run, with_budget
from popcast.commands.run_results import board, sentence
from popcast.core.errors import BadInput
from popcast.core.yaml_reading import read_yaml
from popcast.datasets.params import Dataset
from popcast.planning.project_params import Params
from popcast.splits.params import Split
from tests.clone import environment, tiny_clone
from tests.commands.german_export import german


def started(*arguments: str | Path):
    return CliRunner().invoke(run, [str(one) for one in arguments])


def test_outside_of_a_project_one_line_says_so(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = started("mine.yaml")
    assert done.exit_code == 1
    assert "no popcast project" in done.output
    assert done.output.count("\n") == 1


def test_stages_get_the_python_that_runs_the_command(monkeypatch):
    monkeypatch.setenv("PATH", f"/usr/bin{os.pathsep}/bin")
    own_python_first()
    assert shutil.which("python") is None or Path(shutil.which("python")).parent == Path(sys.executable).parent
    assert os.environ["PATH"].split(os.pathsep) == [str(Path(sys.executable).parent), "/usr/bin", "/bin"]
    own_python_first()
    assert os.environ["PATH"].count(os.pathsep) == 2


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A git repository with a committed params.yaml and what else marks a project."""
    monkeypatch.chdir(tmp_path)
    for name in ("stages", ".dvc"):
        Path(name).mkdir()
    Path("dvc.yaml").write_text("stages: {}\n")
    Path("params.yaml").write_text("base: {seed: 42}\n")
    for command in (["init", "-q"], ["add", "-A"], ["commit", "-q", "-m", "x"]):
        subprocess.run(["git", *command], env=environment(), check=True)
    return tmp_path


def test_changes_by_hand_are_kept_and_the_committed_file_is_put_back(project):
    assert keep_changes() is None
    Path("params.yaml").write_text("base: {seed: 1}\n")
    assert keep_changes() == Path("params.yaml.bak")
    assert Path("params.yaml").read_text() == "base: {seed: 42}\n"
    Path("params.yaml").write_text("base: {seed: 2}\n")
    assert keep_changes() == Path("params.yaml.bak.1")
    Path("params.yaml").write_text("base: {seed: 1}\n")
    assert keep_changes() == Path("params.yaml.bak")
    kept = [Path(name).read_text() for name in ("params.yaml.bak", "params.yaml.bak.1")]
    assert kept == ["base: {seed: 1}\n", "base: {seed: 2}\n"]


def test_what_a_run_has_made_itself_is_no_change_by_hand(project):
    Path("params.yaml").write_text("base: {seed: 7}\n")
    note_made()
    assert keep_changes() is None
    assert Path("params.yaml").read_text() == "base: {seed: 42}\n"
    assert not Path("params.yaml.bak").exists()


def test_without_git_nothing_is_put_back(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("params.yaml").write_text("base: {seed: 1}\n")
    assert keep_changes() is None
    assert Path("params.yaml").read_text() == "base: {seed: 1}\n"


def test_files_that_are_gone_are_one_line_before_anything_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    table = {"labelled": "a.csv", "columns": {"id": "id", "label": "likes"}}
    dataset = Dataset(kind="table", raw="gone", zone="UTC", metric="mae", table=table)
    for sample in ({}, {"other": {}}):
        with pytest.raises(BadInput, match=r"gone: field 'datasets\.mine\.raw': no such folder: .*popcast init again"):
            check_files(Params.model_construct(datasets={"mine": dataset}, sample=sample))
    check_files(Params.model_construct(datasets={"mine": dataset}, sample={"mine": {}}))
    Path("gone").mkdir()
    check_files(Params.model_construct(datasets={"mine": dataset}, sample={}))


@pytest.mark.parametrize(
    ("content", "words"),
    [("datasets: [", "mine.yaml"), ("nonsense: {a: 1}", "nonsense"), ("", "mine.yaml"), ("a.b: 1", "a.b")],
)
def test_a_refused_overlay_is_one_line_and_leaves_params_as_they_were(project, content, words):
    Path("params.yaml").write_text("base: {seed: 9}\n")
    Path("mine.yaml").write_text(content)
    done = started("mine.yaml")
    assert done.exit_code == 1
    assert isinstance(done.exception, SystemExit), done.exception
    assert words in done.output
    assert Path("params.yaml").read_text() == "base: {seed: 9}\n"


@pytest.mark.parametrize(
    ("arguments", "words"), [(["none.yaml"], "no such file"), (["x.yaml", "--budget", "0m"], "--budget")]
)
def test_wrong_arguments_are_one_line(project, arguments, words):
    done = started(*arguments)
    assert done.exit_code in (1, 2)
    assert words in done.output


def test_a_budget_chooses_anew_and_leaves_the_rest(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(init, [str(german(tmp_path / "posts.csv", posts=900)), "--budget", "1s"])
    assert done.exit_code == 0, done.output
    small, large = read_yaml(Path("posts.yaml")), read_yaml(with_budget(Path("posts.yaml"), 3600.0))
    assert small["datasets"] == large["datasets"]
    assert small["runs"].keys() < large["runs"].keys()
    Path("none.yaml").write_text("datasets: {}\n")
    with pytest.raises(BadInput, match="one table"):
        with_budget(Path("none.yaml"), 60.0)


FOUND = {"test.mae": 1.2, "test.vs_author_mean.difference": 0.05, "test.vs_author_mean.low": -0.01,
         "test.vs_author_mean.high": 0.11, "test.vs_author_mean.p": 0.11, "test.drawn": "days"}  # fmt: skip


def test_a_blend_that_is_worse_is_said_to_be_worse():
    assert sentence(FOUND, "mae") == (
        "The blend is 0.050 (MAE) worse than the author's mean: 95 % interval -0.010 to 0.110 over days, p = 0.11; "
        "that may be chance."
    )


def test_too_few_posts_are_said_to_be_too_few():
    assert "too few posts" in sentence({"test.mae": 1.0}, "mae")


def test_the_board_is_sorted_and_names_a_random_split():
    scores = {"median": {"test.mae": 2.0}, "blend": {"test.mae": 1.0, "test.src": 0.5}, "none": {}}
    split = Split(method="random", shares=(0.7, 0.15, 0.15))
    console = Console(width=100, file=io.StringIO())
    console.print(board("mine", scores, "mae", split))
    lines = console.file.getvalue().splitlines()
    assert "no forecast" in lines[0]
    assert [line.split()[0] for line in lines[-3:]] == ["blend", "median", "none"]


@pytest.mark.slow
def test_from_an_export_to_forecasts(tmp_path):
    clone = tiny_clone(tmp_path / "project")
    folder = tmp_path / "Meine Beiträge"
    folder.mkdir()
    file = german(folder / "posts.csv", posts=400)
    clone.popcast("init", str(file), "--budget", "10s")
    said = clone.popcast("run", "posts.yaml")
    for words in ("The blend is", "blend", "author_mean", "predictions: data/predictions/posts/blend.parquet"):
        assert words in said
    predicted = pl.read_parquet(clone.folder / "data/predictions/posts/blend.parquet").filter(split="unlabelled")
    assert predicted.height == 5
    assert predicted["prediction"].null_count() == 0
    ran = {path.parts[-2] for path in (clone.folder / "data/plan").glob("*/*.json")}
    assert ran == {"posts", "features", "train", "suite", "blend", "evaluate", "bundle", "report"}
    assert list(read_yaml(clone.folder / "params.yaml")["datasets"]) == ["posts"]
    assert "0 ran" in clone.popcast("run", "posts.yaml")

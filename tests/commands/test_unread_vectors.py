"""A block whose vectors no run reads is named by ``popcast check``; one that a run or another block reads is not."""

from __future__ import annotations

import copy
import shutil

import pytest
from click.testing import CliRunner
from ruamel.yaml import YAML

from popcast.cli import main
from popcast.commands.unread_vectors import unread_vectors
from popcast.core import paths
from popcast.planning import project_params
from tests.conftest import ROOT

VALUES = YAML(typ="safe").load(ROOT / "params.yaml")
LINE = (
    "params.yaml: block 'text_b' of microlens makes vectors that no run reads: expected a column text_b.* in the "
    "embeddings of a run that has the block, or no such block"
)
RECIPES = sorted(path.stem for path in (ROOT / "recipes").glob("*.yaml"))


@pytest.fixture
def values(tmp_path, monkeypatch) -> dict:
    """params.yaml with a second block of text, which no run takes."""
    monkeypatch.chdir(tmp_path)
    given = copy.deepcopy(VALUES)
    given["features"]["text_b"] = {"fields": ["title"]}
    given["blocks"]["microlens-text_b"] = {"dataset": "microlens", "block": "text_b"}
    return given


def said(given: dict) -> list[str]:
    with paths.PARAMS.open("w") as file:
        YAML().dump(given, file)
    return unread_vectors(project_params.load())


def test_check_says_so_in_one_line_and_does_not_fail(values):
    assert said(values) == [LINE]
    result = CliRunner().invoke(main, ["check"])
    assert result.exit_code == 0
    assert result.output.splitlines()[1:] == [LINE]


def test_a_run_with_a_fixed_list_of_embeddings_does_not_read_it(values):
    runs = values["suites"]["microlens-simple"]["runs"]
    runs["lightgbm"]["blocks"].append("text_b")
    assert said(values) == [LINE], "models.lightgbm.embeddings is a list"
    runs["lightgbm"]["set"] = {"embeddings": ["text.svd_embedding", "text_b.embedding"]}
    assert said(values) == []
    runs["lightgbm"]["blocks"].remove("text_b")
    assert said(values) == [LINE], "a run does not get the columns of blocks that it does not name"


def test_what_reads_all_vectors_reads_it(values):
    runs = values["suites"]["microlens-simple"]["runs"]
    runs["lightgbm"] |= {"blocks": ["metadata", "text_b"], "set": {"embeddings": None}}
    assert said(values) == []


def test_svr_takes_three_blocks_by_itself_and_no_other(values):
    runs = values["suites"]["microlens-simple"]["runs"]
    runs["svr"]["blocks"].append("text_b")
    assert said(values) == [LINE]
    runs["svr"]["set"] = {"embeddings": ["text_b.embedding"]}
    assert said(values) == []


@pytest.mark.parametrize(
    ("inner", "read"),
    [({}, True), ({"embeddings": ["text.svd_embedding"]}, False), ({"embeddings": ["text_b.embedding"]}, True)],
)
def test_a_model_within_a_model(values, inner, read):
    run = {"model": "on_top", "blocks": ["text", "text_b"], "set": {"model": "cnn", "set": inner}}
    values["models"].setdefault("on_top", {})
    values["suites"]["microlens-simple"]["runs"]["on_top"] = run
    assert said(values) == ([] if read else [LINE])


def test_a_member_that_names_one_column_reads_it(values):
    runs = values["suites"]["microlens-simple"]["runs"]
    runs["nearby"] |= {"blocks": ["text", "text_b"], "set": {"beside": ["text_b.embedding"]}}
    assert said(values) == []


def test_a_derived_block_reads_it(values):
    values["features"]["neighbours_b"] = {}
    values["derived"]["microlens-neighbours_b"] = {"dataset": "microlens", "block": "neighbours_b", "of": "text_b"}
    assert said(values) == []


def test_params_as_committed_have_none(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shutil.copy(ROOT / "params.yaml", tmp_path)
    assert unread_vectors(project_params.load()) == []


@pytest.mark.parametrize("name", RECIPES)
def test_recipes_have_none(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shutil.copy(ROOT / "params.yaml", tmp_path)
    (tmp_path / "raw").mkdir()
    overlay = ROOT / "recipes" / f"{name}.yaml"
    folder = ["--raw", str(tmp_path / "raw")] if ": RAW" in overlay.read_text() else []
    result = CliRunner().invoke(main, ["use", str(overlay), *folder])
    assert result.exit_code == 0, result.output
    assert unread_vectors(project_params.load()) == []

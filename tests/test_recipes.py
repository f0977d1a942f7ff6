"""Each recipe lays over the committed params.yaml, and every predictor that it names can be made from its settings."""

import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from popcast.cli import main
from popcast.core import params
from popcast.core.named import block_module
from popcast.planning import project_params
from popcast.planning.running.plain_stages import PlainStages
from tests.conftest import ROOT
from tests.plans import maker_of

RECIPES = sorted(path.stem for path in (ROOT / "recipes").glob("*.yaml"))


def test_every_recipe_has_its_script():
    assert {path.stem for path in (ROOT / "recipes").glob("*.sh")} >= set(RECIPES)


def raw_folder(place: Path) -> Path:
    """An empty folder beside params.yaml."""
    (place / "raw").mkdir(exist_ok=True)
    return place / "raw"


@pytest.mark.parametrize("name", RECIPES)
def test_dvc_finds_every_value_that_its_templates_take(name, tmp_path, monkeypatch):
    """DVC reads params.yaml as it stands, without the defaults of sections."""
    monkeypatch.chdir(tmp_path)
    for file in ("params.yaml", "dvc.yaml"):
        shutil.copy(ROOT / file, tmp_path)
    overlay = ROOT / "recipes" / f"{name}.yaml"
    folder = ["--raw", str(raw_folder(tmp_path))] if ": RAW" in overlay.read_text() else []
    result = CliRunner().invoke(main, ["use", str(overlay), *folder])
    assert result.exit_code == 0, result.output
    assert {"plan", "report"} < {row.name for row in PlainStages().rows}


@pytest.mark.parametrize("name", RECIPES)
def test_every_setting_of_a_recipe_is_one_that_its_model_has(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shutil.copy(ROOT / "params.yaml", tmp_path)
    overlay = ROOT / "recipes" / f"{name}.yaml"
    folder = ["--raw", str(raw_folder(tmp_path))] if ": RAW" in overlay.read_text() else []
    result = CliRunner().invoke(main, ["use", str(overlay), *folder])
    assert result.exit_code == 0, result.output
    whole = project_params.load()
    for dataset, data in whole.datasets.items():
        runs = whole.runs_of(dataset)
        assert runs
        for run in runs:
            assert maker_of(run, whole.models[run.model], data.metric, 1)() is not None
    for group in (whole.blocks, whole.media, whole.derived):
        for run in group.values():
            params.merged(block_module(run.block).Params, whole.features[run.block], run.set, run.block)

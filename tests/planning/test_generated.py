"""Every stage is told the same about whether a dataset is generated, however its raw folder is written."""

import os

import pytest
from ruamel.yaml import YAML

from popcast.core import paths
from popcast.planning import plan, project_params
from tests.conftest import ROOT

TELLS = {"adversarial", "evaluate", "tracks", "align", "sft", "fields", "ablation"}
"""Stages that say so in a picture or a table."""


@pytest.fixture
def told(tmp_path, monkeypatch):
    """Function raw folder of smpd -> stage -> what its plan says; other datasets are generated."""
    monkeypatch.chdir(tmp_path)

    def of(raw: str) -> dict[str, bool]:
        values = YAML(typ="safe").load(ROOT / "params.yaml")
        values["datasets"]["smpd"]["raw"] = values["media"]["smpd-image"]["raw"] = raw
        YAML().dump(values, paths.PARAMS)
        whole, found = project_params.load(), {}
        for stage in plan.STAGES:
            for made in stage(whole):
                if "generated" in made.settings and made.key == "smpd":
                    found[made.stage] = made.settings["generated"]
        return found

    return of


@pytest.mark.parametrize("raw", ["data/raw/smpd", "./data/raw/smpd", "data/raw/../raw/smpd", "FROM THE ROOT"])
def test_generated_posts_are_called_so_everywhere(told, raw):
    found = told(raw if raw != "FROM THE ROOT" else os.path.abspath("data/raw/smpd"))
    assert set(found) >= TELLS
    assert all(found.values()), found


@pytest.mark.parametrize("raw", ["elsewhere", "data/raw/../../real/smpd", "FROM THE ROOT"])
def test_real_posts_are_nowhere_called_generated(told, raw):
    found = told(raw if raw != "FROM THE ROOT" else os.path.abspath("real"))
    assert set(found) >= TELLS
    assert not any(found.values()), found

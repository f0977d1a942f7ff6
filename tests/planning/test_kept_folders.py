"""Folders on which the stage ``report`` depends are in git, and tidying leaves what keeps them there."""

from __future__ import annotations

import shutil

import yaml

from popcast.core import paths
from popcast.planning import project_params
from popcast.planning.leftovers import leftovers
from tests.conftest import ROOT


def kept_folders() -> list:
    """Of the dependencies of the stage ``report``, folders whose files other stages write one by one."""
    deps = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]["report"]["deps"]
    return [dep for dep in deps if not dep.startswith("data/plan") and dep != "plots"]


def test_every_folder_that_the_report_reads_is_in_git_and_stays(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shutil.copy(ROOT / paths.PARAMS, paths.PARAMS)
    kept = [f"{folder}/.gitignore" for folder in kept_folders()]
    assert "models/bundles/.gitignore" in kept
    for name in kept:
        assert (ROOT / name).is_file(), name
        (tmp_path / name).parent.mkdir(parents=True)
        shutil.copy(ROOT / name, name)
    gone = paths.bundle("gone")
    gone.mkdir()
    assert leftovers(project_params.load()) == [gone]

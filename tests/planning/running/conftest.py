"""The toy pipeline, set up once and copied for every test."""

from __future__ import annotations

import shutil

import pytest

from tests.planning.running import toy as toys


@pytest.fixture(scope="session")
def _fresh_toy(tmp_path_factory):
    folder = tmp_path_factory.mktemp("toy") / "fresh"
    folder.mkdir()
    toys.make_toy(folder)
    return folder


@pytest.fixture(scope="session")
def _made_toy(_fresh_toy, tmp_path_factory):
    folder = tmp_path_factory.mktemp("toy") / "made"
    shutil.copytree(_fresh_toy, folder, symlinks=True)
    toys.dvc(folder, "repro", "-q")
    return folder


@pytest.fixture
def toy(_fresh_toy, tmp_path):
    """A toy project in which nothing has run."""
    return shutil.copytree(_fresh_toy, tmp_path / "project", symlinks=True)


@pytest.fixture
def made(_made_toy, tmp_path):
    """A toy project that `dvc repro` has made; its log of starts is empty."""
    folder = shutil.copytree(_made_toy, tmp_path / "made", symlinks=True)
    (folder / "times.log").unlink()
    return folder

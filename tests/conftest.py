"""Fixtures that several test modules share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

if "PYTEST_XDIST_WORKER" in os.environ:  # workers share the cores; stages that tests start set their own threads
    for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(_name, "1")

from tests.clone import Clone, tiny_clone

ROOT = Path(__file__).resolve().parent.parent


def shared_data_folder(name: str) -> Path | None:
    """Folder of real posts outside the project, or None: ``$POPCAST_SHARED_DATA/name`` or ``../shared/data/name``."""
    base = Path(os.environ.get("POPCAST_SHARED_DATA", ROOT.parent / "shared" / "data"))
    return base / name if (base / name).is_dir() else None


@pytest.fixture
def shared_data():
    """Function name -> folder of real posts; skips the test with the reason where the folder is missing."""

    def find(name: str) -> Path:
        folder = shared_data_folder(name)
        if folder is None:
            pytest.skip(f"real data {name!r} not here: set POPCAST_SHARED_DATA to the folder that holds it")
        return folder

    return find


@pytest.fixture(scope="module")
def one_thread():
    """A few hundred rows do not need more, and tests share their cores. For modules that ask for it by name."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OMP_NUM_THREADS", "1")
        yield


@pytest.fixture(scope="session")
def pipeline(tmp_path_factory) -> Clone:
    """The whole pipeline, run once at tiny scale and committed. Tests read it and change copies only."""
    clone = tiny_clone(tmp_path_factory.mktemp("pipeline") / "project")
    clone.repro("--jobs", "2")
    clone.commit("run")
    return clone


@pytest.hookimpl(tryfirst=True)  # before xdist reads the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Who shares a fixture shares a worker: it is made once per run and not once per worker.

    Tests of the whole pipeline start first, for they take longest. Other tests go to the workers file by file, those of
    the contract suite predictor by predictor.
    """
    whole = [item for item in items if "pipeline" in getattr(item, "fixturenames", ())]
    items[:] = whole + [item for item in items if "pipeline" not in getattr(item, "fixturenames", ())]
    first = set(whole)
    for item in items:
        item.add_marker(pytest.mark.xdist_group("pipeline" if item in first else _group(item)))


def _group(item: pytest.Item) -> str:
    """The file of a test, and in the contract suite the predictor that it is called with."""
    params = item.callspec.params if hasattr(item, "callspec") else {}
    name = params.get("fitted", params.get("name", "")) if item.path.stem == "test_predictors" else ""
    return f"{item.path.relative_to(ROOT)} {name}"

"""Fixtures that several test modules share."""

from __future__ import annotations

import os
import re
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


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests of the whole pipeline start first, for they take longest."""
    items.sort(key=lambda item: not item.nodeid.startswith(PIPELINE))  # a stable sort: the others keep their order


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log):
    """Who shares a fixture shares a worker: it is made once per run and not once per worker."""
    from xdist.scheduler import LoadScopeScheduling

    class ByFixture(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return group_of(nodeid)

    return ByFixture(config, log)


PIPELINE = (
    "tests/test_pipeline.py", "tests/test_remote.py", "tests/test_resume.py", "tests/faults/test_kills.py",
    "tests/faults/test_disk_full.py",
)  # fmt: skip
"""Files whose tests read the fixture ``pipeline``."""


def group_of(nodeid: str) -> str:
    """What of the suite one worker gets at a time: a file, all tests of the pipeline, a recipe, or one predictor's.

    >>> group_of("tests/models/test_predictors.py::test_a_single_row[hyfea]")
    'tests/models/test_predictors.py hyfea'
    """
    file, _, test = nodeid.partition("::")
    if file in PIPELINE:
        return "pipeline"
    if file.endswith("test_whole_recipes.py"):
        return nodeid
    called_with = re.search(r"\[([a-z_]+)", test)
    return f"{file} {called_with[1]}" if file.endswith("test_predictors.py") and called_with else file

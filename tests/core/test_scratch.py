"""Pieces of a killed run are found again by a run that would compute the same ones, and by no other."""

from __future__ import annotations

import ast
import gc
from pathlib import Path

import numpy as np
import orjson
import pytest

from popcast.core import paths
from popcast.core.plan_file import Plan
from popcast.core.scratch import Scratch, temporary
from tests.conftest import ROOT

CONTENT = {"stage": "train", "key": "a", "settings": {"seed": 1, "runner": {"in_flight": 2}}}
CONTENT |= {"source": {"src/a.py": "1"}, "versions": {"numpy": "1"}}


def folder_of(content: dict, inputs=(), **options):
    path = paths.plan(content["stage"], content["key"])
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(orjson.dumps(content))
    return Scratch(Plan(content["stage"], content["key"]), list(inputs), **options).folder


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    "change",
    [{"source": {"src/a.py": "2"}}, {"versions": {"numpy": "2"}}, {"settings": {"seed": 2}}, {"key": "b"}],
)
def test_old_code_other_versions_and_other_settings_leave_nothing_to_go_on_with(change):
    assert folder_of(CONTENT) == folder_of(CONTENT)
    assert folder_of(CONTENT | change) != folder_of(CONTENT)


def test_inputs_parts_and_free_settings(here):
    table = here / "table.parquet"
    table.write_bytes(b"1")
    before = folder_of(CONTENT, [table])
    assert folder_of(CONTENT, [table], part="x") != before
    table.write_bytes(b"2")
    assert folder_of(CONTENT, [table]) != before
    other = CONTENT | {"settings": {"seed": 1, "runner": {"in_flight": 9}}}
    assert folder_of(other, free=("runner",)) == folder_of(CONTENT, free=("runner",))
    assert folder_of(other) != folder_of(CONTENT)


def test_pieces_stay_after_a_failure_and_go_after_the_end():
    calls = []

    def piece():
        calls.append(1)
        return np.arange(3)

    folder_of(CONTENT)
    scratch = Scratch(Plan("train", "a"), [])
    scratch.__enter__().array("piece", piece)
    scratch.__exit__(KeyboardInterrupt, None, None)  # as `with` does when the stage is stopped
    with Scratch(Plan("train", "a"), []) as scratch:
        assert scratch.array("piece", piece).tolist() == [0, 1, 2]
    assert len(calls) == 1
    assert not scratch.folder.exists()


def test_temporary_folders_lie_in_scratch_and_go(here):
    kept, inner = temporary("tuned"), temporary("model", Path("stage"))
    assert Path(kept.name).parent == paths.SCRATCH
    assert (Path(inner.name).parent, Path(inner.name).name[:6]) == (Path("stage"), "model-")
    assert Path(kept.name).is_dir()
    place = Path(kept.name)
    del kept
    gc.collect()
    assert not place.exists()
    with temporary("work") as folder:
        assert Path(folder).parent == paths.SCRATCH
    assert not list(paths.SCRATCH.iterdir())


ALLOWED = {
    ("src/popcast/core/scratch.py", "TemporaryDirectory"),  # what temporary() returns
    ("src/popcast/simulation/running/runner.py", "gettempdir"),  # a machine that does not see the scratch folder
}


def test_nothing_else_works_in_the_folder_of_temporary_files():
    found = set()
    for path in [*(ROOT / "src").rglob("*.py"), *(ROOT / "stages").rglob("*.py"), *(ROOT / "scripts").rglob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text())):
            named = isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "tempfile"
            if named:
                found.add((path.relative_to(ROOT).as_posix(), node.attr))
            if isinstance(node, ast.ImportFrom) and node.module == "tempfile":
                found.update((path.relative_to(ROOT).as_posix(), alias.name) for alias in node.names)
            if isinstance(node, ast.Attribute) and node.attr in ("from_dict", "from_list", "from_generator"):
                of = node.value.id if isinstance(node.value, ast.Name) else ""
                assert of != "Dataset" or path.name == "training_frame.py", f"{path}: a data set without a file"
    assert found == ALLOWED

"""Pieces of a killed run are found again by a run that would compute the same ones, and by no other."""

from __future__ import annotations

import ast
import gc
from importlib import metadata
from pathlib import Path

import numpy as np
import orjson
import pytest
from click.testing import CliRunner

from popcast.core import paths, plan_file
from popcast.core.errors import BadInput
from popcast.core.plan_file import Plan
from popcast.core.safety.source_hash import source_hash
from popcast.core.scratch import Scratch, temporary
from popcast.core.stage import stage
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
    ("src/popcast/serving/forecast.py", "TemporaryDirectory"),  # a bundle is served away from any project
    ("src/popcast/serving/http/sent_pictures.py", "TemporaryDirectory"),
    ("src/popcast/api/forecaster.py", "TemporaryDirectory"),  # a fit in process belongs to no project
    ("scripts/run_notebook.py", "TemporaryDirectory"),  # a notebook is run beside the project
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


@pytest.fixture
def project(here, monkeypatch):
    """A project of one source file, and a function that plans a stage of it as the stage ``plan`` does."""
    monkeypatch.setattr(plan_file, "ROOT", here)
    (here / "src").mkdir()
    (here / "src" / "a.py").write_text('"""What it does."""\n\n\ndef value():\n    return 1\n')

    def planned() -> Plan:
        source = {"src/a.py": source_hash(here / "src" / "a.py")}
        content = CONTENT | {"source": source, "versions": {"numpy": metadata.version("numpy")}}
        path = paths.plan("train", "a")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(orjson.dumps(content))
        return Plan("train", "a")

    return planned


def value_of(here) -> np.ndarray:
    """What the source computes as it is now."""
    found: dict = {}
    exec((here / "src" / "a.py").read_text(), found)
    return np.array([found["value"]()])


def failing_run(plan: Plan, here) -> int:
    """A stage that keeps a piece and then fails, or takes the one that an earlier start kept."""
    scratch = Scratch(plan, [], free=("runner",)).__enter__()
    value = scratch.array("piece", lambda: value_of(here))
    scratch.__exit__(RuntimeError, None, None)
    return int(value[0])


def mend(here, old: str, new: str) -> None:
    path = here / "src" / "a.py"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


@pytest.mark.parametrize("again", ["planned again", "plan as it was"])
def test_a_mended_function_never_meets_the_array_of_the_old_one(project, here, again):
    """Fail a run, mend the function, start again: by DVC, which plans first, or by hand, without a new plan."""
    plan = project()
    assert failing_run(plan, here) == 1
    mend(here, "return 1", "return 2")
    assert failing_run(project() if again == "planned again" else Plan("train", "a"), here) == 2


def test_a_reworded_docstring_leaves_the_pieces(project, here):
    plan = project()
    assert failing_run(plan, here) == 1
    (here / "src" / "a.py").write_text('"""In other words."""\n\n\ndef value():\n    # and a comment\n    return 1\n')
    assert Scratch(project(), [], free=("runner",)).folder == Scratch(plan, [], free=("runner",)).folder


@pytest.mark.parametrize("again", ["planned again", "plan as it was"])
def test_another_installed_version_leaves_nothing_to_go_on_with(project, here, monkeypatch, again):
    assert failing_run(project(), here) == 1
    before = Scratch(project(), []).folder
    monkeypatch.setattr(metadata, "version", lambda name: "99.0")
    assert Scratch(project() if again == "planned again" else Plan("train", "a"), []).folder != before


def test_under_dvc_a_plan_of_other_source_or_versions_is_refused(project, here, monkeypatch):
    """Its outs would be locked, and kept in the run cache, under a plan that they do not follow from."""
    project().check_current()
    with monkeypatch.context() as patch:
        patch.setattr(metadata, "version", lambda name: "99.0")
        with pytest.raises(BadInput, match=r"train/a\.json: the installed numpy is another one than when the plan was"):
            Plan("train", "a").check_current()
    mend(here, "return 1", "return 2")
    with pytest.raises(BadInput, match=r"src/a\.py is another one than when the plan was made: expected `dvc repro`"):
        Plan("train", "a").check_current()
    (here / "src" / "a.py").unlink()
    with pytest.raises(BadInput, match=r"src/a\.py is another one"):
        Plan("train", "a").check_current()


def test_the_frame_of_a_stage_checks_its_plan_where_dvc_waits_for_it(project, here, monkeypatch):
    ran = []

    def report(plan):
        ran.append(plan.key)

    monkeypatch.setattr("inspect.getfile", lambda _: "train.py")
    monkeypatch.setattr("popcast.core.stage.end_with_launcher", lambda: None)  # it would end with pytest's parent
    command = stage(report)
    project()
    mend(here, "return 1", "return 2")
    for name, code in (("DVC_STAGE", 1), ("OTHER", 0)):
        with monkeypatch.context() as patch:
            patch.setenv(name, "train@a")
            result = CliRunner().invoke(command, ["a"])
        assert result.exit_code == code, result.output
    assert ran == ["a"]

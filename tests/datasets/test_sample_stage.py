"""The sample stage: validated params, one-line errors, whole folders or none."""

from __future__ import annotations

from pathlib import Path

import pytest

from popcast.core.errors import BadInput
from popcast.datasets.sample import generate, settings
from tests.plans import run_stage

PARAMS = """\
base: {seed: 11}
sample:
  tpic2017: {posts: 60, users: 9}
  more: {kind: tpic2017, posts: 60, users: 9}
  spoiled: {kind: tpic2017, post: 60}
datasets:
  tpic2017: {kind: tpic2017, raw: data/raw/tpic2017}
splits:
  tpic2017: {method: chronological, shares: [0.8, 0.1, 0.1]}
features: {}
runs: {}
models: {}
blend: {}
evaluation: {}
"""


@pytest.fixture
def project(tmp_path, monkeypatch):
    (tmp_path / "params.yaml").write_text(PARAMS)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_stage_writes_raw_folder_and_hidden_file(project):
    assert run_stage("sample", "tpic2017").exit_code == 0
    assert len(list((project / "data/raw/tpic2017").iterdir())) == 4
    assert (project / "data/hidden/tpic2017.csv").read_text() == "post_id,popularity\n"


def test_kind_names_the_generator_and_the_name_keys_the_draws(project):
    for dataset in ("tpic2017", "more"):
        assert run_stage("sample", dataset).exit_code == 0
    first, second = ((project / f"data/raw/{name}/LABEL.txt").read_text() for name in ("tpic2017", "more"))
    assert len(first.splitlines()) == len(second.splitlines()) == 61
    assert first != second


@pytest.mark.parametrize(
    ("dataset", "line"),
    [
        ("spoiled", "error: params.yaml: sample.spoiled.post: unknown key\n"),
        ("absent", "error: params.yaml: asks for no stage sample@absent\n"),
    ],
)
def test_bad_params_are_one_line_and_write_nothing(project, dataset, line):
    if dataset == "absent":  # the plan checks every entry, so a spoiled one stops it first
        Path("params.yaml").write_text(PARAMS.replace("post: 60", "posts: 60"))
    result = run_stage("sample", dataset)
    assert result.exit_code == 1
    assert result.stderr == line
    assert not (project / "data").exists()


@pytest.mark.parametrize(
    ("dataset", "values", "message"),
    [
        ("smpd", {"generation": "C"}, "sample.smpd.generation"),
        ("smpd", {"posts": 3}, "sample.smpd.posts"),
        ("microlens", {"layout": "50k", "labels": "csv"}, "labels 'csv' belongs to layout '100k'"),
        ("tpic2017", {"naming": "other"}, "sample.tpic2017.naming"),
        ("mine", {}, "sample.mine.kind"),
    ],
)
def test_settings_refuse_what_no_generator_knows(dataset, values, message):
    with pytest.raises(BadInput) as caught:
        settings(dataset, values)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_second_run_replaces_the_folder_as_a_whole(tmp_path):
    raw = tmp_path / "raw"
    (tmp_path / "raw.part").mkdir()
    (tmp_path / "raw.part" / "rest.txt").write_text("of a killed run")
    for naming in ("zip", "readme"):
        generate("tpic2017", {"posts": 60, "users": 9, "naming": naming}, 1, raw, tmp_path / "hidden.csv")
    assert {file.name for file in raw.iterdir()} == {"USER_META.txt", "LABEL.txt", "TIME_FLAG.txt", "PHOTO_URL.txt"}
    assert {file.name for file in tmp_path.iterdir()} == {"raw", "hidden.csv"}


def test_another_seed_gives_other_posts(tmp_path):
    for seed in (1, 2):
        generate("tpic2017", {"posts": 60, "users": 9}, seed, tmp_path / str(seed), tmp_path / "hidden.csv")
    assert (tmp_path / "1" / "LABEL.txt").read_bytes() != (tmp_path / "2" / "LABEL.txt").read_bytes()

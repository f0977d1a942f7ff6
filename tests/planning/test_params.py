"""params.yaml: what stands in it is valid, and what does not belong there is refused with the name of the key."""

from __future__ import annotations

import copy
import re

import pytest
from ruamel.yaml import YAML

from popcast.core import params, paths
from popcast.core.errors import BadInput
from popcast.core.named import block_module, predictor_module
from popcast.datasets.sample import settings as sample_settings
from popcast.planning import project_params
from tests.conftest import ROOT
from tests.plans import maker_of


@pytest.fixture(scope="module")
def values():
    return YAML(typ="safe").load(ROOT / "params.yaml")


@pytest.fixture
def project(tmp_path, monkeypatch, values):
    """Function values -> params.yaml in the current folder."""
    monkeypatch.chdir(tmp_path)
    return lambda changed: YAML().dump(changed, paths.PARAMS)


def changed(values: dict, key: str, value: object) -> dict:
    """A copy of ``values`` with one dotted key set."""
    new = copy.deepcopy(values)
    place = new
    *way, last = key.split(".")
    for part in way:
        place = place[part]
    place[last] = value
    return new


def test_every_section_of_the_project_is_valid(values):
    whole = project_params.load(ROOT / "params.yaml")
    for name, section in whole.sample.items():
        assert sample_settings(name, section).kind == section["kind"]
    for group, kind in ((whole.blocks, "blocks"), (whole.media, "media"), (whole.derived, "derived")):
        for key, run in group.items():
            section = block_module(run.block).Params
            params.merged(section, whole.features[run.block], run.set, f"features.{run.block}")
            assert (run.of is not None) == (kind == "derived"), key
            assert (run.raw is not None) == (kind == "media"), key
    for name, data in whole.datasets.items():
        for run in whole.runs_of(name):
            maker_of(run, whole.models[run.model], data.metric, whole.base.seed)()


def test_no_section_without_use(values):
    """Every block and predictor that has a section is used by a stage, so that a changed number changes something."""
    whole = project_params.load(ROOT / "params.yaml")
    used = {run.block for group in (whole.blocks, whole.media, whole.derived) for run in group.values()}
    assert set(whole.features) - {"allow_posthoc"} == used
    assert set(whole.models) >= {run.model for name in whole.datasets for run in whole.runs_of(name)}


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("base.sed", 1, "params.yaml: base.sed: unknown key"),
        ("datasets.smpd.zon", "UTC", "params.yaml: datasets.smpd.zon: unknown key"),
        ("base.seed", "many", "base.seed"),
        ("base.seed", -1, "base.seed"),
        ("datasets.smpd.zone", "Mars/Olympus", "unknown time zone 'Mars/Olympus'"),
        ("datasets.smpd.kind", "myspace", "datasets.smpd.kind"),
        ("splits.smpd.test_from", None, "valid_from and test_from come together"),
        ("splits.tpic2017.shares", [0.8, 0.1, 0.2], "sum to 1"),
        ("blocks.smpd-text.dataset", "tpic2017", "blocks.smpd-text: key must be <dataset>-<block>"),
        ("media.smpd-image.raw", "elsewhere", "media.smpd-image.raw: expected the same folder"),
        ("runs.smpd-hyfea.model", "oracle", "models.oracle: missing"),
        ("runs.smpd-hyfea.blocks", ["sound"], "no stage makes block 'sound'"),
        ("runs.smpd-hyfea.features", "microlens", "runs.smpd-hyfea.features"),
        ("runs.smpd-hyfea.features", "smpd/text.parquet", "DVC would not see block 'metadata', expected smpd"),
        ("runs.smpd-hyfea.suite", "simple", "runs.smpd-hyfea.suite: unknown key"),
        ("suites.smpd-simple.suite", "hard", "suites.smpd-simple: key must be <dataset>-<suite>"),
        ("suites.smpd-simple.runs", {}, "suites.smpd-simple.runs"),
        ("suites.smpd-simple.runs.median.colour", 1, "suites.smpd-simple.runs.median.colour: unknown key"),
        ("suites.smpd-simple.runs.median.name", "m", "suites.smpd-simple.runs.median.name: unknown key"),
        ("suites.smpd-simple.runs.Median", {"model": "reference", "blocks": []}, "suites.smpd-simple.runs.Median"),
        ("suites.smpd-simple.runs.median.model", "oracle", "suites.smpd-simple.runs.median needs it"),
        ("suites.smpd-simple.runs.knn.blocks", ["sound"], "suites.smpd-simple.runs.knn.blocks: no stage makes"),
        ("suites.smpd-simple.features", "smpd/text.parquet", "suites.smpd-simple.features: DVC would not see block"),
        ("suites.smpd-simple.features", "tpic2017", "suites.smpd-simple.features: expected smpd or"),
        ("suites.smpd-simple.runs.hyfea", {"model": "reference", "blocks": []}, "the name 'hyfea' is taken by another"),
        ("suites.smpd-simple.runs.blend", {"model": "reference", "blocks": []}, "the name 'blend' is taken by another"),
        ("suites.smpd-simple.runs.simple", {"model": "reference", "blocks": []}, "the name 'simple' is taken by"),
        ("extra", {}, "params.yaml: extra: unknown key"),
    ],
)
def test_refused_by_name(project, values, key, value, message):
    project(changed(values, key, value))
    with pytest.raises(BadInput) as error:
        project_params.load()
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_members_of_a_suite_are_runs_after_the_runs(values):
    whole = project_params.load(ROOT / "params.yaml")
    runs = whole.runs_of("smpd")
    own = [run for run in runs if run.suite is None]
    assert own == [run for run in (*whole.runs.values(), *whole.llm_runs.values()) if run.dataset == "smpd"]
    assert runs[: len(own)] == own
    author_mean = next(run for run in runs if run.name == "author_mean")
    assert (author_mean.suite, author_mean.features, author_mean.set) == ("simple", "smpd", {"kind": "author_mean"})
    assert len({run.name for run in runs}) == len(runs)
    assert paths.predictions("smpd", "author_mean", "simple").parent == paths.members("smpd", "simple")
    assert paths.model("smpd", "author_mean", "simple").parent == paths.models("smpd", "simple")


def test_unknown_key_of_a_block_or_predictor_is_refused_by_name(values):
    for where, section in (
        ("features.metadata", block_module("metadata")),
        ("models.lightgbm", predictor_module("lightgbm")),
    ):
        with pytest.raises(BadInput, match=rf"{where}\.colour: unknown key"):
            params.merged(section.Params, {}, {"colour": 1}, where)


def test_not_yaml_and_missing_file(project, values):
    with pytest.raises(BadInput, match=r"params\.yaml: not found"):
        project_params.load()
    paths.PARAMS.write_text("base: {seed: [1\n")
    with pytest.raises(BadInput, match="not valid YAML"):
        project_params.load()


def test_entry_returns_what_is_named(project, values):
    project(values)
    assert project_params.entry("datasets", "smpd").zone == "Asia/Shanghai"
    with pytest.raises(BadInput, match=r"datasets\.nowhere: missing, expected one of smpd, tpic2017, microlens"):
        project_params.entry("datasets", "nowhere")


def with_wider_bank(values: dict, way: str) -> dict:
    """The run lightgbm of smpd gets a block whose test posts search valid ones too. way: where that is said."""
    wider = {"test_bank": "train+valid"}
    new = copy.deepcopy(values)
    if way == "features":
        new["features"]["neighbours"] |= wider
    else:
        new["derived"][f"smpd-{way}"].setdefault("set", {}).update(wider)
    return new


@pytest.mark.parametrize(
    ("way", "field", "block"),
    [
        ("features", "runs.smpd-lightgbm", "neighbours"),
        ("neighbours", "runs.smpd-lightgbm", "neighbours"),
        ("knn_values", "suites.smpd-neural.runs.stacker", "knn_values"),
    ],
)
def test_test_posts_see_no_label_that_the_run_did_not_learn(project, values, way, field, block):
    project(with_wider_bank(values, way))
    line = f"params.yaml: {field}.test_fit: got 'train', but in block '{block}' test posts see labels of valid posts"
    with pytest.raises(BadInput, match=re.escape(line)):
        project_params.load()


def test_a_wider_bank_goes_with_runs_that_learned_valid(project, values):
    new = with_wider_bank(values, "features")
    for key in ("smpd", "microlens"):
        for suite in ("simple", "neural"):
            for run in new["suites"][f"{key}-{suite}"]["runs"].values():
                if "neighbours" in run["blocks"]:
                    run["test_fit"] = "train+valid"
    new["runs"]["smpd-lightgbm"]["test_fit"] = "train+valid"
    project(new)
    project_params.load()
    new["runs"]["smpd-lightgbm"]["test_fit"] = "stop_on_valid"
    project(new)
    with pytest.raises(BadInput, match=r"runs\.smpd-lightgbm\.test_fit: got 'stop_on_valid'"):
        project_params.load()
    new["runs"]["smpd-lightgbm"]["test_fit"] = "train+valid"
    new["adversarial"]["smpd"] |= {"features": "smpd", "blocks": ["metadata", "neighbours"]}
    project(new)
    with pytest.raises(BadInput, match=r"adversarial\.smpd\.blocks: test posts search more in 'neighbours'"):
        project_params.load()

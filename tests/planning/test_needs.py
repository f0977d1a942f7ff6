"""params.yaml whose stages need what no stage makes is refused in one line, before anything runs."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from ruamel.yaml import YAML

from popcast.cli import main
from popcast.core import paths
from popcast.core.errors import BadInput
from popcast.planning import needs, plan, project_params
from tests.conftest import ROOT

VALUES = YAML(typ="safe").load(ROOT / "params.yaml")


def refused(changed: dict) -> str:
    """The line with which ``popcast check`` refuses params.yaml."""
    with paths.PARAMS.open("w") as file:
        YAML().dump(changed, file)
    result = CliRunner().invoke(main, ["check"])
    assert result.exit_code == 1, result.output
    assert result.stderr.count("\n") == 1
    return result.stderr


@pytest.fixture
def values(tmp_path, monkeypatch) -> dict:
    monkeypatch.chdir(tmp_path)
    return copy.deepcopy(VALUES)


def without_blocks(values: dict, *keys: str) -> None:
    """Take blocks out, and their names in what reads them: what is left depends on them by a path alone."""
    for key in keys:
        for group in ("blocks", "media", "derived"):
            values[group].pop(key, None)


def test_a_derived_block_needs_its_source(values):
    values["derived"]["tpic2017-windows"] = {"dataset": "tpic2017", "block": "windows", "of": "text"}
    said = refused(values)
    assert (
        "field 'derived.tpic2017-windows': the stage derive@tpic2017-windows needs data/features/tpic2017/text" in said
    )
    assert said.endswith("expected an entry that does, in blocks, media, derived\n")


def test_a_task_needs_a_table_of_features(values):
    without_blocks(values, "tpic2017-metadata", "tpic2017-history")
    values["suites"]["tpic2017-simple"]["runs"] = {"median": {"model": "reference", "blocks": []}}
    said = refused(values)
    assert "field 'suites.tpic2017-simple': the stage suite@tpic2017-simple needs data/features/tpic2017, and" in said


def test_a_run_without_blocks_needs_the_table_that_it_names(values):
    run = {"dataset": "tpic2017", "name": "m", "model": "reference", "features": "tpic2017/text.parquet", "blocks": []}
    values["runs"]["tpic2017-m"] = run
    assert "the stage train@tpic2017-m needs data/features/tpic2017/text.parquet" in refused(values)


def test_a_simulation_needs_what_it_watches_and_what_its_ablation_reads(values, tmp_path):
    values["simulations"]["smpd"]["watch"] = "models/base/gone"
    assert (
        "the stage simulate@smpd needs models/base/gone, and no stage makes it: expected an entry that does, in llms"
        in (refused(values))
    )
    (tmp_path / "models/base/gone").mkdir(parents=True)  # a model of one's own
    with paths.PARAMS.open("w") as file:
        YAML().dump(values, file)
    assert CliRunner().invoke(main, ["check"]).exit_code == 0
    values["simulations"]["smpd"]["ablation"]["text"] = "titles.embedding"
    assert "simulations.smpd.ablation: no stage makes block 'titles' of smpd" in refused(values)


def test_a_dataset_needs_a_run(values):
    values["suites"].pop("tpic2017-simple")
    said = refused(values)
    assert "field 'datasets.tpic2017': the stage blend@tpic2017 has nothing to do: expected at least one run" in said


def test_a_task_needs_rows_to_compare_with(values):
    rows = values["feature_rows"]
    values["feature_rows"] = {}
    assert "field 'feature_rows': tasks.smpd has no row to compare with" in refused(values)
    values["feature_rows"] = {"later": rows["history_mean"] | {"records": "many_05"}}
    assert "field 'feature_rows': tasks.smpd has no row to compare with" in refused(values), "that has no records here"
    values["tasks"]["smpd"]["many_shot"] = [0.05]
    with paths.PARAMS.open("w") as file:
        YAML().dump(values, file)
    assert CliRunner().invoke(main, ["check"]).exit_code == 0


def test_history_means_that_stand_in_need_their_row(values):
    values["llm"]["decoding"]["invalid"] = "history_mean"
    for row in (None, {"model": "median"}, {"model": "history_mean", "records": "many_05"}):
        values["feature_rows"].pop("history_mean", None)
        if row is not None:
            values["feature_rows"]["history_mean"] = row
        said = refused(values)
        assert "field 'feature_rows.history_mean': llm.decoding.invalid lets this row stand in" in said


def test_the_default_params_lack_nothing(values):
    with paths.PARAMS.open("w") as file:
        YAML().dump(values, file)
    whole = project_params.load()
    made = plan.all_instances(whole)
    stages = YAML(typ="safe").load(ROOT / "dvc.yaml")["stages"]
    assert not list(needs.lacking(stages, whole.model_dump(mode="json")))
    planned = {(one.stage, one.key) for one in made}
    with pytest.raises(BadInput, match=r"the stage sft@smpd has nothing to do"):
        needs.check(whole, planned - {("sft", "smpd")})


@pytest.mark.parametrize("section", ["feature_rows", "derived", "media", "llms", "populations", "suites", "blocks"])
def test_an_overlay_that_leaves_a_section_out_is_refused_whole(section, values):
    """``popcast use`` empties what an overlay with datasets omits; params.yaml stays as it was."""
    Path("params.yaml").write_bytes((ROOT / "params.yaml").read_bytes())
    overlay = {
        key: of for key, of in values.items() if key not in (section, "base", "features", "models", "evaluation")
    }
    if section == "derived":  # their readers name the blocks, which is refused in other words
        overlay["suites"] = {key: of for key, of in values["suites"].items() if not key.startswith(("smpd", "micro"))}
        overlay["runs"] = {key: of for key, of in values["runs"].items() if key == "smpd-hyfea"}
        overlay["feature_rows"] = values["feature_rows"]
    with Path("overlay.yaml").open("w") as file:
        YAML().dump(json.loads(json.dumps(overlay)), file)  # without anchors
    result = CliRunner().invoke(main, ["use", "overlay.yaml"])
    assert result.exit_code == 1, result.output
    assert result.stderr.startswith("error: params.yaml: ")
    assert result.stderr.count("\n") == 1
    assert Path("params.yaml").read_bytes() == (ROOT / "params.yaml").read_bytes()
    assert not list(Path().glob("*.part"))


@pytest.mark.parametrize("raw", [".", "..", "../", "HERE", "PARENT"])
def test_a_raw_folder_that_holds_the_project_is_refused(values, raw, tmp_path):
    values["datasets"]["tpic2017"]["raw"] = raw.replace("HERE", str(tmp_path)).replace("PARENT", str(tmp_path.parent))
    values["sample"].pop("tpic2017")
    said = refused(values)
    assert "field 'datasets.tpic2017.raw': this folder holds the project" in said

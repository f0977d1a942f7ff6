"""The whole DAG at tiny scale: every out is there, nothing runs twice, and the same inputs give the same bytes."""

from __future__ import annotations

import json
import shutil

import numpy as np
import orjson
import polars as pl
import pytest

from popcast.core import paths, tables
from popcast.core.engine import in_this_process
from popcast.core.named import block_module, predictor_module
from popcast.core.plan_file import Plan
from popcast.features.common.block_files import load_block
from popcast.models.contract.predictor_files import load_predictor
from popcast.models.params import PlannedRun
from popcast.planning import overlay, project_params
from popcast.serving.bundle import Member
from popcast.serving.bundle_writing import block_told
from popcast.serving.forecast import Forecast, context_of
from popcast.serving.pipeline_parts import why_left_out
from tests.clone import stages_run, tiny_clone

pytestmark = pytest.mark.slow

ENDS = ("blend", "evaluate", "bundle")


def settings(clone) -> project_params.Params:
    return project_params.load(clone.folder / paths.PARAMS)


def test_every_post_has_a_blended_prediction(pipeline):
    for name in settings(pipeline).datasets:
        posts = tables.read(pipeline.folder / paths.posts(name), tables.POSTS)
        splits = tables.read(pipeline.folder / paths.splits(name), tables.SPLIT_TABLE)
        blend = tables.read(pipeline.folder / paths.predictions(name, "blend"), tables.PREDICTIONS)
        outside = splits.filter(pl.col("split") != "train")
        assert set(outside["post_id"]) <= set(blend["post_id"]) <= set(posts["post_id"])
        assert (blend["lower"] <= blend["upper"]).all()
    unlabelled = splits_of(pipeline, "smpd").filter(split="unlabelled")
    assert unlabelled.height == 60


def splits_of(clone, name: str) -> pl.DataFrame:
    return tables.read(clone.folder / paths.splits(name), tables.SPLIT_TABLE)


def summary(clone) -> dict[str, float]:
    return orjson.loads((clone.folder / paths.SUMMARY).read_bytes())


def test_summary_has_a_row_for_every_run_and_the_blend(pipeline):
    whole = settings(pipeline)
    expected = {(name, run.name) for name in whole.datasets for run in whole.runs_of(name)}
    expected |= {(name, "blend") for name in whole.datasets}
    keys = [tuple(key.split(".")) for key in summary(pipeline)]
    assert {key[1:3] for key in keys if key[0] == "standard"} == expected
    assert ("zeroshot", "tpic2017", "history_mean_3", "mae") in keys
    headline = orjson.loads((pipeline.folder / paths.HEADLINE).read_bytes())
    for name in whole.datasets:
        metric = whole.datasets[name].metric
        assert headline[name][metric] == summary(pipeline)[f"standard.{name}.blend.{metric}"]


def test_after_the_runner_dvc_has_nothing_to_do(pipeline):
    assert stages_run(pipeline.dvc("repro")) == set()
    assert json.loads(pipeline.dvc("status", "--json")) == {}
    assert "0 of" in pipeline.popcast("status")


def test_a_docstring_and_a_comment_run_nothing_but_the_plan(pipeline, tmp_path):
    clone = pipeline.copied_to(tmp_path / "project")
    for file in ("src/popcast/simulation/model.py", "src/popcast/core/tables.py", "stages/train.py"):
        path = clone.folder / file
        path.write_text(path.read_text().replace('"""', '"""In other words: ', 1) + "\n# and a comment\n")
    assert stages_run(clone.dvc("repro")) == {"plan"}


def test_a_changed_number_runs_what_reads_it_and_what_follows(pipeline, tmp_path):
    clone = pipeline.copied_to(tmp_path / "project")
    output = clone.dvc("exp", "run", "-S", "models.lightgbm.learning_rate=0.2")
    assert stages_run(output) == {"plan", "train@smpd-lightgbm", "blend@smpd", "evaluate@smpd", "bundle@smpd", "report"}
    changed = clone.dvc("params", "diff", "--md")
    assert "models.lightgbm.learning_rate" in changed
    assert len(changed.splitlines()) < 10
    before, after = summary(pipeline), summary(clone)
    assert {key for key in after if after[key] != before[key] and key.startswith("standard.smpd.lightgbm.")}
    compared = clone.dvc("metrics", "diff", "--md")
    moved = after["standard.smpd.blend.mae"] != before["standard.smpd.blend.mae"]
    assert ("smpd.mae" in compared) == moved, "its weight in so small a blend may be 0, by the processor"
    assert len(compared.splitlines()) < 20
    table = clone.dvc("exp", "show", "--only-changed", "--drop", "src|stages|data|models|plots|metrics/|requirements")
    assert max(len(line) for line in table.splitlines()) <= 120
    clone.dvc("plots", "diff")  # every plot is there


def drop_dataset(clone, name: str) -> None:
    """Take a dataset out of every section of params.yaml."""
    for section in overlay.PER_DATASET:
        kept = clone.params()[section]
        clone.set(section, {key: value for key, value in kept.items() if key.split("-")[0] != name})


def test_dropped_dataset_leaves_no_ghost_and_reruns_only_the_end(pipeline, tmp_path):
    clone = pipeline.copied_to(tmp_path / "project")
    clone.set("blend.method", "mean")
    drop_dataset(clone, "tpic2017")
    ran = stages_run(clone.dvc("repro"))
    assert ran == {"plan", "report"} | {f"{stage}@{key}" for stage in ENDS for key in ("smpd", "microlens")}
    assert check_members(clone, "smpd") == {"hyfea", "lightgbm", "median", "cnn", "stacker"}  # all have a weight now
    assert check_members(clone, "microlens") == {"median", "text_ridge", "knn", "svr", "mmra", "hmmved"}
    assert not [key for key in summary(clone) if "tpic2017" in key]
    assert "tpic2017" not in (clone.folder / paths.LEADERBOARD).read_text()
    assert (clone.folder / paths.posts("tpic2017")).exists()
    clone.popcast("tidy")
    assert not (clone.folder / paths.posts("tpic2017")).exists()
    assert not (clone.folder / paths.bundle("tpic2017")).exists()
    assert (clone.folder / paths.bundle("smpd")).exists()
    assert stages_run(clone.dvc("repro")) <= {"report"}


def test_second_clean_run_without_dvc_gives_the_same_bytes(pipeline, tmp_path):
    clone = tiny_clone(tmp_path / "project")
    clone.repro("--jobs", "2", "--plain")
    assert not (clone.folder / "dvc.lock").exists()
    shutil.copy(pipeline.folder / "dvc.lock", clone.folder / "dvc.lock")
    assert clone.digests() == pipeline.digests()


@pytest.mark.parametrize("name", ["smpd", "tpic2017", "microlens"])
def test_single_posts_of_the_report_are_forecast_as_the_blend_forecast_them(pipeline, name):
    bundle = pipeline.folder / paths.bundle(name)
    told = orjson.loads((pipeline.folder / paths.example_posts(name)).read_bytes())["examples"]
    assert [one["kind"] for one in told] == [kind for kind in ("best", "typical", "worst") for _ in range(2)]
    whole = pipeline.folder / paths.model(name, "blend") / "weights.json"
    if (bundle / "weights.json").read_bytes() == whole.read_bytes():  # no member with a weight was left out
        blend = tables.read(pipeline.folder / paths.predictions(name, "blend"), tables.PREDICTIONS)
        for one in told:
            row = blend.row(by_predicate=pl.col("post_id") == one["id"], named=True)
            for column in ("prediction", "lower", "upper"):
                assert one[column] == pytest.approx(row[column], abs=2e-6)
    page = (pipeline.folder / paths.REPORT / "index.html").read_text()
    assert f'id="{name}-posts"' in page
    assert len(page.encode()) < 2_000_000


def test_prompts_are_shown_with_their_answers(pipeline):
    said = pipeline.popcast("prompts", "smpd", "--limit", "2")
    records = tables.read(pipeline.folder / paths.records("smpd"), tables.RECORDS)
    asked = records.filter(role="test", shots=3).sort("record_id").head(2)
    assert said.count(" has popularity?\n") == 2
    for score in asked["score"]:
        assert f"Post 5 has popularity?\n{score:.2f}" in said


def test_tuned_adapter_is_merged_into_whole_weights(pipeline, tmp_path):
    tuned = paths.sft("smpd", "lora", 3)
    pipeline.popcast("merge", tuned.as_posix(), str(tmp_path / "whole"))
    assert {"config.json", "model.safetensors", "tokenizer.json"} <= {
        file.name for file in (tmp_path / "whole").iterdir()
    }


@pytest.mark.parametrize("name", ["smpd", "tpic2017", "microlens"])
def test_every_member_of_a_bundle_says_of_test_posts_what_the_pipeline_wrote(pipeline, name):
    check_members(pipeline, name)


def check_members(clone, name: str) -> set[str]:
    """Compare with the models of the training part: those in the bundle have learned the labels of the test part."""
    forecast = Forecast.load(clone.folder / paths.bundle(name))
    compare_members(clone, name, forecast)
    return set(forecast.members)


@pytest.mark.parametrize("name", ["smpd", "tpic2017", "microlens"])
def test_members_without_a_weight_say_the_same_too(pipeline, name, monkeypatch):
    """All that can forecast a new post, with all their blocks: which of them have a weight is for the blend to say."""
    monkeypatch.chdir(pipeline.folder)
    plan, forecast = Plan("bundle", name), Forecast.load(paths.bundle(name))
    runs = {key: run for key, run in plan.sections("members", PlannedRun).items() if why_left_out(run) is None}
    blocks = [block_told(one) for one in plan["blocks"] if paths.feature_model(name, one["block"]).is_dir()]
    members = {
        key: Member(model=run.model, blocks=run.blocks, allow_posthoc=run.allow_posthoc, weight=0)
        for key, run in runs.items()
        if set(run.blocks) <= {one.block for one in blocks}
    }
    assert set(forecast.members) <= set(members)
    forecast.contents = forecast.contents.model_copy(update={"blocks": blocks, "members": members})
    forecast.blocks = {
        one.block: load_block(
            block_module(one.block).Block, paths.feature_model(name, one.block), context_of(forecast.contents, one)
        )
        for one in blocks
    }
    forecast.members = dict.fromkeys(members)
    compare_members(pipeline, name, forecast)


def compare_members(clone, name: str, forecast: Forecast) -> None:
    """To 1e-6: predictions are written with six places."""
    runs = {run.name: run for run in settings(clone).runs_of(name)}
    posts = tables.read(clone.folder / paths.posts(name), tables.POSTS)
    test = posts.join(splits_of(clone, name).filter(split="test"), on="post_id", how="semi").head(25)
    for member in forecast.members:
        folder = clone.folder / paths.model(name, member, runs[member].suite) / "evaluation"
        kind = predictor_module(forecast.contents.members[member].model).Predictor
        forecast.members[member] = load_predictor(kind, folder)
    prepared = forecast.prepared(test)
    raw = clone.folder / settings(clone).datasets[name].raw
    with in_this_process():
        said = forecast.by_member(prepared, forecast.features(prepared, raw))
    assert len(said) >= 1
    for member, values in said.items():
        file = clone.folder / paths.predictions(name, member, runs[member].suite)
        theirs = test.select("post_id").join(tables.read(file, tables.PREDICTIONS), on="post_id", maintain_order="left")
        np.testing.assert_allclose(values, theirs["prediction"].to_numpy(), rtol=0, atol=1.1e-6, err_msg=member)


@pytest.mark.parametrize("name", ["smpd", "tpic2017", "microlens"])
def test_a_bundle_says_what_it_left_out_and_forecasts_a_draft_elsewhere(pipeline, name, tmp_path):
    pipeline.popcast("export", name, str(tmp_path / "out"))
    forecast = Forecast.load(tmp_path / "out")
    left = {run.name for run in settings(pipeline).llm_runs.values() if run.dataset == name}
    assert set(forecast.contents.facts["left_out"]) == left
    assert not left & set(forecast.members)
    assert abs(sum(member.weight for member in forecast.contents.members.values()) - 1) < 0.01
    assert forecast.contents.facts["generated"]
    said = forecast.predict(pl.DataFrame({"post_id": ["new"], "title": ["a harbour at sunset"]}))
    assert said["prediction"].is_finite().all()

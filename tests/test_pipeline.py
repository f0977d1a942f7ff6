"""The whole DAG at tiny scale: every out is there, nothing runs twice, and the same inputs give the same bytes."""

from __future__ import annotations

import json
import sys

import orjson
import polars as pl
import pytest

from popcast.core import paths, tables
from popcast.planning import overlay, project_params
from tests.clone import stages_run, tiny_clone

pytestmark = pytest.mark.slow


SUITES = ("suite@tpic2017-simple", "suite@microlens-simple", "suite@smpd-neural", "suite@microlens-neural")
"""They read all of ``models``: any of their runs may name any predictor."""
ENDS = (*(f"{stage}@{name}" for stage in ("blend", "evaluate") for name in ("smpd", "tpic2017", "microlens")), "report")
"""They read ``suites`` as a whole."""
EVALUATES = tuple(end for end in ENDS if end.startswith("evaluate"))
TRACKS = ("tracks@smpd", "tracks@tpic2017")
"""They tell how each system was made: they read ``llm`` and their source's ``llms`` as wholes."""


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


def test_second_run_does_nothing(pipeline):
    assert stages_run(pipeline.dvc("repro")) == set()
    assert json.loads(pipeline.dvc("status", "--json")) == {}


@pytest.mark.parametrize(
    ("key", "value", "stale"),
    [
        ("features.text.max_tokens", 16, {"features@smpd-text", "features@microlens-text"}),
        ("features.history.smoothing", 9.0, {"features@smpd-history", "features@tpic2017-history"}),
        ("splits.smpd.test_from", "2016-01-20", {"splits@smpd"}),
        ("models.lightgbm.learning_rate", 0.1, {"train@smpd-lightgbm", *SUITES}),
        ("suites.microlens-simple.runs.svr.set", {"c": 2.0}, {"suite@microlens-simple", *ENDS}),
        ("sample.microlens.videos", 110, {"sample@microlens"}),
        ("datasets.tpic2017.metric", "rmse", None),
        ("evaluation.confidence", 0.9, {*EVALUATES, "ablation@smpd", "report", *TRACKS}),
        ("simulation.rules.alpha", 0.5, {"simulate@smpd", *EVALUATES}),
        ("simulations.smpd.fields.dim", 6, {"fields@smpd", "ablation@smpd", "report", *EVALUATES}),
        ("llm.align.epochs", 2, {"align@smpd", *TRACKS}),
        ("llms.smpd.sft.lora.set", {"rank": 4}, {"sft@smpd", "llm_predict@smpd", "llm_predict@tpic2017", *TRACKS}),
    ],
)
def test_changed_number_makes_stale_what_reads_it(pipeline, key, value, stale):
    """``None``: every stale stage is one of that dataset, or the report."""
    before = (pipeline.folder / paths.PARAMS).read_bytes()
    try:
        pipeline.set(key, value)
        found = set(json.loads(pipeline.dvc("status", "--json")))
    finally:
        (pipeline.folder / paths.PARAMS).write_bytes(before)
    if stale is None:
        assert found - {"report"}
        assert all("tpic2017" in name for name in found - {"report"})
    else:
        assert found == stale


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
    ends = {"blend@smpd", "blend@microlens", "evaluate@smpd", "evaluate@microlens", "report"}
    assert ran == ends | {"feature_rows@smpd"}  # it reads which stage makes a block
    assert not [key for key in summary(clone) if "tpic2017" in key]
    assert "tpic2017" not in (clone.folder / paths.LEADERBOARD).read_text()
    assert (clone.folder / paths.posts("tpic2017")).exists()
    clone.popcast("tidy")
    assert not (clone.folder / paths.posts("tpic2017")).exists()
    assert stages_run(clone.dvc("repro")) <= {"report"}


def test_second_clean_run_side_by_side_gives_the_same_bytes(pipeline, tmp_path):
    clone = tiny_clone(tmp_path / "project")
    clone.run(sys.executable, "scripts/repro_parallel.py", "--jobs", "2")
    assert clone.outs() == pipeline.outs()
    assert json.loads(clone.dvc("status", "--json")) == {}


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

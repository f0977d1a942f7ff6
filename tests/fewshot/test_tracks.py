"""Scores of few-shot tasks against hand-computed values, and the stage that writes them."""

import json

import numpy as np
import polars as pl
import pytest

from popcast.core import paths
from popcast.core.errors import BadInput
from popcast.fewshot import track_plots, track_scores
from popcast.fewshot.params import FeatureRow, Llm, Task
from popcast.scoring import bootstrap as resampling
from popcast.scoring.bootstrap import bootstrap, interval
from popcast.scoring.params import Evaluation
from tests import popularity
from tests.fewshot import few_shot
from tests.plans import run_stage

SECTION = Evaluation(bootstrap=200)
Y = [float(n) for n in range(1, 13)]


@pytest.fixture(autouse=True)
def a_dozen_is_enough(monkeypatch):
    """So that numbers can be followed by hand."""
    monkeypatch.setattr(resampling, "LEAST_POSTS", 10)


def twelve(draw: str = "fewshot", shots: int = 2, first: int = 0) -> pl.DataFrame:
    rows = [few_shot.record(draw, "test", shots, f"u{first + n:02d}", y) for n, y in enumerate(Y)]
    return pl.DataFrame(rows, schema=few_shot.RECORD, orient="row")


def said(test: pl.DataFrame, **systems: list[float | None]) -> pl.DataFrame:
    """Answers; ``name__decoding`` is a system with a decoding, a plain name a point."""
    parts = []
    for name, values in systems.items():
        system, _, decoding = name.partition("__")
        half = 1.0 if decoding == "expected" else None
        parts.append(few_shot.answers_of(test, system, decoding or "point", values, half))
    return pl.concat(parts)


def off(by: float) -> list[float | None]:
    return [y + by for y in Y]


def holed(values: list[float | None], places: int) -> list[float | None]:
    """``values`` with the first ``places`` invalid."""
    return [None if n < places else value for n, value in enumerate(values)]


def test_below_thirty_records_there_is_neither_interval_nor_p(monkeypatch):
    monkeypatch.setattr(resampling, "LEAST_POSTS", 30)
    table = said(twelve(), history_mean=off(1.0), lora__greedy=off(-0.5))
    found = track_scores.score_task(twelve(), table, SECTION, 7, "lora")
    assert found["all.2.lora.greedy.mae"] == 0.5
    assert found["all.2.lora.greedy.vs_history_mean.difference"] == -0.5
    assert [found[f"all.2.lora.greedy.vs_history_mean.{name}"] for name in ("low", "high", "p")] == [None] * 3
    assert not [key for key in found if key.endswith(("_low", "_high", "drawn"))]


def test_history_ridge_is_a_second_reference_where_the_task_has_it():
    table = said(twelve(), history_mean=off(1.0), history_ridge=off(0.25), lora__greedy=off(-0.5))
    found = track_scores.score_task(twelve(), table, SECTION, 7, "lora")
    assert found["all.2.lora.greedy.vs_history_mean.difference"] == -0.5
    assert found["all.2.lora.greedy.vs_history_ridge.difference"] == 0.25
    assert found["all.2.history_mean.point.vs_history_ridge.difference"] == 0.75
    assert "all.2.history_ridge.point.vs_history_ridge.difference" not in found
    without = track_scores.score_task(twelve(), table.filter(pl.col("system") != "history_ridge"), SECTION, 7, "lora")
    assert not [key for key in without if "history_ridge" in key]


def test_what_is_drawn_is_said():
    few = said(twelve(), history_mean=off(1.0))
    assert track_scores.score_task(twelve(), few, SECTION, 7, "lora")["all.2.history_mean.point.drawn"] == "posts"
    many = pl.concat([twelve(), twelve("extra1", first=12)])
    table = pl.concat([said(part, history_mean=off(1.0)) for part in (twelve(), twelve("extra1", first=12))])
    assert track_scores.score_task(many, table, SECTION, 7, "lora")["all.2.history_mean.point.drawn"] == "authors"


def test_metrics_by_hand():
    test = twelve()
    swapped = [2.0, 1.0, *Y[2:]]
    table = said(test, history_mean=off(1.0), lora__greedy=holed(off(-0.5), 2), lora__expected=swapped, even=[5.0] * 12)
    found = track_scores.score_task(test, table, SECTION, 7, "lora")
    stem = "all.2.lora.greedy"
    assert [found[f"{stem}.{name}"] for name in ("n", "answered", "mae", "src")] == [12, 10, 0.5, 1.0]
    assert found[f"{stem}.valid"] == pytest.approx(10 / 12)
    assert found[f"{stem}.vs_history_mean.difference"] == -0.5
    assert (found[f"{stem}.vs_history_mean.low"], found[f"{stem}.vs_history_mean.high"]) == (-0.5, -0.5)
    assert found[f"{stem}.vs_history_mean.p"] == pytest.approx(2 / 201)
    assert found[f"{stem}.vs_history_mean.n"] == 10, "only the records that both answer"
    assert not [key for key in found if key.startswith(f"{stem}.vs_lora")]
    expected = "all.2.lora.expected"
    assert found[f"{expected}.mae"] == pytest.approx(2 / 12)
    assert found[f"{expected}.src"] == pytest.approx(1 - 6 * 2 / (12 * 143))
    assert (found[f"{expected}.coverage"], found[f"{expected}.width"]) == (1.0, 2.0)
    assert found["all.2.even.point.src"] is None
    assert found["all.2.even.point.mae"] == pytest.approx(np.abs(np.array(Y) - 5).mean())
    assert {key.split(".")[0] for key in found} == {"fewshot", "all"}
    assert found["fewshot.2.lora.greedy.mae"] == 0.5


def test_intervals_are_those_of_the_bootstrap_over_authors():
    test, generator = twelve(), np.random.default_rng(1)
    wrong = (np.array(Y) + generator.normal(0, 1, 12)).tolist()
    table = said(test, history_mean=wrong, lora__greedy=holed(off(0.3), 1), other__greedy=wrong)
    found = track_scores.score_task(test, table, SECTION, 7, "lora")
    draws = bootstrap(np.array(Y), {"a": np.array(wrong)}, np.arange(12), 200, 7)["a"]
    for name in ("mae", "src"):
        low, high = interval(draws[name], 0.95)
        assert (found[f"all.2.history_mean.point.{name}_low"], found[f"all.2.history_mean.point.{name}_high"]) == (
            low,
            high,
        )
    assert found["all.2.other.greedy.vs_history_mean.difference"] == 0.0
    assert found["all.2.other.greedy.vs_history_mean.p"] == 1.0
    assert found["all.2.other.greedy.vs_lora.n"] == 11
    without = track_scores.score_task(test, table, Evaluation(bootstrap=0), 7, "lora")
    assert not [key for key in without if key.endswith(("_low", ".p"))]
    assert without["all.2.other.greedy.mae"] == found["all.2.other.greedy.mae"]


@pytest.mark.parametrize(("invalid", "scored"), [(2, True), (3, False), (12, False)])
def test_too_few_valid_answers_give_no_score(invalid, scored):
    test = twelve()
    table = said(test, history_mean=off(1.0), lora__greedy=holed(off(0.5), invalid))
    found = track_scores.score_task(test, table, SECTION, 7, "lora")
    assert found["all.2.lora.greedy.valid"] == (12 - invalid) / 12
    assert (found["all.2.lora.greedy.mae"] is not None) == scored
    assert any(key.startswith("all.2.lora.greedy.vs_") for key in found) == scored


def test_lenient_answers_are_scored_beside_the_strict_ones():
    """Ten of twelve write one decimal only: no score by the strict reading, all of them by the lenient one."""
    test = twelve()
    read = [value + 0.5 for value in test.sort("record_id")["score"]]
    table = said(test, history_mean=off(1.0), lora__greedy=holed(off(0.5), 10), lora__expected=off(0.5))
    rows = (pl.col("system") == "lora") & (pl.col("decoding") == "greedy")
    given = pl.DataFrame({"record_id": sorted(test["record_id"]), "read": read})
    table = table.join(given, on="record_id").with_columns(lenient=pl.when(rows).then("read")).drop("read")
    found = track_scores.score_task(test, table, SECTION, 7, "lora")
    stem = "all.2.lora.greedy"
    assert (found[f"{stem}.answered"], found[f"{stem}.mae"]) == (2, None)
    assert (found[f"{stem}.lenient.answered"], found[f"{stem}.lenient.valid"]) == (12, 1.0)
    assert found[f"{stem}.lenient.mae"] == pytest.approx(0.5)
    assert found[f"{stem}.lenient.src"] == pytest.approx(1.0)
    assert not any(".lenient." in key for key in found if ".greedy." not in key)
    few = table.with_columns(lenient=pl.when(pl.col("record_id") <= sorted(test["record_id"])[8]).then("lenient"))
    found = track_scores.score_task(test, few, SECTION, 7, "lora")
    assert (found[f"{stem}.lenient.answered"], found[f"{stem}.lenient.mae"]) == (9, None)


def test_history_means_stand_in_only_where_that_is_asked_for():
    test = twelve()
    table = said(test, history_mean=off(1.0), lora__greedy=holed(off(0.5), 2))
    found = track_scores.score_task(test, table, SECTION, 7, "lora", filled=True)
    assert found["all.2.lora.greedy.mae"] == pytest.approx((10 * 0.5 + 2 * 1.0) / 12)
    assert found["all.2.lora.greedy.answered"] == 10
    assert found["all.2.lora.greedy.vs_history_mean.n"] == 12


def test_pooled_set_and_shots_are_kept_apart():
    test = pl.concat([twelve(), twelve("extra1", first=20), twelve(shots=1)])
    values = holed([*off(1.0), *off(3.0), *off(7.0)], 0)
    found = track_scores.score_task(test, said(test, history_mean=values), SECTION, 7, "lora")
    assert {key: value for key, value in found.items() if key.endswith("point.mae")} == {
        "fewshot.1.history_mean.point.mae": 7.0,
        "fewshot.2.history_mean.point.mae": 1.0,
        "extra1.2.history_mean.point.mae": 3.0,
        "all.1.history_mean.point.mae": 7.0,
        "all.2.history_mean.point.mae": 2.0,
    }
    assert found["all.2.history_mean.point.n"] == 24


def test_half_answered_sets_are_refused():
    test = twelve()
    table = said(test, history_mean=off(1.0)).filter(pl.col("record_id") != "fewshot-test-2-u03")
    with pytest.raises(
        BadInput, match=r"history_mean \(point\) does not answer every test record once: got 'fewshot-test-2-u03'"
    ):
        track_scores.score_task(test, table, SECTION, 7, "lora")
    with pytest.raises(BadInput, match="there is no test record"):
        track_scores.score_task(test.with_columns(role=pl.lit("train")), table, SECTION, 7, "lora")


def test_main_decoding_is_expected_where_it_has_a_score():
    scores = {"all.2.a.greedy.n": 12, "all.2.a.greedy.mae": 1.0, "all.2.a.expected.n": 12, "all.2.a.expected.mae": 2.0}
    assert track_scores.main_row(scores, "all.2", "a") == "expected"
    assert track_scores.main_row(scores | {"all.2.a.expected.mae": None}, "all.2", "a") == "greedy"
    assert (
        track_scores.main_row(scores | {"all.2.a.expected.mae": None, "all.2.a.greedy.mae": None}, "all.2", "a")
        == "expected"
    )
    assert track_scores.main_row(scores, "all.1", "a") is None


def test_systems_are_told_in_words():
    task = Task(dataset="t", source="t", track="coldstart", template="smpd", shots=[1, 2])
    llm = Llm.model_validate(
        {
            "scores": [1.0, 16.99],
            "base": {},
            "sft": {
                "lora": {},
                "many_05": {"shots": [2], "records": "many_05"},
                "frozen": {"set": {"method": "freeze"}},
            },
            "align": {
                "full": {"start": "lora"},
                "dpo": {"start": "lora", "set": {"loss": "dpo"}},
                "alone": {"start": "base"},
                "harsh": {"start": "lora", "shots": [2]},
            },
        }
    )
    rows = {
        "hyfea": FeatureRow(model="hyfea", zero_fill=True),
        "hyfea_many_05": FeatureRow(model="hyfea", records="many_05"),
    }
    names = [*rows, "base", "lora", "many_05", "frozen", "full", "dpo", "alone", "harsh"]
    found = track_scores.systems_of(task, llm, rows, {"sft": {"method": "lora"}})
    assert list(found) == names
    assert [found[name]["what"] for name in ("base", "lora", "frozen", "full", "dpo", "alone")] == [
        "untuned", "SFT only (lora)", "SFT only (freeze)", "SFT + IDPOP", "SFT + DPO", "IDPOP without SFT"]  # fmt: skip
    assert [name for name, of in found.items() if of.get("full")] == ["full"]
    assert [name for name, of in found.items() if of.get("ablation")] == ["base", "lora", "full", "dpo", "alone"]
    assert track_plots.many_families(found) == {"hyfea": ["hyfea", "hyfea_many_05"], "lora": ["lora", "many_05"]}


@pytest.fixture
def project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    popularity.project(tmp_path, popularity.posts(n=200))
    few_shot.project()
    few_shot.rows_are_there(monkeypatch)
    return tmp_path


def run():
    return run_stage("tracks", "tiny")


def test_stage_writes_scores_facts_and_pictures_twice_the_same(project):
    result = run()
    assert result.exit_code == 0, result.output
    content = json.loads(paths.track_metrics("tiny").read_bytes())
    about = content.pop("about")
    assert about["base"] == {"kind": "made", "stand_in": True}
    assert (about["generated"], about["filled"], about["sets"]) == (True, False, ["fewshot", "extra1", "all"])
    assert about["records"] == 48
    assert about["trained_on"] == {"fewshot": 12, "many_05": 12}
    assert about["order"] == list(few_shot.SKILL)
    assert about["alignment"]["harsh_dpo_2"]["chosen_logp_after"] == pytest.approx(-8.03)
    assert content["all.2.base.greedy.mae"] is None
    assert (content["all.2.base.greedy.valid"], content["all.2.base.greedy.lenient.valid"]) == (0.0, 1.0)
    assert content["all.2.base.greedy.lenient.mae"] > 0
    assert content["all.2.idpop_only.greedy.answered"] == 20
    lora, mean = (content[f"all.2.{row}.mae"] for row in ("lora.expected", "history_mean.point"))
    assert content["all.2.lora.expected.vs_history_mean.difference"] == pytest.approx(lora - mean, abs=2e-6)
    files = sorted(path.name for path in paths.track_plots("tiny").iterdir())
    names = ("ablation", "mae_by_shots", "many_shot", "predicted_vs_real")
    assert files == [f"{name}.{kind}" for name in names for kind in ("csv", "png")]
    bars = pl.read_csv(paths.track_plots("tiny") / "ablation.csv")
    assert set(bars["system"]) == {"base", "lora", "multismpllm", "sft_dpo", "idpop_only"}
    assert bars.filter((pl.col("system") == "base") & (pl.col("decoding") == "greedy"))["mae"].null_count() == 2
    points = pl.read_csv(paths.track_plots("tiny") / "predicted_vs_real.csv")
    assert (points.height, set(points["system"])) == (24, {"multismpllm"})
    assert (points["upper"] - points["predicted"]).to_list() == pytest.approx([2.0] * 24)
    many = pl.read_csv(paths.track_plots("tiny") / "many_shot.csv")
    assert many["family"].to_list() == ["hyfea", "hyfea", "lora", "lora"]
    before = {path.name: path.read_bytes() for path in paths.track_plots("tiny").iterdir()}
    again = paths.track_metrics("tiny").read_bytes()
    run()
    assert again == paths.track_metrics("tiny").read_bytes()
    assert before == {path.name: path.read_bytes() for path in paths.track_plots("tiny").iterdir()}


def test_stage_refuses_in_one_line(project):
    (paths.aligned("tiny", "sft_dpo", 1) / "tuned.json").unlink()
    missing = run()
    assert missing.exit_code == 1
    assert missing.stderr.startswith(
        "error: models/aligned/tiny/sft_dpo/shots_1/tuned.json: no such file: expected the out"
    )
    paths.answers("tiny", "llm").unlink()
    assert run().stderr == "error: data/answers/tiny/llm.parquet: no such table: run `dvc repro` first\n"
    assert not paths.track_metrics("tiny").exists()


def test_filling_is_read_from_the_settings_of_decoding(project):
    paths.PARAMS.write_text(paths.PARAMS.read_text().replace("invalid: exclude", "invalid: history_mean"))
    run()
    content = json.loads(paths.track_metrics("tiny").read_bytes())
    assert content["about"]["filled"] is True
    assert content["all.2.idpop_only.greedy.answered"] == 20
    assert content["all.2.idpop_only.greedy.vs_history_mean.n"] == 24

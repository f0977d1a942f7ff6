"""The stages of responses at tiny scale: what they write, what they never see, what a kill changes."""

from __future__ import annotations

import shutil
from pathlib import Path

import orjson
import polars as pl
import pytest
from ruamel.yaml import YAML

from popcast.core import paths, tables
from popcast.lm import backbone
from popcast.lm.pac import response_writing
from popcast.response import response_tables as contracts
from popcast.response.writing import written_responses
from stages import response_score
from tests.conftest import ROOT
from tests.plans import plan_of, run_stage, write_plan

KEY = "weibo"
STAGES = ("response_cases", "response_train", "response_predict", "response_score")
TINY = {
    "base": {"made": {"vocabulary": 512, "hidden": 16, "layers": 1, "heads": 2, "intermediate": 24, "epochs": 1}},
    "train": {"epochs": 1, "batch_size": 8, "learning_rate": 0.01, "max_length": 900},
    "prompts": {"max_tokens": 700},
    "decoding": {"max_new_tokens": 6},
    "judging": {"resamples": 30, "least_cases": 5},
}


def write_params(folder: Path, **changes) -> None:
    content = YAML(typ="safe").load(ROOT / "params.yaml")
    content["sample"] = {KEY: {"kind": "weibo", "topics": 6, "users": 8}}
    content["response"] |= TINY
    content["responses"][KEY] |= changes
    with (folder / "params.yaml").open("w") as file:
        YAML().dump(content, file)


def stage(name: str) -> str:
    done = run_stage(name, KEY)
    assert done.exit_code == 0, done.output
    return done.output


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    """A folder in which every stage has run."""
    folder = tmp_path_factory.mktemp("responses")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        write_params(folder)
        for name in ("sample", *STAGES):
            stage(name)
    return folder


@pytest.fixture
def project(made, tmp_path, monkeypatch) -> Path:
    """A copy of it, to be changed."""
    folder = tmp_path / "project"
    shutil.copytree(made, folder)
    monkeypatch.chdir(folder)
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    """Every file below the outs of the stages."""
    places = (paths.responses(KEY), paths.response_model(KEY), paths.response_plots(KEY), paths.response_curves(KEY))
    files = [file for place in places for file in sorted((folder / place).rglob("*")) if file.is_file()]
    single = (
        paths.generated(KEY),
        paths.response_predictions(KEY),
        paths.response_metrics(KEY),
        paths.response_cases(KEY),
    )
    return {
        file.relative_to(folder).as_posix(): file.read_bytes() for file in [*files, *(folder / one for one in single)]
    }


def test_tables_keep_their_contracts_and_figures_are_there(made):
    for name in ("topics", "responses", "users", "history", "cases", "portraits", "counts"):
        assert tables.read(made / paths.responses(KEY, name), getattr(contracts, name.upper())).height > 0
    generated = tables.read(made / paths.generated(KEY), contracts.GENERATED)
    cases = pl.read_parquet(made / paths.responses(KEY, "cases"))
    asked = cases.filter(pl.col("split").is_in(["valid", "test"]))
    assert generated.group_by("system").len()["len"].to_list() == [asked.height] * 2
    figures = orjson.loads((made / paths.response_metrics(KEY)).read_bytes())
    assert figures["about"]["generated"] is True
    assert figures["about"]["stand_in"] is True
    assert 0 <= figures["test.pac.micro.accuracy"] <= 1
    assert 0 <= figures["test.uniform.macro.jsd"] <= 1
    page = orjson.loads((made / paths.response_plots(KEY) / "cases.json").read_bytes())
    assert page["systems"] == ["pac", "lora24"]
    assert {one["topic"] for one in page["cases"]} == {one["id"] for one in page["topics"]}
    assert set(cases.filter(pl.col("split") == "test")["target_text"]) >= {one["real"]["text"] for one in page["cases"]}


def test_models_load_and_name_their_base_where_it_lies_for_good(made, monkeypatch):
    monkeypatch.chdir(made)
    for system, kind in (("pac", "PacPeftModel"), ("lora24", "PeftModelForCausalLM")):
        folder = paths.response_model(KEY, system)
        note = orjson.loads((folder / "tuned.json").read_bytes())
        assert note["base"] == "models/responses/weibo/base"
        assert type(backbone.load(folder)[0]).__name__ == kind


def test_a_card_says_what_the_models_are_and_are_not_for(made):
    card = (made / paths.response_model(KEY) / "README.md").read_text(encoding="utf-8")
    for words in (
        "stand-in",
        "all invented",
        "`pac`: pac",
        "`lora24`: lora",
        "impersonated",
        "pseudo-labels",
        "hashtags",
    ):
        assert words in card


def test_the_same_inputs_give_the_same_bytes(made, project):
    for name in STAGES:
        stage(name)
    assert contents(project) == contents(made)


class Killed(BaseException):
    """No handler of a stage sees it."""


def test_a_killed_prediction_goes_on_with_the_next_piece(made, project, monkeypatch):
    before = contents(project)
    paths.generated(KEY).unlink()
    monkeypatch.setattr(written_responses, "PIECE", 5)
    real, calls = response_writing.write, []

    def dies(*arguments):
        calls.append(1)
        if len(calls) == 3:
            raise Killed
        return real(*arguments)

    monkeypatch.setattr(response_writing, "write", dies)
    with pytest.raises(Killed):
        run_stage("response_predict", KEY, catch_exceptions=False)
    assert not paths.generated(KEY).exists()
    monkeypatch.setattr(response_writing, "write", lambda *arguments: calls.append(1) or real(*arguments))
    stage("response_predict")
    assert contents(project) == before
    pieces = 2 * -(-pl.read_parquet(paths.generated(KEY)).height // 2 // 5)
    assert len(calls) == pieces + 1


def test_texts_of_valid_and_test_reach_no_model(made, project):
    """Other answers under topics that training does not see: the same models, the same written texts."""
    path = paths.responses(KEY, "cases")
    cases = tables.read(path, contracts.CASES)
    changed = pl.when(pl.col("split") == "train").then("target_text").otherwise(pl.lit("完全不同的话[怒]"))
    tables.write(cases.with_columns(target_text=changed), path, contracts.CASES, contracts.CASES_KEY)
    before = {name: of for name, of in contents(project).items() if name.startswith(("models/", "data/generated"))}
    stage("response_train")
    stage("response_predict")
    after = {name: of for name, of in contents(project).items() if name.startswith(("models/", "data/generated"))}
    assert after == before


def test_withheld_responses_are_asked_of_the_submitted_system_only(project):
    path = paths.responses(KEY, "cases")
    cases = tables.read(path, contracts.CASES)
    hidden = pl.col("split") == "test"
    cases = cases.with_columns(
        split=pl.when(hidden).then(pl.lit("unlabelled")).otherwise("split"),
        target_text=pl.when(hidden).then(None).otherwise("target_text"),
    )
    tables.write(cases, path, contracts.CASES, contracts.CASES_KEY)
    stage("response_predict")
    generated = tables.read(paths.generated(KEY), contracts.GENERATED)
    withheld = generated.filter(pl.col("split") == "unlabelled")
    assert set(withheld["system"]) == {"pac"}
    predicted = tables.read(paths.response_predictions(KEY), contracts.PREDICTED)
    assert predicted["mid"].to_list() == sorted(cases.filter(pl.col("split") == "unlabelled")["response_id"])
    assert predicted["text"].to_list() == withheld.sort("case_id")["text"].to_list()


def test_counts_of_all_responses_stand_first_where_they_are_what_is_real(project):
    settings = plan_of("response_score", KEY).settings | {"counted": True}
    write_plan("response_score", KEY, settings)
    response_score.main.main([KEY], standalone_mode=False)
    figures = orjson.loads(paths.response_metrics(KEY).read_bytes())
    assert figures["about"]["counted"] is True
    assert figures["test.topics_judged"] >= 1
    counts = dict(tables.read(paths.responses(KEY, "counts"), contracts.COUNTS).iter_rows())
    page = orjson.loads((paths.response_plots(KEY) / "cases.json").read_bytes())
    assert page["topics"]
    for topic in page["topics"]:
        who, shares, count = topic["mixes"][0]
        assert (who, count) == ("all responses, counted", sum(counts[topic["id"]]))
        assert sum(shares) == pytest.approx(1, abs=1e-3)


def test_fewer_cases_and_more_samples_where_asked_for(project):
    write_params(project, learned=7, asked=3, samples=2)
    assert "pac: 7 cases" in stage("response_train")
    stage("response_predict")
    generated = tables.read(paths.generated(KEY), contracts.GENERATED)
    assert generated.group_by("system", "split").len()["len"].to_list() == [6] * 4
    stage("response_score")


def test_without_training_texts_there_is_one_line(project):
    path = paths.responses(KEY, "cases")
    cases = tables.read(path, contracts.CASES).filter(pl.col("split") != "train")
    tables.write(cases, path, contracts.CASES, contracts.CASES_KEY)
    done = run_stage("response_train", KEY)
    assert done.exit_code == 1
    assert done.output.strip().splitlines()[-1] == (
        "error: responses.weibo: no training case with a text: nothing to learn from"
    )


def test_more_rejected_rows_than_allowed_stop_with_the_report_in_place(project):
    file = next(iter(sorted(project.glob("data/raw/weibo/search/*/*.csv"))))
    lines = file.read_bytes().decode("utf-8-sig").splitlines(keepends=True)
    spoilt = [lines[0], *(line.replace(line.split(",")[0], "3.5e15", 1) for line in lines[1:])]
    file.write_bytes(b"\xef\xbb\xbf" + "".join(spoilt).encode())
    done = run_stage("response_cases", KEY)
    assert done.exit_code == 1
    assert "rejected" in done.output.strip().splitlines()[-1]
    report = orjson.loads(paths.response_cases(KEY).read_bytes())
    assert sum(of["read"] - of["kept"] for of in report["import"]["formats"].values()) >= 8
    assert report["import"]["examples"]


def test_the_plan_says_what_is_invented_and_refuses_real_users_without_salt(project):
    assert plan_of("response_cases", KEY)["generated"] is True
    write_params(project, raw="elsewhere")
    done = run_stage("response_cases", KEY)
    assert done.exit_code == 1
    assert "responses.weibo.salt_variable" in done.output
    write_params(project, submit="nobody")
    assert "responses.weibo.submit" in run_stage("response_predict", KEY).output

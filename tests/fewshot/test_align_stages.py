"""The stages ``preferences`` and ``align`` on a small generated project with a model of random weights."""

from __future__ import annotations

import orjson
import polars as pl
import pytest

from popcast.core import paths, tables
from popcast.fewshot import draws
from popcast.fewshot.alignment import idpop, preferences
from popcast.fewshot.params import Task
from popcast.lm.trainable import Method, trainable
from tests.generated import make_posts
from tests.lm.tiny_llm import tiny_base
from tests.plans import run_stage

PARAMS = """
base: {seed: 7}
datasets: {toy: {kind: smpd, raw: nowhere}}
splits: {toy: {method: chronological, shares: [0.7, 0.1, 0.2]}}
features: {}
runs: {}
models: {}
blend: {}
evaluation: {}
tasks:
  toy: {dataset: toy, source: toy, track: coldstart, template: smpd, users: 4, newest: 4, extra: 0, shots: [1, 2]}
llms:
  toy:
    scores: [1.0, 16.99]
    base: {made: {}}
    sft: {lora: {shots: [1, 2]}}
    preferences: {shots: [1, 2], set: {lam: 2.0}}
    align: {full: {start: lora, shots: [1, 2]}, dpo: {start: base, shots: [2], set: {loss: dpo}}}
llm:
  prompts: {max_tokens: 200}
  preferences: {delta: 0.5}
  align: {epochs: 1, batch_size: 4, device: cpu}
"""


@pytest.fixture
def project(tmp_path, monkeypatch):
    """Posts, records, an untuned model, and two adapters on it that change nothing yet."""
    monkeypatch.chdir(tmp_path)
    paths.PARAMS.write_text(PARAMS)
    posts = make_posts(600).drop("split", "fold")
    labelled = posts.filter(pl.col("popularity").is_not_null())
    task = Task(
        dataset="toy", source="toy", track="coldstart", template="smpd", users=4, newest=4, extra=0, shots=[1, 2]
    )
    drawn = draws.draw_users(labelled, task, 7, "toy")
    tables.write(posts, paths.posts("toy"), tables.POSTS)
    tables.write(draws.make_records(labelled, drawn, task, 7), paths.records("toy"), tables.RECORDS, "record_id")
    base = tiny_base(paths.base_model("toy"))
    model, _, facts = trainable(base, Method(), "cpu")
    for shots in (1, 2):
        folder = paths.sft("toy", "lora", shots)
        model.save_pretrained(folder)
        tables.write_json(facts, folder / "tuned.json")


def answered(monkeypatch, answers: list[list[str]]) -> list:
    """The model is asked for nothing: it answers this. Returns the list of its calls."""
    calls = []

    def two_answers(folder, prompts, keys, params, seed):
        calls.append((folder.name, len(prompts), keys, params, seed))
        return answers

    monkeypatch.setattr(preferences, "two_answers", two_answers)
    return calls


def run(stage: str):
    return run_stage(stage, "toy")


def test_preferences(project, monkeypatch):
    calls = answered(monkeypatch, [["2.00", "9.99"], ["3.50", "8.00"], ["nothing", "8.00"], ["5.00", "5.00"]])
    done = run("preferences")
    assert done.exit_code == 0, done.stderr
    table = tables.read(paths.preferences("toy"), tables.PAIRS)
    assert table["shots"].to_list() == [1, 1, 2, 2]
    assert table["pair_id"].is_sorted()
    records = tables.read(paths.records("toy"), tables.RECORDS).filter(pl.col("role") == "preference")
    assert set(table["record_id"]) < set(records["record_id"])
    truth = dict(records.select("record_id", "score").iter_rows())
    for pair in table.iter_rows(named=True):
        assert pair["chosen_error"] == pytest.approx(abs(float(pair["chosen"]) - truth[pair["record_id"]]), abs=2e-6)
        assert pair["mu"] == pytest.approx(2.0 / (pair["chosen_weight"] - pair["rejected_weight"] + 0.5), abs=1e-4)
    counts = orjson.loads(paths.preference_counts("toy").read_bytes())["shots_2"]
    assert [counts[name] for name in ("asked", "pairs", "not_a_score", "equal_errors", "empty")] == [4, 2, 1, 1, 0]
    assert [(name, asked, seed) for name, asked, _, _, seed in calls] == [("shots_1", 4, 7), ("shots_2", 4, 7)]
    assert calls[1][2] == records.filter(pl.col("shots") == 2)["record_id"].to_list()


def test_model_without_a_valid_answer_stops_in_one_line(project):
    """Random weights, really asked."""
    done = run("preferences")
    assert done.exit_code == 1
    assert done.stderr.startswith("error: preference pairs of 1 shots: none of 4 prompts has two answers")
    assert done.stderr.count("\n") == 1
    assert not paths.preferences("toy").exists()


def test_killed_align_goes_on_with_the_first_unfinished(project, monkeypatch):
    answered(monkeypatch, [["2.00", "9.99"], ["3.50", "8.00"], ["4.00", "8.00"], ["5.00", "5.50"]])
    assert run("preferences").exit_code == 0
    finished, real = [], idpop.align

    def killed(start, pairs, params, seed, out, **rest):
        if len(finished) == 2:
            raise KeyboardInterrupt
        finished.append((start, pairs.height, params.loss))
        return real(start, pairs, params, seed, out, **rest)

    monkeypatch.setattr(idpop, "align", killed)
    assert run("align").exit_code != 0
    assert not paths.aligned("toy").exists()
    monkeypatch.setattr(
        idpop, "align", lambda start, *rest, **named: finished.append(start) or real(start, *rest, **named)
    )
    done = run("align")
    assert done.exit_code == 0, done.stderr
    assert finished == [
        (paths.sft("toy", "lora", 1), 4, "idpop"),
        (paths.sft("toy", "lora", 2), 4, "idpop"),
        paths.base_model("toy"),
    ]
    for system, shots in (("full", 1), ("full", 2), ("dpo", 2)):
        note = orjson.loads((paths.aligned("toy", system, shots) / "tuned.json").read_bytes())
        assert (note["method"], note["base"], note["pairs"]) == ("lora", "models/base/toy", 4)
    files = {file.name for file in paths.training_curves("align", "toy").iterdir()}
    assert files == {
        "full_1.csv",
        "full_2.csv",
        "dpo_2.csv",
        "loss.csv",
        "loss.png",
        "chosen_logp.csv",
        "chosen_logp.png",
    }
    drawn = pl.read_csv(paths.training_curves("align", "toy") / "chosen_logp.csv")
    assert drawn["system"].to_list() == ["full", "dpo"]
    assert drawn["chosen"].to_list() == [0.0, 0.0]

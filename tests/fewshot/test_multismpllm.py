"""``multismpllm``: what its prompts show, what it is tuned on, how an answer becomes a number, and its stage."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import orjson
import polars as pl
import pytest

from popcast.core import paths, tables
from popcast.core.errors import BadInput
from popcast.fewshot.multismpllm import predictor as multismpllm
from popcast.lm import backbone, decoding, tuning
from popcast.models.contract.finished import Inputs, scratch_of
from popcast.models.contract.predictors import fitted
from popcast.models.params import PlannedRun
from popcast.planning import project_params
from popcast.scoring import evaluation
from tests import popularity
from tests.lm.tiny_llm import tiny_base
from tests.models.test_train import ROWS, table
from tests.plans import maker_of, plan_of, run_stage

NONE = pl.DataFrame()


@pytest.fixture(scope="module")
def base(tmp_path_factory) -> str:
    return str(tiny_base(tmp_path_factory.mktemp("base") / "tiny"))


@pytest.fixture
def asked(monkeypatch) -> list[tuple[list[str], list[str]]]:
    """Tuning replaced by a note of (prompts, answers): what was asked, without the time that learning takes.

    Where a stage lent a scratch folder, it must be passed on: there a killed run would go on.
    """
    notes = []

    def tune(start, prompts, answers, params, seed, out, *, work=None):
        notes.append((prompts, answers))
        if work is not None:
            work.mkdir(parents=True)
        out.mkdir()
        backbone.write_tuned(out, start, params.method)

    monkeypatch.setattr(tuning, "tune", tune)
    return notes


def posts(*rows: tuple[str | None, int | None]) -> pl.DataFrame:
    """Posts of (author, day); post i has the title ``title<i>`` and the id ``id<i>``."""
    start = datetime(2024, 1, 1, tzinfo=UTC)
    return pl.DataFrame(
        {
            "post_id": [f"id{i}" for i in range(len(rows))],
            "user_id": [user for user, _ in rows],
            "posted_at": [None if day is None else start + timedelta(days=day) for _, day in rows],
            "title": [f"title{i}" for i in range(len(rows))],
        },
        schema_overrides={"user_id": pl.String, "posted_at": pl.Datetime("us", "UTC")},
    )


def made(base: str, **values: object) -> multismpllm.Predictor:
    return multismpllm.Predictor(multismpllm.Params(base=base, template="table", **values), 3)


def questions(model: multismpllm.Predictor, of: pl.DataFrame) -> list[str]:
    return model._prompts(of, NONE, backbone.load_tokenizer(Path(model.params.base)))[0]


def shown(prompt: str) -> list[tuple[str, str]]:
    """(title, score) of the scored posts in a prompt."""
    lines = prompt.splitlines()
    titles = [line.split('"')[1] for line in lines if line.startswith("Post ") and "title" in line]
    scores = [line.rsplit(" ", 1)[1] for line in lines if line.startswith("Post ") and "has popularity " in line]
    return list(zip(titles[:-1], scores, strict=True))  # the last title is that of the post asked about


def test_a_prompt_shows_the_newest_older_posts_of_the_author_and_nothing_else(base, asked):
    learned = posts(("ann", 1), ("bob", 2), ("ann", 3), ("ann", 4), ("ann", 9), ("ann", None), (None, 1))
    target = np.array([1.25, 2.5, 3.5, 4.75, 9.5, 6.0, 7.0])
    model = made(base, shots=2).fit(learned, NONE, target, None)
    prompts = questions(model, posts(("ann", 9), ("ann", 4), ("ann", 0), ("cyd", 9), (None, 9), ("ann", None)))
    assert [shown(prompt) for prompt in prompts] == [
        [("title2", "3.50"), ("title3", "4.75")],  # not the post of the same moment, nor the one without a time
        [("title0", "1.25"), ("title2", "3.50")],
        [],
        [],
        [],
        [],
    ]
    assert all("title0" in prompts[0].splitlines()[-2] for _ in prompts)
    assert not any(name in prompt for prompt in prompts for name in ("ann", "bob", "cyd", "id0", "2024"))


def test_it_is_tuned_on_older_labels_only_and_on_posts_without_history(base, asked):
    learned = posts(("ann", 1), ("ann", 1), ("ann", 2), ("ann", 3), ("bob", 3))
    target = np.array([0.2, 18.0, 3.5, 4.75, 5.0])
    made(base, shots=2).fit(learned, NONE, target, None)
    (prompts, answers) = asked[0]
    assert answers == ["1.00", "16.99", "3.50", "4.75", "5.00"], "a score out of range is asked for as the nearest"
    assert [shown(prompt) for prompt in prompts] == [
        [],
        [],
        [("title0", "0.20"), ("title1", "18.00")],
        [("title1", "18.00"), ("title2", "3.50")],
        [],
    ]


def test_the_posts_tuned_on_are_drawn_from_the_newer_ones_whatever_their_order(base, asked):
    learned = posts(*((f"u{i % 5}", i) for i in range(100)))
    target, shuffled = np.linspace(1, 9, 100), np.random.default_rng(0).permutation(100)
    made(base, max_train=10).fit(learned, NONE, target, None)
    made(base, max_train=10).fit(learned[shuffled], NONE, target[shuffled], None)
    made(base, max_train=None).fit(learned, NONE, target, None)
    numbers = [
        [int(prompt.rsplit("title", 1)[1].split('"')[0][0:2]) for prompt, _ in zip(*note, strict=True)]
        for note in asked
    ]
    assert asked[0] == asked[1]
    assert len(numbers[0]) == 10
    assert min(numbers[0]) >= 100 - multismpllm.TAIL * 10
    assert numbers[2] == list(range(100))


def test_a_long_tuning_works_in_the_scratch_of_the_fit(base, asked, tmp_path):
    model = fitted(made(base), tmp_path / "work", posts(("ann", 1)), NONE, np.array([3.0]), None)
    assert not (tmp_path / "work").exists(), "a finished fit leaves no scratch"
    model.scratch = tmp_path / "work"
    model.fit(posts(("ann", 1)), NONE, np.array([3.0]), None)
    assert (tmp_path / "work/tuning").is_dir()
    assert model.tuned.is_dir()
    assert not model.tuned.is_relative_to(tmp_path / "work"), "what was tuned outlives the scratch"


@pytest.mark.parametrize(("loss", "expected"), [("mae", 4.0), ("mape", 4.0), ("rmse", 5.0), ("huber", 5.0)])
def test_the_loss_decides_which_number_of_the_answer_counts(base, asked, monkeypatch, loss, expected):
    found = SimpleNamespace(mean=np.array([5.0, 5.0]), median=np.array([4.0, 4.0]))
    monkeypatch.setattr(decoding, "expected", lambda *_: found)
    monkeypatch.setattr(backbone, "load", lambda folder, **_: (None, backbone.load_tokenizer(folder)))
    model = made(base, loss=loss).fit(posts(("ann", 1), ("ann", 2)), NONE, np.array([3.0, 4.0]), None)
    assert model.predict(posts(("ann", 3), ("bob", 3)), NONE).tolist() == [expected, expected]


def test_an_answer_that_is_no_score_counts_as_the_mean_of_the_history(base, asked, monkeypatch):
    monkeypatch.setattr(decoding, "greedy", lambda model, tokenizer, prompts, _: ["7.52", "about 7", "99.00"])
    monkeypatch.setattr(backbone, "load", lambda folder, **_: (None, backbone.load_tokenizer(folder)))
    learned = posts(("ann", 1), ("ann", 2), ("bob", 1), ("cyd", 1))
    model = made(base, answer="greedy").fit(learned, NONE, np.array([3.0, 4.0, 8.0, 9.0]), None)
    assert model.predict(posts(("ann", 3), ("ann", 4), ("dan", 3)), NONE).tolist() == [7.52, 3.5, 6.0]


def test_a_saved_predictor_needs_its_base_model(base, asked, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("models").symlink_to(Path(base).parent)
    model = made("models/tiny").fit(posts(("ann", 1), ("ann", 2)), NONE, np.array([3.0, 4.0]), None)
    assert model.facts() == {"stand_in": True}
    note = orjson.loads((Path(base) / "base.json").read_bytes())
    tables.write_json(note | {"stand_in": False, "weights": "4-bit weights"}, Path("models/tiny/base.json"))
    assert model.facts() == {"stand_in": False, "weights": "4-bit weights"}
    tables.write_json(note, Path("models/tiny/base.json"))
    model.save(tmp_path / "saved")
    multismpllm.Predictor.load(tmp_path / "saved")
    Path("models").unlink()
    with pytest.raises(BadInput, match="base model is gone"):
        multismpllm.Predictor.load(tmp_path / "saved")
    with pytest.raises(BadInput, match=r"base\.json: no such file"):
        made("models/tiny").fit(posts(("ann", 1)), NONE, np.array([3.0]), None)


def test_out_of_fold_predictions_of_posts_that_the_base_model_learned_are_refused(base, tmp_path):
    folds = posts(*((None, i) for i in range(8))).with_columns(fold=pl.Series([0, 0, 1, 1, 2, 2, 3, 3]))
    for day, first, allowed in ((6, 3, True), (6, 2, False), (6, 0, False), (2, 0, True), (None, 0, True)):
        until = None if day is None else folds["posted_at"][day].isoformat()
        backbone.write_base(tmp_path, kind="made", stand_in=True, scores=[1.0, 16.99], learned_before=until)
        if allowed:
            multismpllm.check_unseen(tmp_path, folds, first, "llm_runs.toy-lm")
            continue
        with pytest.raises(BadInput, match=rf"toy-lm\.cross_fit_from.*learned labels until 2024-01-07.*got {first}"):
            multismpllm.check_unseen(tmp_path, folds, first, "llm_runs.toy-lm")


def test_it_learns_what_a_word_is_worth(base):
    """Two words, two scores: after a few steps the words decide, in expected and in greedy answers."""
    learned = posts(*((None, i) for i in range(40))).with_columns(title=pl.Series(["red sky", "small dog"] * 20))
    target = np.tile([3.0, 9.0], 20)
    tuned = {"method": "full", "learning_rate": 0.01, "epochs": 8, "batch_size": 8}
    model = made(base, tuning=tuned, prompts={"instruction": ""}).fit(learned, NONE, target, None)
    assert model.predict(learned[:2], NONE) == pytest.approx([3.0, 9.0], abs=0.5)
    greedy = multismpllm.Predictor(model.params.model_copy(update={"answer": "greedy"}), 3)
    greedy.memory, greedy.center, greedy.tuned = model.memory, 0.0, model.tuned
    assert greedy.predict(learned[:2], NONE).tolist() == [3.0, 9.0]


PARAMS = """
base: {seed: 7}
datasets: {toy: {kind: microlens, raw: nowhere}}
splits: {toy: {method: chronological, shares: [0.7, 0.1, 0.2]}}
features: {allow_posthoc: false}
blocks: {toy-metadata: {dataset: toy, block: metadata}}
runs: {}
models:
  multismpllm:
    template: table
    shots: 1
    max_train: 16
    exact: false
    prompts: {instruction: ""}
    tuning: {epochs: 1, batch_size: 8}
tasks: {toy: {dataset: toy, source: toy, track: coldstart, template: table}}
llms: {toy: {scores: [1.0, 16.99], base: {made: {}}, sft: {lora: {}}}}
llm_runs:
  toy-lm:
    dataset: toy
    name: lm
    model: multismpllm
    base: toy
    features: toy/metadata.parquet
    blocks: []
    cross_fit_from: 3
blend: {}
evaluation: {}
"""


@pytest.fixture
def project(tmp_path, monkeypatch, base):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("POPCAST_THREADS", "1")
    frame, _ = table()
    paths.PARAMS.write_text(
        PARAMS.replace("features: {allow_posthoc: false}", "features: {allow_posthoc: false, metadata: {}}")
    )
    columns = {name: pl.lit(None, dtype=dtype).alias(name) for name, dtype in tables.POSTS_COLUMNS.items()}
    full = frame.drop("split", "fold").with_columns(c for name, c in columns.items() if name not in frame.columns)
    tables.write(full, paths.posts("toy"), tables.POSTS)
    tables.write(frame.select("post_id", "split", "fold"), paths.splits("toy"), tables.SPLIT_TABLE)
    tiny_base(paths.base_model("toy"))
    return tmp_path


def run():
    return run_stage("train_llm", "toy-lm")


def test_the_stage_predicts_the_last_fold_and_everything_after_it(project):
    result = run()
    assert result.exit_code == 0, result.output
    found = tables.read(paths.predictions("toy", "lm"), tables.PREDICTIONS)
    assert found["fold"].unique().to_list() == [None, 3]
    assert found.height == ROWS - 105
    assert found["prediction"].is_between(1.0, 16.99).all()
    folder = paths.model("toy", "lm")
    assert sorted(f.name for f in folder.iterdir()) == ["evaluation", "facts.json", "final", "importances.json"]
    assert evaluation.facts_beside(folder) == {"stand_in": True}
    assert evaluation.facts_beside(folder / "evaluation") == {}
    assert orjson.loads((folder / "final/tuned/tuned.json").read_bytes())["base"] == "models/base/toy"
    assert not list(folder.rglob("*.pt")) + list(folder.rglob("*.bin")) + list(folder.rglob("*.pkl"))
    assert not list(paths.SCRATCH.glob("*")), "a finished stage leaves no scratch"


def test_a_stand_in_is_flagged_in_its_row_and_in_the_blend(tmp_path, monkeypatch):
    """A run in llm_runs is blended and scored like the others, and its facts reach the metrics."""
    monkeypatch.chdir(tmp_path)
    popularity.project(tmp_path, popularity.posts())
    kept = [line for line in paths.PARAMS.read_text().splitlines(True) if "tiny-fair" not in line]
    sections = PARAMS[PARAMS.index("tasks:") : PARAMS.index("blend:")].replace("toy", "tiny")
    paths.PARAMS.write_text("".join(kept) + sections.replace("tiny-lm", "tiny-fair").replace("name: lm", "name: fair"))
    paths.PARAMS.write_text(paths.PARAMS.read_text().replace("model: multismpllm", "model: m"))
    said = {"stand_in": True, "weights": "4-bit weights"}
    tables.write_json(said, paths.model("tiny", "fair") / "facts.json")
    for stage in ("blend", "evaluate"):
        result = run_stage(stage, "tiny")
        assert result.exit_code == 0, result.output
    metrics = {f.stem: orjson.loads(f.read_bytes()) for f in paths.metrics("tiny").iterdir()}
    flags = {name: of["flags.stand_in"] for name, of in metrics.items()}
    assert flags == {"blend": True, "fair": True, "good": False, "median": False, "posthoc": False}
    weights = {name: of["flags.weights"] for name, of in metrics.items() if "flags.weights" in of}
    assert weights == {"blend": "4-bit weights", "fair": "4-bit weights"}


def test_the_run_gets_the_folder_of_its_base_and_scratch_knows_its_weights(project):
    whole = project_params.load()
    lm, section = whole.llm_runs["toy-lm"], whole.models["multismpllm"]
    assert maker_of(lm, section, "mae", 1)().params.base == "models/base/toy"
    planned, inputs = plan_of("train_llm", "toy-lm"), Inputs("toy")
    [run] = planned.sections("runs", PlannedRun).values()
    before = scratch_of(planned, run, inputs).folder
    assert before == scratch_of(planned, run, inputs).folder
    (paths.base_model("toy") / "base.json").write_text("{}")
    assert before != scratch_of(planned, run, inputs).folder


def test_double_precision_and_half_of_it_are_not_asked_for_together():
    half = {"base": "b", "decoding": {"dtype": "bfloat16"}}
    assert multismpllm.Params(**half, exact=False).decoding.dtype == "bfloat16"
    with pytest.raises(ValueError, match=r"decoding\.dtype: bfloat16 is not double precision"):
        multismpllm.Params(**half)

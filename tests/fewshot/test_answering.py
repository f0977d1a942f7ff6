"""The stage that predicts: which systems answer what, what an invalid answer is, and going on after a kill."""

import shutil
from datetime import UTC, datetime, timedelta

import orjson
import polars as pl
import pytest

from popcast.core import paths, tables
from popcast.core.errors import BadInput
from popcast.core.plan_file import Plan
from popcast.fewshot import answering, score_prompts
from popcast.fewshot.params import Llm, Task
from popcast.lm import backbone, decoding
from tests.lm.tiny_llm import SCORES, tiny_base
from tests.plans import write_plan

TASK = Task(dataset="smpd", source="smpd", track="coldstart", template="smpd", users=3, extra=1, shots=[1, 2])
LLM = Llm(
    scores=SCORES,
    base={},
    sft={"full": {"shots": [2]}, "lora": {"shots": [1, 2, 3]}},
    align={"aligned": {"start": "full", "shots": [2]}},
    preferences={"start": "full", "shots": [2]},
)
SETTINGS = decoding.Params(batch_size=4, samples=3)
USERS = 6


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A folder with posts, records and models: the base, and copies of it in the place of the tuned ones."""
    monkeypatch.chdir(tmp_path)
    rows, records = [], []
    for user in range(USERS):
        for post in range(5):
            rows.append({"post_id": f"{user}-{post}", "user_id": f"u{user}", "popularity": 2.0 + user + post / 4})
        draw = "fewshot" if user < 3 else "extra1"
        for shots in (1, 2):
            shown = [f"{user}-{post}" for post in range(shots + 1)]
            record = {"draw": draw, "role": "test", "shots": shots, "user_id": f"u{user}", "history": shown}
            records.append({"record_id": f"{draw}-test-{shots}-{user}", "target": f"{user}-4", "score": 3.0} | record)
            records.append(records[-1] | {"record_id": f"{draw}-train-{shots}-{user}", "role": "train"})
    schema = tables.POSTS_COLUMNS
    when = [datetime(2016, 1, 1, tzinfo=UTC) + timedelta(days=i) for i in range(len(rows))]
    posts = pl.DataFrame(rows).with_columns(posted_at=pl.Series(when), title=pl.format("red {}", "post_id"))
    missing = {name: pl.lit(None, dtype) for name, dtype in schema.items() if name not in posts.columns}
    posts = posts.with_columns(**missing).select(pl.col(name).cast(dtype) for name, dtype in schema.items())
    tables.write(posts, paths.posts("smpd"), tables.POSTS)
    order = list(tables.RECORDS.columns)
    table = pl.DataFrame(records).select(order).with_columns(pl.col("shots").cast(pl.Int8))
    tables.write(table, paths.records("smpd"), tables.RECORDS, "record_id")
    base = tiny_base(paths.base_model("smpd"))
    tuned = [paths.sft("smpd", name, shots) for name, shots in (("full", 2), ("lora", 1), ("lora", 2))]
    for folder in [*tuned, paths.aligned("smpd", "aligned", 2)]:
        shutil.copytree(base, folder)
    return tmp_path


def predict(said: list[str], settings: decoding.Params = SETTINGS, say=None) -> pl.DataFrame:
    return answering.predict(planned(TASK, settings), say or said.append)


def planned(task: Task, settings: decoding.Params) -> Plan:
    """What the stage is told."""
    asked = answering.checkpoints(LLM, "smpd", TASK.shots)
    content = {
        "seed": 42,
        "task": task.model_dump(mode="json"),
        "scores": LLM.scores,
        "prompts": score_prompts.Params().model_dump(mode="json"),
        "decoding": settings.model_dump(mode="json"),
        "asked": [{"system": one.system, "shots": one.shots, "folder": one.folder.as_posix()} for one in asked],
    }
    return write_plan("llm_predict", "smpd", content)


def test_every_system_with_the_shots_of_the_task_is_asked():
    asked = answering.checkpoints(LLM, "smpd", TASK.shots)
    found = [(checkpoint.system, checkpoint.shots) for checkpoint in asked]
    assert found == [("base", 1), ("base", 2), ("full", 2), ("lora", 1), ("lora", 2), ("aligned", 2)]
    assert asked[-1].folder == paths.aligned("smpd", "aligned", 2)


def test_answers_of_all_systems_to_the_test_records(project):
    said = []
    answers = predict(said)
    tables.check(answers, tables.ANSWERS, "answers")
    assert answers.height == (6 * USERS) * 3
    assert answers.unique(["system", "decoding", "record_id"]).height == answers.height
    assert not answers["record_id"].str.contains("train").any()
    shots = answers["record_id"].str.split("-").list.get(2)
    assert set(shots.filter(answers["system"] == "full")) == {"2"}
    greedy = answers.filter(pl.col("decoding") == "greedy")
    for text, prediction in greedy.select("answer", "prediction").iter_rows():
        assert decoding.parse(text, *SCORES) == prediction
    assert (
        answers.filter(pl.col("prediction").is_not_null() & pl.col("decoding").is_in(["greedy", "samples"]))
        .select(pl.col("lenient").is_not_null().all())
        .item()
    )
    assert answers.filter(decoding="expected")["lenient"].null_count() == 6 * USERS
    drawn = answers.filter(pl.col("decoding") == "samples")
    assert {len(orjson.loads(text)) for text in drawn["answer"]} == {3}
    expected = answers.filter(pl.col("decoding") == "expected")
    assert expected.select("prediction", "median", "lower", "upper").null_count().sum_horizontal().item() == 0
    assert expected["answer"].null_count() == expected.height
    assert (expected["lower"] <= expected["upper"]).all()
    assert len(said) == 6
    assert said[0].startswith("smpd: base, 1 shots: greedy 0.0 % valid (0 of 6), samples ")
    # the tuned folders hold the same weights as the base
    same = [greedy.filter(pl.col("system") == name).sort("record_id")["answer"].to_list() for name in ("base", "lora")]
    assert same[0] == same[1]
    assert not list(paths.SCRATCH.iterdir())


def test_the_median_can_stand_for_what_is_expected(project):
    means, medians = (
        predict([], decoding.Params(batch_size=4, decodings=["greedy", "expected"], point=point)).filter(
            decoding="expected"
        )
        for point in ("mean", "median")
    )
    assert means["median"].equals(medians["median"])
    assert medians["prediction"].equals(medians["median"])
    assert (means["prediction"] != means["median"]).all()


def test_prompts_are_read_once_for_both_decodings(project, monkeypatch):
    """The same as one after the other, to the last digits that a table of answers has."""
    both = predict([], decoding.Params(batch_size=4, decodings=["greedy", "expected"]))
    monkeypatch.delattr(decoding, "greedy_and_expected")
    for name in ("greedy", "expected"):
        alone = predict([], decoding.Params(batch_size=4, decodings=[name])).sort("system", "record_id")
        own = both.filter(decoding=name).sort("system", "record_id")
        assert own["answer"].equals(alone["answer"], null_equal=True)
        difference = (own["prediction"] - alone["prediction"]).abs().fill_null(0.0)
        assert difference.max() < 1e-5


def test_an_invalid_answer_has_no_prediction(project):
    for invalid in ("exclude", "history_mean"):  # the scorer lets means stand in
        settings = decoding.Params(decodings=["greedy"], max_new_tokens=2, invalid=invalid)
        answers = predict([], settings)  # two tokens are never a score
        assert answers["prediction"].null_count() == answers.height
        assert answers["answer"].str.len_chars().min() > 0


def test_a_number_without_two_decimals_is_a_lenient_answer(project, monkeypatch):
    """Both readings are kept: the strict one as before, the lenient one beside it."""
    texts = ["7.52", "7.5", " 7", "about 7", "99.9", "2.50\n"]
    monkeypatch.setattr(decoding, "greedy", lambda model, tokenizer, prompts, settings: texts)
    monkeypatch.setattr(decoding, "sample", lambda *_: [["7.5", "6.50"], ["7", "8"], ["x", "y"], *[["3.00"]] * 3])
    said = []
    answers = predict(said, decoding.Params(decodings=["greedy", "samples"]))
    base = answers.filter((pl.col("system") == "base") & pl.col("record_id").str.contains("test-1"))
    greedy = base.filter(decoding="greedy").sort("record_id")
    assert sorted(greedy["answer"]) == sorted(texts)
    found = {text: (strict, lenient) for text, strict, lenient in greedy["answer", "prediction", "lenient"].iter_rows()}
    assert found == {
        "7.52": (7.52, 7.52),
        "7.5": (None, 7.5),
        " 7": (None, 7.0),
        "about 7": (None, None),
        "99.9": (None, None),
        "2.50\n": (2.5, 2.5),
    }
    drawn = base.filter(decoding="samples")
    means = {text: (strict, lenient) for text, strict, lenient in drawn["answer", "prediction", "lenient"].iter_rows()}
    assert means == {
        '["7.5","6.50"]': (6.5, 7.0),
        '["7","8"]': (None, 7.5),
        '["x","y"]': (None, None),
        '["3.00"]': (3.0, 3.0),
    }
    assert "greedy 33.3 % valid (2 of 6; 4 read leniently)" in said[0]


def test_a_killed_stage_goes_on_with_the_next_system(project, monkeypatch):
    whole, loaded, load = predict([]), [], backbone.load

    def counted(folder, **options):
        loaded.append(folder)
        return load(folder, **options)

    monkeypatch.setattr(backbone, "load", counted)

    def killed(line: str) -> None:
        if "full" in line:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        predict([], say=killed)
    assert loaded == [paths.base_model("smpd"), paths.sft("smpd", "full", 2)]  # the base once for both numbers of shots
    assert predict([]).equals(whole)
    rest = [paths.sft("smpd", "lora", 1), paths.sft("smpd", "lora", 2), paths.aligned("smpd", "aligned", 2)]
    assert loaded[2:] == rest


def test_missing_models_and_records_are_one_line(project):
    with pytest.raises(BadInput, match="no test record with 3 shots"):
        answering.predict(planned(TASK.model_copy(update={"shots": [1, 3]}), SETTINGS), print)
    shutil.rmtree(paths.sft("smpd", "full", 2))
    with pytest.raises(BadInput, match="models/sft/smpd/full/shots_2: no such model folder"):
        predict([])

"""Rivals of a task: another model in a folder and one behind a chat server answer the same questions, untuned."""

import polars as pl
import pytest
from pydantic import ValidationError

from popcast.core import tables
from popcast.core.errors import BadInput
from popcast.core.params import parse
from popcast.fewshot import answering, served_answers
from popcast.fewshot.params import FeatureRow, Llm, Rival, Task, check_tasks
from popcast.fewshot.score_prompts import Params as Prompts
from popcast.fewshot.track_scores import systems_of
from popcast.lm import decoding
from tests.chat.servers import ChatServer, completion
from tests.fewshot.test_answering import LLM, TASK, USERS, planned, project
from tests.lm.tiny_llm import SCORES, tiny_base

__all__ = ["project"]

SETTINGS = decoding.Params(batch_size=4, decodings=["greedy", "expected"])


def asked_of(rivals: dict, said: list[str]) -> pl.DataFrame:
    task = Task(**TASK.model_dump() | {"rivals": rivals})
    answers = answering.predict(planned(task, SETTINGS), said.append)
    tables.check(answers, tables.ANSWERS, "answers")
    return answers


def test_a_model_in_a_folder_answers_every_question_by_every_decoding(project):
    tiny_base(project / "other", hidden=16, intermediate=32)
    said = []
    answers = asked_of({"other": {"model": str(project / "other"), "dtype": "float32"}}, said)
    own = answers.filter(system="other")
    assert own.height == 2 * 2 * USERS
    assert set(own["record_id"]) == set(answers.filter(system="base")["record_id"])
    believed = [
        answers.filter(system=name, decoding="expected").sort("record_id")["prediction"].to_list()
        for name in ("other", "base")
    ]
    assert believed[0] != believed[1]
    assert [line.split(":")[1] for line in said[-2:]] == [" other, 1 shots", " other, 2 shots"]


def test_a_server_is_asked_in_plain_words_at_temperature_zero(project):
    with ChatServer(lambda call: completion("7.52" if call.number % 2 else "about 7")) as server:
        rival = {"server": {"url": server.url, "model": "gpt", "concurrency": 1, "cache": False}}
        said = []
        answers = asked_of({"gpt": rival}, said)
        calls = list(server.calls)
    own = answers.filter(system="gpt")
    assert set(own["decoding"]) == {"greedy"}
    assert own.height == len(calls) == 2 * USERS
    assert {call.body["temperature"] for call in calls} == {0.0}
    assert {call.body["max_tokens"] for call in calls} == {SETTINGS.max_new_tokens}
    assert all(call.prompt.endswith("has popularity?\n") and "<|" not in call.prompt for call in calls)
    assert own["prediction"].drop_nulls().to_list() == [7.52] * USERS
    assert said[-1].endswith("greedy 50.0 % valid (3 of 6)")


def test_a_server_that_is_gone_is_one_line(project):
    rival = {"server": {"url": "http://127.0.0.1:9/v1", "model": "gpt", "retries": 0, "cache": False}}
    with pytest.raises(BadInput, match=r"model server http://127\.0\.0\.1:9/v1"):
        asked_of({"gpt": rival}, [])


def test_what_was_answered_is_not_asked_again(project, monkeypatch):
    asked = []

    def answers(server, where, prompts, tokens, seed):
        asked.append(where)
        return ["3.00"] * len(prompts)

    monkeypatch.setattr(served_answers, "answers", answers)
    rival = {"server": {"url": "http://127.0.0.1:9/v1", "model": "gpt"}}
    task = Task(**TASK.model_dump() | {"rivals": {"gpt": rival}})

    def stopped(line: str) -> None:
        if "gpt, 2" in line:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        answering.predict(planned(task, SETTINGS), stopped)
    assert asked == ["tasks.smpd.rivals.gpt.server"] * 2
    found = answering.predict(planned(task, SETTINGS), [].append)
    assert len(asked) == 2
    assert found.filter(system="gpt").height == 2 * USERS


def test_no_post_is_left_out_for_a_server():
    writer = served_answers.writer_for(Prompts(max_tokens=32, chat="on"), "smpd")
    assert (writer.tokenizer, writer.chat) == (None, False)


@pytest.mark.parametrize("given", [{}, {"model": "a/b", "server": {"url": "http://localhost/v1", "model": "x"}}])
def test_a_rival_is_a_model_or_a_server(given):
    with pytest.raises(ValidationError, match="exactly one of 'model' and 'server'"):
        Rival(**given)


@pytest.mark.parametrize("name", ["base", "lora", "aligned", "median"])
def test_the_name_of_a_rival_is_its_own(name):
    task = Task(**TASK.model_dump() | {"rivals": {name: {"model": "a/b"}}})
    with pytest.raises(ValueError, match=rf"tasks.smpd.rivals: the name '{name}' is taken"):
        check_tasks({"smpd": task}, {"smpd": LLM}, {"smpd"}, {"median": FeatureRow(model="median")})


def test_tables_say_what_a_rival_is():
    task = parse(Task, TASK.model_dump() | {"rivals": {"gpt": {"model": "a/b"}}}, "tasks.smpd")
    found = systems_of(task, Llm(scores=SCORES, base={}, sft={"lora": {}}), {}, {})
    assert found["gpt"] == {"kind": "rival", "what": "a/b, in context", "ablation": True}

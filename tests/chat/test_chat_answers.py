"""Servers that refuse, answer nonsense or send the key back: one plain line, and the key nowhere."""

from __future__ import annotations

import json
import logging
import traceback

import pytest
from pydantic import SecretStr

from popcast.chat import chat_answers
from popcast.chat.response import Response
from popcast.core.errors import BadInput
from tests.chat.asking import one_line, questions
from tests.chat.servers import Call, ChatServer, Reply, completion

KEY = "sk-Loop/back+12345"


# refusals and nonsense


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (400, b'{"error": {"message": "bad\\nrequest"}}', "it answers 400 (bad request)"),
        (401, b'{"error": "who are you"}', "it answers 401 (who are you); does it want a key (key_variable)?"),
        (403, b"<html>no</html>", "it answers 403 (a page of HTML or XML); does it want a key"),
        (404, b'{"detail": "model unknown"}', "it answers 404 (model unknown); is the name of the model right"),
        (422, b'{"detail": [{"loc": ["body", "seed"]}]}', 'it answers 422 ([{"loc": ["body", "seed"]}])'),
        (302, b"", "it answers 302 (nothing); redirects are not followed"),
    ],
)
def test_a_refusal_stops_at_once(ask, status, body, said):
    with ChatServer(lambda call: Reply(body, status, {"Location": "/elsewhere"})) as server:
        with pytest.raises(BadInput) as error:
            ask(server.url, concurrency=1).ask(questions(5))
        assert len(server.calls) == 1
    assert said in one_line(error)
    assert "tries" not in one_line(error)


NONSENSE = {
    "html": (b"<!DOCTYPE html><html>hello</html>", "this is no chat API: a page of HTML"),
    "not json": (b"hello \x00\xff there", "this is no chat API: hello ?"),
    "nothing": (b"", "this is no chat API: nothing"),
    "deep": (b"[" * 200_000, "this is no chat API: [[["),
    "a list": (b"[1]", "no choices[0].message in the answer: [1]"),
    "no choices": (b'{"object": "chat.completion"}', "no choices[0].message"),
    "empty choices": (b'{"choices": []}', "no choices[0].message"),
    "no message": (b'{"choices": [{"text": "Score: 3"}]}', "no choices[0].message"),
    "a number": (b'{"choices": [{"message": {"content": 7}}]}', "the content of the answer is no text"),
    "an error": (b'{"error": {"message": "overloaded"}}', "an error instead of an answer: overloaded"),
    "much": (b"x" * 3_000_000, "xxx..."),
}


@pytest.mark.parametrize("name", NONSENSE)
def test_nonsense_instead_of_the_protocol_is_one_line(ask, name):
    body, said = NONSENSE[name]
    with (
        ChatServer(lambda call: Reply(body, headers={"Content-Type": "text/plain"})) as server,
        pytest.raises(BadInput) as error,
    ):
        ask(server.url, concurrency=1).ask(questions(2))
    assert said in one_line(error)
    assert len(one_line(error)) < 500


@pytest.mark.parametrize("text", [None, "", "no grammar at all", "\ud800 \x00 odd", "Action: fly()\nScore: 85"])
def test_nonsense_in_the_text_is_an_answer(ask, text):
    odd = {"prompt_tokens": -1, "completion_tokens": "12"}
    with ChatServer(lambda call: completion(text, odd)) as server:
        first = ask(server.url).ask(questions(2))
        assert ask(server.url).ask(questions(2)) == first
        assert len(server.calls) == 2
    expected = "" if text is None else text.replace("\ud800", "?")
    assert first == [Response(expected, None, None)] * 2


# the key


def everything_in(folder) -> bytes:
    return b"".join(path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file())


@pytest.mark.parametrize("status", [200, 400, 401, 500])
def test_the_key_reaches_the_server_and_nothing_else(ask, tmp_path, monkeypatch, caplog, capfd, status):
    monkeypatch.setenv("LOOP_KEY", KEY)
    monkeypatch.setenv("OPENAI_LOG", "debug")
    caplog.set_level(logging.DEBUG)

    def echo(call: Call) -> Reply:
        told = {"X-Told": call.headers["authorization"]}
        said = f"{json.dumps(call.headers)} {call.headers['authorization']} {chat_answers.quote(KEY, safe='')}"
        if status == 200:
            return Reply(completion(f"{said}\nAction: like()\nScore: 4").body, 200, told)
        return Reply(json.dumps({"error": {"message": said}}).encode(), status, told)

    with ChatServer(echo) as server:
        asking = ask(server.url, key_variable="LOOP_KEY", retries=1, concurrency=1)
        shown = [repr(asking), str(asking), repr(vars(asking)), repr(asking.counts)]
        if status == 200:
            shown += [repr(asking.ask(questions(2)))]
            assert "Bearer ***" in shown[-1]
        else:
            with pytest.raises(BadInput) as error:
                asking.ask(questions(2))
            shown += [one_line(error), *traceback.format_exception(error.value)]
            cause: BaseException | None = error.value
            while cause is not None:
                shown += [repr(cause), repr(vars(cause)), repr(cause.args)]
                cause = cause.__cause__ or cause.__context__
                assert cause is None or isinstance(cause, BadInput)
            assert "***" in one_line(error)
        assert {call.headers["authorization"] for call in server.calls} == {f"Bearer {KEY}"}
    asking.close()
    printed = capfd.readouterr()
    everywhere = "\n".join([*shown, caplog.text, printed.out, printed.err]) + everything_in(tmp_path).decode("latin-1")
    for form in (KEY, KEY.lower(), chat_answers.quote(KEY, safe=""), KEY[3:]):
        assert form not in everywhere


def test_a_placeholder_for_a_key_may_stand_in_answers(monkeypatch):
    key = SecretStr("EMPTY")
    assert chat_answers.without("an EMPTY room, Bearer EMPTY", key, placeholders=True) == "an EMPTY room, Bearer ***"
    assert chat_answers.without("an EMPTY room", key) == "an *** room"
    assert chat_answers.without("no key", SecretStr("")) == "no key"


@pytest.mark.parametrize("value", [None, "", "  ", "two words", "schlüssel-1234", "new\nline"])
def test_a_key_that_is_none_is_named_by_its_variable_only(ask, monkeypatch, value):
    monkeypatch.delenv("LOOP_KEY", raising=False)
    if value is not None:
        monkeypatch.setenv("LOOP_KEY", value)
    with pytest.raises(BadInput, match="environment variable LOOP_KEY") as error:
        ask("http://127.0.0.1:1/v1", key_variable="LOOP_KEY")
    assert value is None or not value.strip() or value not in one_line(error)


def test_nothing_of_the_environment_is_sent_that_params_do_not_name(ask, monkeypatch):
    for name in ("OPENAI_API_KEY", "OPENAI_ADMIN_KEY", "OPENAI_ORG_ID", "OPENAI_PROJECT_ID", "OPENAI_BASE_URL"):
        monkeypatch.setenv(name, "http://elsewhere-of-mine")
    with ChatServer() as server:
        ask(server.url).ask(questions(1))
    assert "elsewhere-of-mine" not in json.dumps(server.calls[0].headers)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_a_proxy_does_not_stand_between_us_and_this_machine(ask, monkeypatch, host):
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
        monkeypatch.setenv(name.lower(), "http://127.0.0.1:1")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    with ChatServer() as server:
        assert len(ask(server.url.replace("127.0.0.1", host), retries=0).ask(questions(2))) == 2


@pytest.mark.parametrize(
    "url",
    [
        "http://me:hush-hush@localhost:8000/v1",
        "http://me@localhost/v1",
        "http://localhost:8000/v1?key=hush-hush",
        "http://localhost/v1#hush-hush",
        "http://localhost:port/v1",
        "http://",
        "http://a b/v1",
        "http://[::1/v1",
    ],
)
def test_an_address_that_is_none_or_holds_secrets(ask, url):
    with pytest.raises(BadInput, match=r"portraits\.server\.url") as error:
        ask(url)
    assert "hush-hush" not in one_line(error)


def test_hosts():
    assert chat_answers.host("http://localhost:8000/v1", "portraits.server") == ("localhost:8000", True)
    assert chat_answers.host("https://api.example.org/v1", "portraits.server") == ("api.example.org", False)
    assert chat_answers.host("http://[::1]:80/v1", "portraits.server") == ("[::1]:80", True)
    assert chat_answers.host("http://10.0.0.7:80/v1", "portraits.server") == ("10.0.0.7:80", False)

"""The policy that asks a chat server, against real servers on the loopback interface that come and go."""

from __future__ import annotations

import asyncio
import random
import signal
import threading
import time
from collections import Counter
from dataclasses import replace
from email.utils import formatdate

import pytest

from popcast.chat.answer_cache import FILE
from popcast.chat.response import Response
from popcast.core.errors import BadInput
from popcast.simulation import params
from popcast.simulation.policies import persona_prompts, policy, policy_server, reactions
from popcast.simulation.running import runner, workload
from tests.lm.tiny_llm import tiny_base
from tests.simulation import servers
from tests.simulation.asking import PEOPLE, RULES, asker, one_line, questions
from tests.simulation.audience import population_of, random_neighbours
from tests.simulation.doubles import cosines
from tests.simulation.servers import Call, ChatServer, Reply, good


@pytest.fixture
def ask(tmp_path):
    with asker(tmp_path / "answers") as build:
        yield build


# what is sent, and what comes back


def test_what_is_sent_and_what_comes_back(ask):
    asked = questions()
    with ChatServer() as server:
        got = ask(server.url, concurrency=1, temperature=0.7, top_p=0.9, action_tokens=64, field_tokens=48).respond(
            asked
        )
    assert server.paths == {"/v1/chat/completions"}
    for request, call, response in zip(asked, server.calls, got, strict=True):
        field = request.kind == "field"
        prompt = (
            persona_prompts.field_prompt(request, RULES)
            if field
            else persona_prompts.action_prompt(request, PEOPLE[request.row], RULES, True)
        )
        assert call.body == {
            "model": "tiny",
            "messages": [{"role": "user", "content": prompt.text}],
            "temperature": 0.7,
            "top_p": 0.9,
            "max_tokens": 48 if field else 64,
            "seed": request.seed % 2**31,
        }
        assert call.prompt.startswith(prompt.static + prompt.shared)
        assert response == Response(servers.answer(call), len(call.prompt.split()), len(servers.answer(call).split()))
        assert reactions.parse(response.text).score in range(11)


def test_made_by_the_choice_of_policies(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with ChatServer() as server:
        section = params.ServerPolicy(kind="server", url=server.url, model="tiny")
        made = policy.make(section, PEOPLE, RULES)
        assert len(made.respond(questions(3))) == 3
        assert made.facts() == {
            "kind": "server",
            "model": "tiny",
            "revision": None,
            "stand_in": False,
            "templates": persona_prompts.TEMPLATE_HASH,
            "host": server.url.removeprefix("http://").removesuffix("/v1"),
        }
        made.close()
        made.close()
    assert (tmp_path / ".scratch" / "answers" / FILE).is_file()


def test_no_seed_and_no_thought_where_told(ask):
    with ChatServer() as server:
        ask(server.url, send_seed=False, thought=False, concurrency=1).respond(questions(2))
    for request, call in zip(questions(2), server.calls, strict=True):
        assert "seed" not in call.body
        assert call.prompt == persona_prompts.action_prompt(request, PEOPLE[request.row], RULES, False).text


def test_order_and_concurrency_change_nothing(ask, tmp_path):
    asked = questions(24)

    def slow(call: Call) -> Reply:
        time.sleep(call.number % 7 / 1000)
        return good(call)

    with ChatServer(slow) as server:
        alone = dict(zip(asked, ask(server.url, concurrency=1, cache=False).respond(asked), strict=True))
        mixed = random.Random(1).sample(asked, len(asked))
        for wide in (7, 64):
            got = ask(server.url, concurrency=wide, cache=False).respond(mixed)
            assert got == [alone[request] for request in mixed]
        pieces = ask(server.url, folder=tmp_path / "other")
        assert [pieces.respond([request])[0] for request in mixed] == [alone[request] for request in mixed]
    assert len({response.text for response in alone.values()}) == len(asked)


def test_no_more_requests_under_way_than_allowed(ask):
    enough = threading.Barrier(3)

    def together(call: Call) -> Reply:
        enough.wait(10)  # nobody is answered before three are there
        return good(call)

    with ChatServer(together) as server:
        ask(server.url, concurrency=3).respond(questions(24))
        assert server.most_under_way == 3


def test_the_same_question_twice_is_sent_once(ask):
    request = questions(1)[0]
    with ChatServer() as server:
        first, second = ask(server.url, cache=False).respond([request, request])
        assert first == second
        assert len(server.calls) == 1


def test_answers_are_kept_and_found_by_all_that_shapes_them(ask):
    asked = questions(16)
    with ChatServer() as server, ChatServer() as other:
        first = ask(server.url).respond(asked)
        again = ask(other.url)
        assert again.respond(asked) == first
        assert again.counts == {"requests": 16, "kept": 16}
        assert other.calls == []
        for changed in ({"model": "b"}, {"temperature": 0.5}, {"top_p": 0.5}, {"send_seed": False}, {"thought": False}):
            before = len(other.calls)
            ask(other.url, **changed).respond(asked[:1])
            assert len(other.calls) == before + 1, changed
        ask(other.url, cache=False).respond(asked)
        assert len(other.calls) == 5 + 16


# the server is gone


def test_a_killed_server_stops_with_one_line_and_the_next_run_goes_on(ask, tmp_path):
    asked = questions(64)
    with ChatServer() as server:
        undisturbed = ask(server.url, folder=tmp_path / "undisturbed").respond(asked)
    with servers.mortal(25, tmp_path) as mortal:
        with pytest.raises(BadInput) as error:
            ask(mortal.url, concurrency=8, retries=2).respond(asked)
        assert mortal.process.wait(30) == -signal.SIGKILL
    line = one_line(error)
    assert line.startswith(f"model server {mortal.url}: no connection (")
    assert line.endswith("(3 tries); finished posts are kept; run again to go on")
    with ChatServer() as server:
        second = ask(server.url, concurrency=8)
        assert second.respond(asked) == undisturbed
        assert second.counts == {"requests": 64, "kept": 25, "sent": 39}
        assert len(server.calls) == 39


def test_answers_under_way_are_kept_when_another_question_is_refused(ask):
    refused = threading.Event()

    def behaviour(call: Call) -> Reply:
        if call.number == 4:
            refused.set()
            return Reply(b'{"error": {"message": "prompt too long"}}', 400)
        refused.wait(10)
        time.sleep(0.2)
        return good(call)

    asked = questions(24)
    with ChatServer(behaviour) as server:
        with pytest.raises(BadInput, match="it answers 400 \\(prompt too long\\); finished posts are kept"):
            ask(server.url, concurrency=4).respond(asked)
        assert len(server.calls) == 4  # none was begun after it
        again = ask(server.url, concurrency=4)
        again.respond(asked)
        assert again.counts["kept"] == 3


def test_nobody_listens(ask):
    with ChatServer() as server:
        url = server.url
    with pytest.raises(BadInput) as error:
        ask(url, retries=1).respond(questions(5))
    assert f"model server {url}: no connection (ConnectError" in one_line(error)


@pytest.mark.parametrize("dribble", [False, True])
def test_a_server_that_never_finishes_is_given_up(ask, dribble):
    end = threading.Event()

    def behaviour(call: Call) -> Reply:
        end.wait(20)
        return good(call)

    with ChatServer(behaviour) as server:
        if dribble:  # a piece now and then keeps every limit per piece from running out

            def send(handler, reply):
                handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
                while not end.wait(0.05):
                    try:
                        handler.wfile.write(b" ")
                    except OSError:
                        return

            handler = server.server.RequestHandlerClass
            handler.do_POST = lambda self: (
                self.rfile.read(int(self.headers["Content-Length"])),
                server.calls.append(self.path),
                send(self, None),
            )
        with pytest.raises(BadInput) as error:
            ask(server.url, timeout=0.3, retries=1).respond(questions(1))
        end.set()
        assert "no answer within 0.3 s (2 tries)" in one_line(error)
        assert len(server.calls) == 2


def test_a_whole_run_goes_on_after_the_server_was_killed(tmp_path, monkeypatch):
    """Same bytes as undisturbed, at another address: posts from the journal, answers from the cache, then new ones."""
    people = population_of(random_neighbours(8, 3))
    lines = [f'Post: "picture {i}"' for i in range(5)]
    shard = workload.Shard(0, lines, [0] * 5, cosines(5, 8))

    def part(name: str, url: str) -> runner.Part:
        folder = tmp_path / name
        folder.mkdir(exist_ok=True)
        monkeypatch.chdir(folder)
        told = params.ServerPolicy(kind="server", url=url, model="tiny", retries=0, concurrency=4)
        settings = params.Simulated(rules=RULES, policy=told, runner=params.Running(in_flight=2))
        try:
            return runner.simulate(shard, runner.Job(people, settings, 7, folder))
        finally:
            runner.close()

    with ChatServer() as server:
        undisturbed = part("undisturbed", server.url)
        assert len(server.calls) == 5 * 3 * (RULES.sample + 1)
    with servers.mortal(40, tmp_path) as mortal, pytest.raises(BadInput, match="finished posts are kept"):
        part("killed", mortal.url)
    journal = (tmp_path / "killed" / "journal-0000.jsonl").read_bytes()
    assert journal.count(b"\n") == 2
    with ChatServer() as server:
        assert part("killed", server.url).tables == undisturbed.tables
        assert len(server.calls) == 5 * 3 * (RULES.sample + 1) - 40


# tries again


def failing(replies: list[Reply]):
    """Each prompt gets ``replies`` one after the other, then a good answer."""
    seen: Counter[str] = Counter()

    def behaviour(call: Call) -> Reply:
        seen[call.prompt] += 1
        turn = seen[call.prompt]
        return replies[turn - 1] if turn <= len(replies) else good(call)

    return behaviour


@pytest.fixture
def pauses(monkeypatch):
    """Pauses that a policy makes, recorded and not waited for."""
    made: list[float] = []

    async def record(event: asyncio.Event, seconds: float) -> bool:
        made.append(seconds)
        await asyncio.sleep(0)
        return event.is_set()

    monkeypatch.setattr(policy_server, "_set_within", record)
    return made


def test_passing_failures_change_nothing(ask, tmp_path, pauses):
    broken = [
        Reply(b"busy", 500),
        Reply(b"{}", 429, {"Retry-After": "2"}),
        Reply(b'{"id', 200, {"Content-Type": "application/json"}, close=True, length=500),
    ]
    asked = questions(16)
    with ChatServer() as server:
        expected = ask(server.url, folder=tmp_path / "good").respond(asked)
    with ChatServer(failing(broken)) as server:
        tried = ask(server.url, retries=3)
        assert tried.respond(asked) == expected
        assert tried.counts == {"requests": 16, "kept": 0, "sent": 64, "again": 48}
        assert len(pauses) == 48


def test_pauses_grow_and_depend_on_the_request_alone(ask, pauses):
    request, other = questions(2)
    runs = []
    with ChatServer(lambda call: Reply(b"", 503)) as server:
        for asked in (request, request, other):
            with pytest.raises(BadInput, match=r"it answers 503 \(nothing\) \(9 tries\)"):
                ask(server.url, retries=8, first_pause=0.5).respond([asked])
            runs.append(list(pauses))
            pauses.clear()
    assert runs[0] == runs[1]
    assert not set(runs[0]) & set(runs[2])
    for run in runs:
        assert len(run) == 8
        for attempt, pause in enumerate(run):
            most = min(30.0, 0.5 * 2**attempt)
            assert most / 2 < pause <= most


def test_retry_after_is_waited_for_in_either_form(ask, pauses):
    for header, least, most in (
        ("7", 7.0, 7.02),
        (formatdate(time.time() + 60, usegmt=True), 50.0, 60.02),
        ("soon", 0, 0.02),
    ):
        with ChatServer(failing([Reply(b"", 429, {"Retry-After": header})])) as server:
            ask(server.url, cache=False).respond(questions(1))
        assert len(pauses) == 1
        assert least <= pauses.pop() <= most


def test_a_server_that_wants_an_hour_is_gone(ask, pauses):
    with ChatServer(lambda call: Reply(b"", 429, {"Retry-After": "3600"})) as server:
        with pytest.raises(BadInput, match="asks to wait 3600 s; finished posts"):
            ask(server.url).respond(questions(1))
        assert len(server.calls) == 1
    assert pauses == []


# a real model server


@pytest.mark.slow
def test_transformers_serve_and_its_death_in_the_middle(ask, tmp_path):
    """A random model never keeps to the grammar; its words and counts come through, by seed, and survive its death."""
    model = tiny_base(tmp_path / "tiny")
    told = {"model": str(model), "action_tokens": 16, "field_tokens": 16, "timeout": 60.0}
    asked = questions(24)
    with servers.transformers_serve(model, tmp_path) as server:
        # it seeds one generator for all: only one request at a time is sure to get its own draws
        first = ask(server.url, concurrency=1, cache=False, **told).respond(asked)
        assert ask(server.url, concurrency=1, cache=False, **told).respond(asked) == first
        assert all(isinstance(reactions.parse(response.text), str) for response in first)
        assert {response.output_tokens for response in first} <= set(range(1, 17))
        assert min(response.prompt_tokens for response in first) > 50
        other = [replace(asked[0], seed=seed) for seed in range(8)]
        assert len({response.text for response in ask(server.url, cache=False, **told).respond(other)}) > 1
        greedy = ask(server.url, concurrency=8, cache=False, temperature=0.0, **told).respond(asked)
        assert ask(server.url, concurrency=1, cache=False, temperature=0.0, **told).respond(asked) == greedy
        with pytest.raises(BadInput, match=r"it answers 400 .Server is pinned to"):
            ask(server.url, **(told | {"model": "nobody/nothing"})).respond(asked[:1])
        cut = ask(server.url, concurrency=1, retries=1, **told)
        post = cut._post

        async def killed_in_the_middle(question):
            if cut.counts["sent"] == 10:
                server.kill()
            return await post(question)

        cut._post = killed_in_the_middle
        with pytest.raises(BadInput, match=r"no connection .*finished posts are kept; run again to go on"):
            cut.respond(asked)
    with servers.transformers_serve(model, tmp_path) as server:
        second = ask(server.url, concurrency=1, **told)
        assert second.respond(asked) == first
        assert second.counts == {"requests": 24, "kept": 9, "sent": 15}

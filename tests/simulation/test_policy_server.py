"""The policy that asks a chat server, against real servers on the loopback interface that come and go."""

from __future__ import annotations

from dataclasses import replace

import pytest

from popcast.chat.answer_cache import FILE
from popcast.chat.response import Response
from popcast.core.errors import BadInput
from popcast.simulation import params
from popcast.simulation.policies import persona_prompts, policy, policy_server, reactions
from popcast.simulation.records import Field, Memory, Reaction, Request, Trigger
from popcast.simulation.running import runner, workload
from tests.chat import servers
from tests.chat.servers import ChatServer
from tests.lm.tiny_llm import tiny_base
from tests.simulation.audience import population_of, random_neighbours
from tests.simulation.doubles import cosines

RULES = params.Rules(sample=3)
PEOPLE = population_of(random_neighbours(8, 3)).people


def questions(n: int = 24) -> list[Request]:
    """Actions of several posts, every eighth one a text field."""
    made = []
    for i in range(n):
        trigger = Trigger(f'Post: "picture {i // 8}" Category: "Animal"')
        seed = 2**62 + 7919 * i
        if i % 8 == 7:
            said = (Reaction(0, True, 1, "reply", 8, "nice"), Reaction(4, True, 1, "nothing", 0))
            made.append(Request("field", trigger, 0, -1, 1, seed, reactions=said))
        else:
            known = (Memory("P7", "post", "hello"),)
            made.append(Request("action", trigger, 1, i % 8, 1, seed, Field("They like it.", 2.0, 0.5), 0.3, known))
    return made


@pytest.fixture
def ask(tmp_path):
    """Function (url, **settings) -> policy with its cache of answers below ``tmp_path``; all are closed at the end."""
    made: list[policy_server.Policy] = []

    def build(url: str, **settings: object) -> policy_server.Policy:
        section = params.ServerPolicy(kind="server", url=url, **({"model": "tiny", "timeout": 10.0} | settings))
        made.append(policy_server.Policy(section, PEOPLE, RULES, folder=tmp_path / "answers", first_pause=0.01))
        return made[-1]

    yield build
    for one in made:
        one.close()


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
            "templates": persona_prompts.PROMPTS_HASH,
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


def test_prompts_without_a_thought_are_other_questions(ask):
    with ChatServer() as server:
        for thought in (True, False, True):
            ask(server.url, thought=thought).respond(questions(1))
        assert len(server.calls) == 2


# the server is gone


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
        post = cut.client._post

        async def killed_in_the_middle(question):
            if cut.client.counts["sent"] == 10:
                server.kill()
            return await post(question)

        cut.client._post = killed_in_the_middle
        with pytest.raises(BadInput, match=r"no connection .*finished posts are kept; run again to go on"):
            cut.respond(asked)
    with servers.transformers_serve(model, tmp_path) as server:
        second = ask(server.url, concurrency=1, **told)
        assert second.respond(asked) == first
        assert second.client.counts == {"requests": 24, "kept": 9, "sent": 15}

"""Posts per second of the persona policy, alone and with the whole runner: ``python -m benchmarks.persona``.

Generated trigger lines and a generated population of 100; a post is 30 questions to personas and 3 to the field. In one
process, with the encoder's cosines made beforehand (timed too). Forms, posts slice by slice in turn:

- policy: answers to the requests of all posts, which a first pass has collected, in calls of 64 posts at a time;
- runner: models, memories, numeric field, parsing, journal and the tables of a shard, with the policy in it;
- nobody: the runner with a policy that gives one fixed answer, so that the difference is the policy's part.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import click
import numpy as np

from popcast.chat.response import Response
from popcast.simulation.records import Request

WORDS = Path("src/popcast/simulation/audience/persona_lists.json")
IN_FLIGHT = 64


class Nobody:
    """Answers without thinking."""

    def respond(self, requests: Sequence[Request]) -> list[Response]:
        return [Response("Action: like()\nScore: 5" if one.kind == "action" else "Some like it.") for one in requests]

    def facts(self) -> dict[str, str | bool | None]:
        return {"kind": "persona", "model": "nobody", "revision": None, "stand_in": True, "templates": "none"}

    def close(self) -> None:
        pass


class Collector:
    """Hands on to another policy and keeps the requests."""

    def __init__(self, policy) -> None:
        self.policy, self.requests = policy, []

    def respond(self, requests: Sequence[Request]) -> list[Response]:
        self.requests += requests
        return self.policy.respond(requests)

    def facts(self) -> dict:
        return self.policy.facts()

    def close(self) -> None:
        pass


def generated_lines(count: int) -> list[str]:
    """Distinct trigger lines out of the everyday posts of the policy's phrases."""
    from popcast.simulation.policies.persona_phrases import PHRASES
    from popcast.simulation.policies.persona_prompts import trigger_line

    rng = np.random.default_rng(0)
    everyday = PHRASES["everyday"]
    words = sorted({word for title, _ in everyday for word in title.split()})
    found = []
    for number in range(count):
        title = " ".join(rng.choice(words, int(rng.integers(3, 12))))
        found.append(
            trigger_line({"title": f"{title} {number}", "category": everyday[number % len(everyday)][1]}) or ""
        )
    return found


@click.command()
@click.option("--posts", "count", default=2000, show_default=True)
@click.option("--slices", default=4, show_default=True, help="the forms take the posts slice by slice in turn")
def main(count: int, slices: int) -> None:
    """Time the forms on the same posts."""
    from popcast.simulation.audience import population
    from popcast.simulation.audience.affinity import similarities
    from popcast.simulation.params import Simulated
    from popcast.simulation.policies.policy_persona import Policy
    from popcast.simulation.running import runner
    from popcast.simulation.running.workload import Shard

    people = population.generate(WORDS, 100, 2, 0)
    settings = Simulated()
    started = time.perf_counter()
    persona = Policy(settings.policy, people.people, settings.rules)
    click.echo(f"policy made (encoder loaded) in {time.perf_counter() - started:.1f} s")
    lines = generated_lines(count)
    started = time.perf_counter()
    cosines = similarities(lines, [person.role for person in people.people], settings.policy.encoder)
    click.echo(f"cosines of {count} generated posts: {count / (time.perf_counter() - started):.0f} posts/s")
    wall, work = dict.fromkeys(("runner", "nobody", "policy"), 0.0), dict.fromkeys(("runner", "nobody", "policy"), 0.0)

    def timed(name: str, function) -> None:
        start, busy = time.perf_counter(), time.process_time()
        function()
        wall[name] += time.perf_counter() - start
        work[name] += time.process_time() - busy

    for number, rows in enumerate(np.array_split(np.arange(count), slices)):
        shard = Shard(number, tuple(lines[i] for i in rows), (0,) * len(rows), cosines[rows])
        collected = Collector(persona)
        for name, policy in (("warm", collected), ("runner", persona), ("nobody", Nobody())):
            with tempfile.TemporaryDirectory() as folder:
                job = runner.Job(people, settings, 0, Path(folder))
                if name == "warm":
                    runner.simulate(shard, job, policy=policy)
                else:
                    timed(name, lambda shard=shard, job=job, policy=policy: runner.simulate(shard, job, policy=policy))
        size = 33 * IN_FLIGHT
        calls = [collected.requests[i : i + size] for i in range(0, len(collected.requests), size)]
        timed("policy", lambda calls=calls: [persona.respond(call) for call in calls])
    for name in ("policy", "runner", "nobody"):
        rates = f"{count / wall[name]:9.0f} posts/s{count / work[name]:9.0f} posts per processor second"
        click.echo(f"{name:<8}{rates}")
    click.echo(f"the policy takes {work['policy'] / work['runner']:.0%} of the runner's time")


if __name__ == "__main__":
    main()

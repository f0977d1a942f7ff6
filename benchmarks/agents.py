"""Answers of personas per second, many posts at a time and post by post: ``python -m benchmarks.agents``.

A model with random weights in the sizes of the made base, personas of the default population, generated posts. Each
post asks ten personas, and for one text field. Forms that answer the same requests:

- together: the policy ``transformers`` with the requests of ``--posts`` posts at a time;
- post by post: transformers' ``generate`` with batches of at most 10, as the reference does. It holds no grammar, so
  its answers would be lost; it writes as many tokens as the longest of the policy's answers in that batch;
- grammar, post by post: the policy itself, a post at a time, batches of at most 10.

The forms take the posts slice by slice in turn. Prints answers per second, seconds of wall clock and of the processor
(less moved by other programs), their ratios, and tokens of prompts and answers.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click
import numpy as np

ASKED = 10
WORDS = Path("src/popcast/simulation/audience/persona_lists.json")
TOPICS = ["Animal", "Fashion", "Food", "Travel&Active", "Electronics", "Family", "Urban", "Holiday&Celebrations"]


def generated(posts: int, people, seed: int) -> list[list]:
    """Requests [posts][11] of a second epoch: words of the personas' own roles make titles, fields and memories."""
    from popcast.simulation.policies import persona_prompts
    from popcast.simulation.records import Field, Memory, Reaction, Request, Trigger

    rng = np.random.default_rng(seed)
    words = " ".join(person.role for person in people).replace(",", "").replace(".", "").split()

    def said(low: int, high: int) -> str:
        return " ".join(rng.choice(words, int(rng.integers(low, high))))

    found = []
    for number in range(posts):
        title = f"{number} {said(3, 20)}"
        trigger = Trigger(persona_prompts.trigger_line({"title": title, "category": str(rng.choice(TOPICS))}))
        field = Field(said(40, 60), 3.2, 0.5)
        rows = sorted(rng.choice(len(people), ASKED, replace=False).tolist())
        asked = []
        for row in rows:
            memories = tuple(
                Memory(people[int(rng.integers(len(people)))].name, "reply", said(5, 25))
                for _ in range(int(rng.integers(0, 3)))
            )
            seed = int(rng.integers(1 << 62))
            asked.append(Request("action", trigger, 1, row, 1, seed, field, 0.3, memories))
        done = tuple(Reaction(row, True, 1, "reply", 6, said(5, 25)) for row in rows)
        asked.append(Request("field", trigger, 1, -1, 1, int(rng.integers(1 << 62)), field, reactions=done))
        found.append(asked)
    return found


def base_folder(folder: Path, people, made) -> None:
    """Random weights and a tokenizer that has learned the words of prompts."""
    from popcast.fewshot.made_base import new_model
    from popcast.fewshot.tokenizer import make_tokenizer
    from popcast.lm.backbone import write_base
    from popcast.simulation.params import Rules
    from popcast.simulation.policies import persona_prompts

    texts = []
    for request in [request for asked in generated(200, people, 1) for request in asked]:
        if request.kind == "field":
            texts.append(persona_prompts.field_prompt(request, Rules()).text)
        else:
            texts.append(persona_prompts.action_prompt(request, people[request.row], Rules()).text)
    scores = (0.0, 10.0)
    tokenizer = make_tokenizer(texts, made.vocabulary, scores, made.max_positions)
    new_model(made, tokenizer, 0).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    write_base(folder, kind="made", stand_in=True, scores=list(scores))


class PostByPost:
    """The reference's loop on the same model: a post's questions at a time, at most 10, then its field."""

    def __init__(self, section, policy) -> None:
        from popcast.lm import backbone

        self.section, self.policy = section, policy
        self.model, self.tokenizer = backbone.load(Path(section.model), device=section.device)

    def respond(self, posts: list[list], lengths: list[list[int]]) -> None:
        """lengths: tokens of the policy's answers, [posts][11]."""
        import torch

        for asked, tokens in zip(posts, lengths, strict=True):
            for kind in ("action", "field"):
                rows = [i for i, request in enumerate(asked) if request.kind == kind]
                texts = [self.policy.prompt(asked[i]).text for i in rows]
                inputs = self.tokenizer(texts, return_tensors="pt", padding=True).to(self.model.device)
                most = max(tokens[i] for i in rows)
                with torch.inference_mode():
                    out = self.model.generate(
                        **inputs, do_sample=True, temperature=1.0, top_k=0, top_p=1.0, min_new_tokens=most,
                        max_new_tokens=most, pad_token_id=self.tokenizer.pad_token_id,
                    )  # fmt: skip
                self.tokenizer.batch_decode(out[:, inputs["input_ids"].shape[1] :])


class Clock:
    """Seconds of wall clock and of the processor, by form."""

    def __init__(self) -> None:
        self.wall, self.work = np.zeros(3), np.zeros(3)

    @contextmanager
    def of(self, form: int) -> Iterator[None]:
        start, busy = time.perf_counter(), time.process_time()
        yield
        self.wall[form] += time.perf_counter() - start
        self.work[form] += time.process_time() - busy


@click.command()
@click.option("--posts", default=48, show_default=True, help="under way at a time")
@click.option("--slices", default=2, show_default=True, help="the forms take the posts slice by slice in turn")
@click.option("--batch-tokens", default=262144, show_default=True)
@click.option("--action-tokens", default=160, show_default=True)
@click.option("--thought/--no-thought", default=True, show_default=True)
@click.option("--device", default="cpu", show_default=True)
@click.option("--hidden", default=128, show_default=True)
@click.option("--layers", default=4, show_default=True)
@click.option("--heads", default=4, show_default=True)
@click.option("--intermediate", default=352, show_default=True)
def main(
    posts: int, slices: int, batch_tokens: int, action_tokens: int, thought: bool, device: str, **sizes: int
) -> None:
    from popcast.lm.backbone import Made
    from popcast.simulation.audience import population
    from popcast.simulation.params import Rules
    from popcast.simulation.params import TransformersPolicy as Section
    from popcast.simulation.policies.policy_transformers import Policy
    from popcast.simulation.policies.reactions import parse

    people = population.generate(WORDS, 100, 2, 0).people
    with tempfile.TemporaryDirectory() as folder:
        base_folder(Path(folder), people, Made(max_positions=2048, **sizes))
        section = Section(
            kind="transformers", model=folder, device=device, batch_tokens=batch_tokens,
            action_tokens=action_tokens, thought=thought,
        )  # fmt: skip
        policy = Policy(section, people, Rules())
        alone = Policy(section, people, Rules())
        loop = PostByPost(section, policy)
    given = generated(posts * slices, people, 2)
    small = given[:2]
    loop.respond(small, [[response.output_tokens for response in policy.respond(asked)] for asked in small])
    alone.respond(small[0])  # buffers are made before the clock runs
    clock = Clock()
    answers, same = [], 0
    for part in range(slices):
        chosen = given[part * posts : (part + 1) * posts]
        together = [request for asked in chosen for request in asked]
        with clock.of(0):
            found = policy.respond(together)
        tokens = [[one.output_tokens for one in found[i : i + 11]] for i in range(0, len(found), 11)]
        with clock.of(1):
            loop.respond(chosen, tokens)
        with clock.of(2):
            by_post = [response for asked in chosen for response in alone.respond(asked)]
        answers += found
        same += sum(a == b for a, b in zip(found, by_post, strict=True))
    asked = [request for one in given for request in one]
    report(asked, answers, clock.wall, clock.work)
    parsed = [not isinstance(parse(a.text), str) for a, r in zip(answers, asked, strict=True) if r.kind == "action"]
    print(f"{np.mean(parsed):.2%} of the policy's reactions parse; {same / len(asked):.2%} are the same post by post")


def report(asked: list, answers: list, wall: np.ndarray, work: np.ndarray) -> None:
    prompts = [answer.prompt_tokens for answer, request in zip(answers, asked, strict=True) if request.kind == "action"]
    written = [answer.output_tokens for answer, request in zip(answers, asked, strict=True) if request.kind == "action"]
    print(f"{len(asked)} requests; prompt {np.mean(prompts):.0f} tokens, answer {np.mean(written):.0f} on average")
    names = ["together", "post by post", "grammar, post by post"]
    for name, seconds, busy in zip(names, wall, work, strict=True):
        print(f"{name:<24}{len(asked) / seconds:9.1f} answers/s{seconds:9.2f} s{busy:9.2f} processor s")
    for form in (1, 2):
        ratio, less = wall[form] / wall[0], work[form] / work[0]
        print(f"together against {names[form]:<24}{ratio:6.2f} times ({less:.2f} processor)")


if __name__ == "__main__":
    main()

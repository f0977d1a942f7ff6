"""Prompts with seeds, answered many at a time by one language model, each answer held to its grammar.

Prompts of one kind are cut into batches of similar length with those of one post and epoch together. The number that a
token is drawn by is a function of the answer's seed and the token's place alone, a counter-based hash. So an answer
does not depend on order, batch or company, except where rounding decides: sums of a matrix product may differ in their
last bits between batches of different size, which changes a token where the number falls between two sums of the same
probabilities. In float32 this was not seen in the 1,056 answers of ``benchmarks.agents``; coarser dtypes meet it more
often. What was answered is kept by the stage, so later stages do not depend on it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from popcast.lm.sampler import write
from popcast.lm.token_draws import Sampling, uniform

if TYPE_CHECKING:
    from popcast.lm.grammar import Grammar
    from popcast.lm.shared_prefix import Plain, Prompted, Shared

DROP_BELOW = 0.8
"""Share of unfinished rows below which the finished ones are dropped."""


@dataclass(frozen=True)
class SeededPrompt:
    """A prompt behind the rules, seed of its answer, and the tokens that its answer may have."""

    prompt: Prompted
    seed: int
    limit: int

    @property
    def width(self) -> int:
        return len(self.prompt.shared) + len(self.prompt.own)


def batches(prompts: list[SeededPrompt], budget: int) -> list[list[int]]:
    """Numbers of prompts: in each batch, rows times columns (answers and padding included) are within ``budget``.

    A single prompt may be over it. Prompts with the same shared part stay together where they can. Within a batch
    they are in order of length.
    """
    groups: dict[tuple[int, ...], list[int]] = {}
    for number, one in enumerate(prompts):
        shared = one.prompt.shared
        groups.setdefault(shared or (-1 - number,), []).append(number)
    longest = {shared: max(prompts[i].width for i in rows) for shared, rows in groups.items()}
    found: list[list[int]] = []
    widths = [0, 0, 0]
    for shared in sorted(groups, key=lambda shared: (longest[shared], groups[shared][0])):
        for number in groups[shared]:
            one = prompts[number]
            sizes = (len(one.prompt.shared), len(one.prompt.own), one.limit)
            wider = [max(pair) for pair in zip(widths, sizes, strict=True)]
            if not found or (len(found[-1]) + 1) * sum(wider) > budget:
                found.append([])
                wider = list(sizes)
            found[-1].append(number)
            widths = wider
    return [sorted(batch, key=lambda number: (len(prompts[number].prompt.own), number)) for batch in found]


def answers(
    model: Shared | Plain,
    grammar: Grammar,
    kind: str,
    prompts: list[SeededPrompt],
    sampling: Sampling,
    ends: set[int],
) -> list[list[int]]:
    """Answers of one batch: tokens before the end, those that the grammar forces at the beginning not repeated.

    kind: of the grammar.
    """

    def choose(logits, allowed, numbers: list[int], step: int):
        return sampling.choose(logits, allowed, [uniform(prompts[number].seed, step) for number in numbers])

    longest = max(one.limit for one in prompts)
    logits = model.read([one.prompt for one in prompts], longest)
    forced = len(grammar.forced(kind))
    limits = [one.limit - forced for one in prompts]
    return write(model, logits, choose, limits, ends, grammar.held(kind, len(prompts)), DROP_BELOW)


def common(rows: list[list[int]]) -> int:
    """Tokens that all rows begin with; each keeps at least one of its own."""
    first, last = min(rows), max(rows)
    length = min(len(row) for row in rows) - 1
    differ = np.flatnonzero(np.array(first[:length]) != np.array(last[:length]))
    return int(differ[0]) if len(differ) else length

"""Many answers at a time by one language model, token by token, each held to its grammar.

Requests of one kind are cut into batches of similar length with those of one post and epoch together. Each token is a
draw from the softmax of masked logits, where a uniform number meets the sums of the probabilities; the number is a
function of the answer's seed and the token's place alone, a counter-based hash. So an answer does not depend on order,
batch or company, except where rounding decides: sums of a matrix product may differ in their last bits between batches
of different size, which changes a token where the number falls between two sums of the same probabilities. In float32
this was not seen in the 1,056 answers of ``benchmarks.agents``; coarser dtypes meet it more often. What was answered is
kept by the stage, so later stages do not depend on it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from popcast.core.errors import BadInput

if TYPE_CHECKING:
    import torch

    from popcast.lm.grammar import Grammar
    from popcast.lm.shared_prefix import Plain, Prompted, Shared

DROP_BELOW = 0.8
"""Share of unfinished rows below which the finished ones are dropped."""
IN_CACHE = 1 << 15
"""Values that a processor draws from at a time; a GPU takes all."""
MASK = (1 << 64) - 1
WEYL, MIX1, MIX2 = 0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB
"""Constants of SplitMix64 (Steele, Lea, Flood 2014)."""


@dataclass(frozen=True)
class Question:
    """A prompt behind the rules, seed of its answer, and the tokens that its answer may have."""

    prompt: Prompted
    seed: int
    limit: int

    @property
    def width(self) -> int:
        return len(self.prompt.shared) + len(self.prompt.own)


@dataclass(frozen=True)
class Sampling:
    """temperature 0: the most probable token. top_p: of the most probable tokens that together have this share."""

    temperature: float
    top_p: float

    def choose(self, logits: torch.Tensor, allowed: torch.Tensor, draws: list[float]) -> torch.Tensor:
        """Tokens [rows]. logits, allowed: [rows, vocabulary]; draws: a uniform number of each row, see :func:`uniform`.

        Raises BadInput where logits are not finite.
        """
        import torch

        uniforms = torch.tensor(draws, dtype=torch.float64, device=logits.device)
        rows = len(draws) if logits.is_cuda else max(1, IN_CACHE // logits.shape[1])
        parts = zip(logits.split(rows), allowed.split(rows), uniforms.split(rows), strict=True)
        return torch.cat([self._choose(*part) for part in parts])

    def _choose(self, logits: torch.Tensor, allowed: torch.Tensor, draws: torch.Tensor) -> torch.Tensor:
        import torch

        values = torch.where(allowed, logits.double(), -torch.inf)
        best, tokens = values.max(1)
        if not torch.isfinite(best).all():
            raise BadInput("the language model computes values that are not finite: choose another dtype")
        if self.temperature == 0:
            return tokens
        values = (values - best[:, None]) / self.temperature
        if self.top_p < 1:
            values = nucleus(values, self.top_p)
        sums = values.exp_().cumsum(1)
        below = torch.nextafter(sums[:, -1], sums.new_zeros(()))
        return torch.searchsorted(sums, torch.minimum(draws * sums[:, -1], below)[:, None], right=True)[:, 0]


def nucleus(values: torch.Tensor, top_p: float) -> torch.Tensor:
    """Values [rows, vocabulary] with -inf outside the fewest most probable tokens that have ``top_p`` together."""
    import torch

    ordered, order = values.sort(dim=1, descending=True, stable=True)
    probability = torch.softmax(ordered, 1)
    out = probability.cumsum(1) - probability >= top_p
    return values.masked_fill(torch.zeros_like(out).scatter(1, order, out), -torch.inf)


def uniform(seed: int, step: int) -> float:
    """Number in [0, 1) that token number ``step`` of an answer is drawn by: 53 bits of SplitMix64 under both.

    >>> uniform(1, 0) != uniform(0, 1) != uniform(1, 1)
    True
    """
    return (_mixed(_mixed(seed + WEYL) + (step + 1) * WEYL) >> 11) * 2.0**-53


def _mixed(number: int) -> int:
    number &= MASK
    number = ((number ^ (number >> 30)) * MIX1) & MASK
    number = ((number ^ (number >> 27)) * MIX2) & MASK
    return number ^ (number >> 31)


def batches(questions: list[Question], budget: int) -> list[list[int]]:
    """Numbers of questions: in each batch, rows times columns (answers and padding included) are within ``budget``.

    A single question may be over it. Questions with the same shared part stay together where they can. Within a batch
    they are in order of length.
    """
    groups: dict[tuple[int, ...], list[int]] = {}
    for number, question in enumerate(questions):
        shared = question.prompt.shared
        groups.setdefault(shared or (-1 - number,), []).append(number)
    longest = {shared: max(questions[i].width for i in rows) for shared, rows in groups.items()}
    found: list[list[int]] = []
    widths = [0, 0, 0]
    for shared in sorted(groups, key=lambda shared: (longest[shared], groups[shared][0])):
        for number in groups[shared]:
            one = questions[number]
            sizes = (len(one.prompt.shared), len(one.prompt.own), one.limit)
            wider = [max(pair) for pair in zip(widths, sizes, strict=True)]
            if not found or (len(found[-1]) + 1) * sum(wider) > budget:
                found.append([])
                wider = list(sizes)
            found[-1].append(number)
            widths = wider
    return [sorted(batch, key=lambda number: (len(questions[number].prompt.own), number)) for batch in found]


def write(
    model: Shared | Plain, grammar: Grammar, kind: str, questions: list[Question], sampling: Sampling, ends: set[int]
) -> list[list[int]]:
    """Answers of one batch: tokens before the end, those that the grammar forces at the beginning not repeated.

    kind: of the grammar. A row is finished by an end token, where the grammar has nothing to go on with, or at its
    limit; finished rows are dropped from the batch.
    """
    import torch

    forced = grammar.forced(kind)
    matchers = [grammar.matcher(kind) for _ in questions]
    for matcher in matchers:
        matcher.consume_tokens(forced)
    written: list[list[int]] = [[] for _ in questions]
    rows = list(range(len(questions)))  # of the batch, in its present order
    running = set(rows)
    logits = model.read([question.prompt for question in questions], max(question.limit for question in questions))
    for step in range(max(question.limit for question in questions) - len(forced)):
        active = [place for place, row in enumerate(rows) if row in running]
        if len(active) < DROP_BELOW * len(rows):
            kept = torch.tensor(active, device=logits.device)
            model.keep(kept)
            logits, rows = logits[kept], [rows[place] for place in active]
            active = list(range(len(rows)))
        allowed = torch.from_numpy(grammar.allowed([matchers[rows[place]] for place in active])).to(logits.device)
        places = torch.tensor(active, device=logits.device)
        draws = [uniform(questions[rows[place]].seed, step) for place in active]
        chosen = sampling.choose(logits[places], allowed, draws)
        for place, token in zip(active, chosen.tolist(), strict=True):
            row = rows[place]
            if token not in ends:
                written[row].append(token)
                if not matchers[row].consume_token(token):
                    raise BadInput(f"grammar of reactions: {matchers[row].get_error()[:200]}")
            if token in ends or matchers[row].is_stopped() or len(written[row]) + len(forced) >= questions[row].limit:
                running.discard(row)
        if not running:
            break
        tokens = torch.zeros(len(rows), dtype=torch.long, device=logits.device)
        tokens[places] = chosen
        logits = model.step(tokens)
    return written


def common(rows: list[list[int]]) -> int:
    """Tokens that all rows begin with; each keeps at least one of its own."""
    first, last = min(rows), max(rows)
    length = min(len(row) for row in rows) - 1
    differ = np.flatnonzero(np.array(first[:length]) != np.array(last[:length]))
    return int(differ[0]) if len(differ) else length


def end_tokens(network, tokenizer) -> set[int]:
    """Every token that ends an answer: of the tokenizer, and of the model (Llama 3 has several)."""
    found = [tokenizer.eos_token_id]
    for config in (network.config, network.generation_config):
        ends = getattr(config, "eos_token_id", None)
        found += ends if isinstance(ends, list) else [ends]
    return {token for token in found if token is not None}

"""From prompts to scores (multismpllm.md 11): greedy answers, sampled answers, or the expected score.

Answers are written token by token with the model's cache and nothing else: no setting that a model brings along for
``generate`` (temperature, penalties, suppressed tokens) has a say. Whatever comes before the first end-of-text token,
or ``max_new_tokens`` tokens, is the answer; :func:`parse` says whether it is one.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from pydantic import Field

from popcast.core.engine import progress
from popcast.core.section import Section
from popcast.lm import sampler, score_tree
from popcast.lm.reading import Reader
from popcast.lm.score_tree import ScoreTree
from popcast.lm.token_draws import GumbelDraws

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerFast

__all__ = [
    "Distribution",
    "Params",
    "ScoreTree",
    "expected",
    "greedy",
    "greedy_and_expected",
    "lenient",
    "parse",
    "sample",
]

ANSWER = re.compile(r"(0|[1-9][0-9]{0,2})\.[0-9]{2}")
NUMBER = re.compile(r"[0-9]{1,3}(\.[0-9]{1,15})?")
QUANTILES = (0.5, 0.1, 0.9)

Noise = Callable[[int, int, int, int], np.ndarray]


class Params(Section):
    """How prompts become scores."""

    batch_size: int = Field(32, ge=1, description="rows that the model reads or writes at a time")
    buckets: bool = Field(True, description="batches of prompts of similar length")
    samples: int = Field(8, ge=1, description="answers drawn per prompt")
    temperature: float = Field(1.0, gt=0)
    max_new_tokens: int = Field(8, ge=1)
    decodings: list[Literal["greedy", "samples", "expected"]] = Field(["greedy", "samples", "expected"], min_length=1)
    invalid: Literal["exclude", "history_mean"] = Field(
        "exclude", description="for the scorer: leave such answers out, or let the mean of the scores shown stand in"
    )
    point: Literal["mean", "median"] = Field(
        "mean", description="expected: what stands for the distribution; the absolute error wants its median"
    )
    hundredths: Literal["spread", "read"] = Field(
        "read", description="expected: spread: a tokenizer of single digits is not asked for the last one"
    )
    device: str = Field("auto", pattern=r"^(auto|cpu|cuda(:\d+)?)$")
    dtype: Literal["auto", "bfloat16", "fast"] = Field(
        "auto",
        description="of the computation; auto: as the weights are; bfloat16: autocast, all but the head; fast: that "
        "where GPU or processor have instructions for it",
    )

    @property
    def reading(self) -> dict[str, Any]:
        """What a :class:`Reader` of prompts is told."""
        return {"buckets": self.buckets, "half": None if self.dtype == "fast" else self.dtype == "bfloat16"}

    def tree(self, tokenizer: PreTrainedTokenizerFast, low: float, high: float) -> ScoreTree:
        """All answers low..high as a tree of tokens, see :class:`ScoreTree`."""
        return ScoreTree(tokenizer, low, high, spread=self.hundredths == "spread")


def parse(text: str, low: float, high: float) -> float | None:
    """The score of an answer, None where it is not one.

    Valid is a number low..high with two decimals, no sign and no leading zero, and at most one line break behind it:
    what a reader would have to guess or cut out is no answer.

    >>> parse("7.52", 1.0, 16.99), parse("7.52 or so", 1.0, 16.99)
    (7.52, None)
    """
    text = text.removesuffix("\n")
    if not ANSWER.fullmatch(text):
        return None
    return float(text) if low <= float(text) <= high else None


def lenient(text: str, low: float, high: float) -> float | None:
    r"""The score of an answer that is one number low..high and nothing else, however many decimals it has.

    Blanks and line breaks around it do not count: the instruction asks for a number and never for two decimals. Every
    answer that :func:`parse` takes is the same score here.

    >>> lenient(" 7.5\n", 1.0, 16.99), lenient("7", 1.0, 16.99), lenient("7.5 or so", 1.0, 16.99)
    (7.5, 7.0, None)
    """
    text = text.strip()
    if not NUMBER.fullmatch(text):
        return None
    return float(text) if low <= float(text) <= high else None


def greedy(model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, prompts: list[str], params: Params) -> list[str]:
    """The most probable token after each token: one answer per prompt, in the order of the prompts."""
    return [answers[0] for answers in _write(model, tokenizer, prompts, 1, params, None)]


def sample(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerFast,
    prompts: list[str],
    keys: list[str],
    count: int,
    params: Params,
    seed: int,
) -> list[list[str]]:
    """``count`` answers per prompt drawn from the model's distribution at ``params.temperature``.

    Every token is the largest of logits and Gumbel noise, which is a draw from their softmax. The noise depends on
    (seed, the prompt's key, number of the answer, number of the token) alone: other prompts and batches change nothing.
    """

    def noise(prompt: int, number: int, step: int, size: int) -> np.ndarray:
        text = f"{seed}\x1f{keys[prompt]}\x1f{number}\x1f{step}"
        key = int.from_bytes(hashlib.sha256(text.encode()).digest()[:16], "big")
        return np.random.default_rng(key).gumbel(size=size)

    if len(keys) != len(prompts):
        raise ValueError(f"{len(prompts)} prompts, but {len(keys)} keys")
    return _write(model, tokenizer, prompts, count, params, noise)


def _write(model, tokenizer, prompts, count: int, params: Params, noise: Noise | None) -> list[list[str]]:
    """``count`` answers per prompt. A prompt is read once however many answers are written behind it."""
    import torch

    size = max(1, params.batch_size // count)
    reader = Reader(model, tokenizer, prompts, size=size, **params.reading, room=params.max_new_tokens)
    answers: list[list[str]] = [[] for _ in prompts]
    for numbers in progress(reader.batches, len(reader.batches), "answers"):
        choose = _most_probable if noise is None else _drawn(numbers, count, params.temperature, noise)
        with torch.no_grad():
            batch = reader.read(numbers)
            if count > 1:
                batch.repeat(count)  # the answers of one prompt stand together
            limits = [params.max_new_tokens] * len(batch.logits)
            rows = sampler.write(batch, batch.logits, choose, limits, reader.ends)
        for row, tokens in enumerate(rows):
            answers[numbers[row // count]].append(_text(tokenizer, tokens))
    return answers


def _most_probable(logits, allowed, answers: list[int], step: int):
    return logits.argmax(-1)


def _drawn(prompts: np.ndarray, count: int, temperature: float, noise: Noise) -> sampler.Choice:
    """Draws of ``count`` answers behind each of the prompts of these numbers."""
    draws = GumbelDraws(temperature, lambda row, step, size: noise(prompts[row // count], row % count, step, size))
    return lambda logits, allowed, answers, step: draws.choose(logits, answers, step)


@dataclass(frozen=True)
class Distribution:
    """What a model believes about the score of each prompt, float64 [prompts].

    ``mean``, ``median`` and the 10 and 90 % quantiles ``lower`` and ``upper`` of the distribution over all valid
    answers; ``mass``: how much of the model's probability they had before they were made to sum to 1. Whether the
    answer would have ended there is not asked (see ``score_tree``): mass tells how far the model writes numbers.
    """

    mean: np.ndarray
    median: np.ndarray
    lower: np.ndarray
    upper: np.ndarray
    mass: np.ndarray


def expected(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, prompts: list[str], tree: ScoreTree, params: Params
) -> Distribution:
    """Distribution of the score after each prompt, by a forward over prompts and one over the tree behind them.

    The same as teacher forcing of every answer, summed in double precision. Prefix-tuned models too. Models whose
    attention is not what a mask says (flash attention, windows shorter than the prompt, recurrent layers) read a prompt
    once per walk through the tree instead, which takes that much longer.
    """
    import torch

    reader = Reader(model, tokenizer, prompts, size=params.batch_size, **params.reading, room=tree.room)
    columns = np.empty((5, len(prompts)))
    for batch in progress(reader.batches, len(reader.batches), "expected scores"):
        with torch.no_grad():
            if reader.takes_masks:
                found = score_tree.behind(reader.read(batch), tree)
            else:
                found = score_tree.walk_by_walk(reader, batch, tree, params.batch_size)
        columns[:, batch] = _summary(found, tree.scores)
    return Distribution(*columns)


def greedy_and_expected(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, prompts: list[str], tree: ScoreTree, params: Params
) -> tuple[list[str], Distribution]:
    """What :func:`greedy` and :func:`expected` say, by reading every prompt once for both."""
    import torch

    room = max(tree.room, params.max_new_tokens)
    reader = Reader(model, tokenizer, prompts, size=params.batch_size, **params.reading, room=room)
    if not reader.takes_masks:
        return greedy(model, tokenizer, prompts, params), expected(model, tokenizer, prompts, tree, params)
    answers, columns = [""] * len(prompts), np.empty((5, len(prompts)))
    for numbers in progress(reader.batches, len(reader.batches), "answers and expected scores"):
        with torch.no_grad():
            batch = reader.read(numbers)
            columns[:, numbers] = _summary(score_tree.behind(batch, tree), tree.scores)
            limits = [params.max_new_tokens] * len(numbers)
            rows = sampler.write(batch, batch.logits, _most_probable, limits, reader.ends)
        for number, tokens in zip(numbers, rows, strict=True):
            answers[number] = _text(tokenizer, tokens)
    return answers, Distribution(*columns)


def _text(tokenizer: PreTrainedTokenizerFast, tokens: list[int]) -> str:
    return tokenizer.decode(tokens, skip_special_tokens=False, clean_up_tokenization_spaces=False)


def _summary(log_probabilities: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """[5, rows]: mean, median, lower, upper, mass. A quantile is the smallest score that has reached the share."""
    largest = log_probabilities.max(1, keepdims=True)
    weight = np.exp(log_probabilities - largest)
    total = weight.sum(1, keepdims=True)
    probability = weight / total
    reached = probability.cumsum(1)
    quantiles = [scores[(reached >= share - 1e-12).argmax(1)] for share in QUANTILES]
    mass = np.exp(largest[:, 0] + np.log(total[:, 0]))
    return np.stack([probability @ scores, *quantiles, mass])

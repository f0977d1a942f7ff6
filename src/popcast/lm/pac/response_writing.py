"""Responses behind prompts whose regions are known, drawn or most probable, many at a time (socialalign.md 8).

Written token by token with the model's cache. A draw depends on (seed, key of the prompt, number of the sample, number
of the token) alone, and the penalty on the tokens of prompt and answer, never on padding: other prompts and batches
change nothing but the last bits of the logits.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from popcast.core.engine import progress
from popcast.core.section import Section
from popcast.lm import sampler
from popcast.lm.reading import Reader
from popcast.lm.token_draws import PenalisedDraws, uniform

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel, PreTrainedTokenizerFast

DROP_BELOW = 0.8
"""Share of unfinished rows below which the finished ones are dropped."""


class Decoding(Section):
    """How responses are written. The defaults are those of the sheet."""

    max_new_tokens: int = Field(256, ge=1)
    temperature: float = Field(0.7, gt=0)
    top_p: float = Field(0.9, gt=0, le=1)
    top_k: int = Field(20, ge=0, description="0: of all tokens")
    repetition_penalty: float = Field(1.2, gt=0, description="of tokens of prompt and response; 1: none")
    greedy: bool = Field(False, description="the most probable token after the penalty; nothing is drawn")
    batch_size: int = Field(16, ge=1, description="responses that are written at a time")
    buckets: bool = Field(True, description="batches of prompts of similar length")


@dataclass(frozen=True)
class RoutedPrompt:
    """Tokens of a prompt, up to where the response begins, and the region of each (``popcast.lm.pac.regions``)."""

    ids: list[int]
    regions: list[int]


@dataclass(frozen=True)
class Written:
    """A response. finish_reason: the model ended it, or it came to ``max_new_tokens``."""

    text: str
    finish_reason: Literal["end", "length"]


def write(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerFast,
    prompts: list[RoutedPrompt],
    keys: list[str],
    count: int,
    settings: Decoding,
    seed: int,
) -> list[list[Written]]:
    """``count`` responses to each prompt, in the order of the prompts. keys: a stable name of each prompt.

    Models without PAC-LoRA do not look at the regions. A prompt is read once however many responses follow it. Raises
    BadInput where a prompt has no tokens, another number of regions, or does not fit into the model with its response.
    """
    import torch

    if len(keys) != len(prompts):
        raise ValueError(f"{len(prompts)} prompts, but {len(keys)} keys")
    reader = Reader(
        model, tokenizer, [one.ids for one in prompts], regions=[one.regions for one in prompts],
        size=max(1, settings.batch_size // count), buckets=settings.buckets, room=settings.max_new_tokens,
        lower="max_new_tokens or the length of prompts",
    )  # fmt: skip
    ends = reader.ends | ({tokenizer.pad_token_id} - {None})
    written: list[list[Written]] = [[] for _ in prompts]
    for batch in progress(reader.batches, len(reader.batches), "responses"):
        asked = [int(number) for number in batch for _ in range(count)]
        seeds = [answer_seed(seed, keys[number], place % count) for place, number in enumerate(asked)]
        with torch.no_grad():
            read = reader.read(batch)
            if count > 1:
                read.repeat(count)  # the responses to one prompt stand together
            choose = _choice(settings, seeds, _seen([prompts[number].ids for number in asked], read.logits))
            limits = [settings.max_new_tokens] * len(asked)
            rows = sampler.write(read, read.logits, choose, limits, ends, drop_below=DROP_BELOW)
        for number, tokens in zip(asked, rows, strict=True):
            text = tokenizer.decode(tokens, skip_special_tokens=True, clean_up_tokenization_spaces=False)
            reason = "end" if len(tokens) < settings.max_new_tokens else "length"
            written[number].append(Written(text, reason))
    if reader.token_regions is not None:
        reader.token_regions.forget()
    return written


def answer_seed(seed: int, key: str, sample: int) -> int:
    """Seed of the draws of one response: 64 bits of SHA-256 under the three.

    >>> answer_seed(1, "case", 0) != answer_seed(1, "case", 1)
    True
    """
    return int.from_bytes(hashlib.sha256(f"{seed}\x1f{key}\x1f{sample}".encode()).digest()[:8], "big")


def _seen(prompts: list[list[int]], logits: torch.Tensor) -> torch.Tensor:
    """bool [rows, vocabulary]: which tokens stand in the prompt of each row."""
    import torch

    seen = torch.zeros(logits.shape, dtype=torch.bool)
    for row, ids in enumerate(prompts):
        seen[row, torch.tensor(ids)] = True
    return seen.to(logits.device)


def _choice(settings: Decoding, seeds: list[int], seen: torch.Tensor) -> sampler.Choice:
    """Chooses tokens of the responses with these seeds, and notes in ``seen`` which."""
    import torch

    temperature = 0.0 if settings.greedy else settings.temperature
    draws = PenalisedDraws(temperature, settings.top_p, settings.top_k, settings.repetition_penalty)

    def choose(logits, allowed, answers: list[int], step: int):
        rows = torch.tensor(answers, device=logits.device)
        chosen = draws.choose(logits, seen[rows], [uniform(seeds[answer], step) for answer in answers])
        seen[rows, chosen] = True
        return chosen

    return choose

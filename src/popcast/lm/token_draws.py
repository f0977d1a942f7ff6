"""Which token comes next: the most probable one, or a draw from what the model finds probable.

Three kinds of draws, for each shapes the bytes of what it wrote: a uniform number that meets the sums of the
probabilities (:class:`Sampling`), the same among the few most probable tokens, those that stand in the text already
made less probable (:class:`PenalisedDraws`), and the largest of logits and Gumbel noise (:class:`GumbelDraws`). The
numbers behind them depend on the answer and the token's place alone, so order and company of the answers change
nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from popcast.core.errors import BadInput

if TYPE_CHECKING:
    import torch

IN_CACHE = 1 << 15
"""Values that a processor draws from at a time; a GPU takes all."""
MASK = (1 << 64) - 1
WEYL, MIX1, MIX2 = 0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB
"""Constants of SplitMix64 (Steele, Lea, Flood 2014)."""


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


@dataclass(frozen=True)
class PenalisedDraws:
    """Draws as transformers' ``generate`` shapes them: penalty, temperature, top_k, top_p, in this order.

    temperature 0: the most probable token after the penalty. top_k: of the tokens as probable as the k-th at least; 0:
    of all. repetition_penalty: logits of tokens seen before are divided by it, or multiplied where they are below 0.
    """

    temperature: float
    top_p: float
    top_k: int
    repetition_penalty: float

    def choose(self, logits: torch.Tensor, seen: torch.Tensor, draws: list[float]) -> torch.Tensor:
        """Tokens [rows]. logits, seen (bool: stands in the text): [rows, vocabulary]; draws: see :func:`uniform`.

        Equally probable tokens come in the order of their numbers, in any company. Raises BadInput where logits are not
        finite.
        """
        import torch

        values = logits.double()
        if self.repetition_penalty != 1:
            less = torch.where(values > 0, values / self.repetition_penalty, values * self.repetition_penalty)
            values = torch.where(seen, less, values)
        best, tokens = values.max(1)
        if not torch.isfinite(best).all():
            raise BadInput("the language model computes values that are not finite: choose another dtype")
        if self.temperature == 0:
            return tokens
        values, tokens = self._few((values - best[:, None]) / self.temperature)
        if self.top_p < 1:
            values = nucleus(values, self.top_p)
        uniforms = torch.tensor(draws, dtype=torch.float64, device=logits.device)
        sums = values.exp().cumsum(1)
        below = torch.nextafter(sums[:, -1], sums.new_zeros(()))
        places = torch.searchsorted(sums, torch.minimum(uniforms * sums[:, -1], below)[:, None], right=True)
        return tokens.gather(1, places)[:, 0]

    def _few(self, values: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """The values that top_k leaves, largest first, and their tokens [rows, most of a row]; fillers are -inf."""
        import torch

        if self.top_k and self.top_k < values.shape[1]:
            kept = values >= values.topk(self.top_k, 1).values[:, -1:]
            values, tokens = values.masked_fill(~kept, -torch.inf).topk(int(kept.sum(1).max()), 1)
            tokens, order = tokens.sort(dim=1)
            values = values.gather(1, order)
            values, order = values.sort(dim=1, descending=True, stable=True)
            return values, tokens.gather(1, order)
        return values.sort(dim=1, descending=True, stable=True)


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


@dataclass(frozen=True)
class GumbelDraws:
    """The largest of logits over ``temperature`` and Gumbel noise, which is a draw from their softmax.

    noise: (number of the answer, number of the token, values) -> float64 [values].
    """

    temperature: float
    noise: Callable[[int, int, int], np.ndarray]

    def choose(self, logits: torch.Tensor, answers: list[int], step: int) -> torch.Tensor:
        """Tokens [rows] number ``step`` of ``answers``. logits: [rows, vocabulary]."""
        import torch

        added = np.stack([self.noise(answer, step, logits.shape[1]) for answer in answers])
        return (logits.double() / self.temperature + torch.from_numpy(added).to(logits.device)).argmax(-1)

"""The one writer of answers: many at a time by one language model, token by token, with or without a grammar.

A batch of prompts that was read (:class:`popcast.lm.reading.Read`, ``shared_prefix``) is gone on with: a token per
answer is chosen from the logits (``token_draws``), those that the grammar leaves out masked, until each answer is at an
end token, at its limit, or the grammar has nothing to go on with.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import numpy as np
    import torch

Choice = Callable[["torch.Tensor", "torch.Tensor | None", list[int], int], "torch.Tensor"]
"""(logits [rows, vocabulary], bool of the same shape: which are allowed, or None for all, numbers of the answers in
the rows, number of the token) -> tokens [rows]."""


class Writing(Protocol):
    """A batch of prompts behind which tokens are written, one row per answer."""

    def step(self, tokens: torch.Tensor) -> torch.Tensor:
        """Write one token per row [rows]; logits [rows, vocabulary] of the next one."""

    def keep(self, rows: torch.Tensor) -> None:
        """Go on with these rows only [rows kept], in rising order."""


class Held(Protocol):
    """A grammar that answers are held to while they are written, by their numbers."""

    def allowed(self, answers: list[int]) -> np.ndarray:
        """bool [answers, vocabulary]: which tokens may come next."""

    def take(self, answer: int, token: int) -> bool:
        """Go on by this token; whether the answer is complete. Raises BadInput where it may not come."""


def write(
    batch: Writing,
    logits: torch.Tensor,
    choose: Choice,
    limits: list[int],
    ends: set[int],
    held: Held | None = None,
    drop_below: float = 0.0,
) -> list[list[int]]:
    """Tokens of each answer before its end, [answers] lists. An answer is finished by one of ``ends`` or its limit.

    logits: [answers, vocabulary] of the first token. limits: tokens that each answer may have. held: see :class:`Held`.
    drop_below: share of unfinished rows below which the finished ones are dropped from the batch; 0: they stay, for
    the size of a batch may decide the last bits of its logits.
    """
    import torch

    written: list[list[int]] = [[] for _ in limits]
    rows = list(range(len(limits)))  # answers of the batch, in its present order
    running = set(rows)
    for step in range(max(limits)):
        active = [place for place, answer in enumerate(rows) if answer in running]
        if len(active) < drop_below * len(rows):
            kept = torch.tensor(active, device=logits.device)
            batch.keep(kept)
            logits, rows = logits[kept], [rows[place] for place in active]
            active = list(range(len(rows)))
        places = torch.tensor(active, device=logits.device)
        answers = [rows[place] for place in active]
        allowed = None if held is None else torch.from_numpy(held.allowed(answers)).to(logits.device)
        chosen = choose(logits[places], allowed, answers, step)
        for answer, token in zip(answers, chosen.tolist(), strict=True):
            ended = token in ends
            if not ended:
                written[answer].append(token)
                complete = held is not None and held.take(answer, token)
                ended = complete or len(written[answer]) >= limits[answer]
            if ended:
                running.discard(answer)
        if not running:
            break
        tokens = torch.zeros(len(rows), dtype=torch.long, device=logits.device)
        tokens[places] = chosen
        logits = batch.step(tokens)
    return written

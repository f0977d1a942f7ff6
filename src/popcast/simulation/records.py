"""What the parts of a simulation hand to one another: triggers, requests to personas, their reactions, fields."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

ACTIONS = ("nothing", "like", "post", "retweet", "reply")
"""What a persona can do, as tables name it; ``nothing`` is ``do_nothing()`` in the grammar (popsim.md 3.5)."""

NO_FIELD = "None"
"""Text field before anybody reacted."""


@dataclass(frozen=True, slots=True)
class Trigger:
    """What the audience sees of a post. Posts with the same line share one simulation."""

    line: str

    @property
    def key(self) -> str:
        """First 16 hex digits of SHA-256 of the line: name of the simulation in every table."""
        return hashlib.sha256(self.line.encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class Memory:
    """One line that a persona remembers: what a friend did."""

    author: str
    action: str
    text: str | None


@dataclass(frozen=True, slots=True)
class Reaction:
    """Answer of the persona in ``row`` in one epoch; ``ok`` False: no answer parsed, and it counts for nothing.

    score: 0 to 10. text: of post, retweet, reply; may be None (retweet). raw: the text as it was answered.
    """

    row: int
    ok: bool
    attempts: int
    action: str | None = None
    score: int | None = None
    text: str | None = None
    thought: str | None = None
    raw: str | None = None
    reason: str | None = None
    prompt_tokens: int | None = None
    output_tokens: int | None = None


@dataclass(frozen=True, slots=True)
class Field:
    """Mean field after an epoch: its words and its number (mean attitude over all personas).

    share_interested: of the answers to the last question; None before anybody was asked.
    """

    text: str = NO_FIELD
    mean_attitude: float = 0.0
    share_interested: float | None = None


@dataclass(frozen=True, slots=True)
class Request:
    """One question to a policy.

    kind ``action``: the persona in ``row`` is asked to react to the trigger; ``memories`` (oldest first) and ``field``
    are what it knows. kind ``field``: ``reactions`` (of this epoch, those that parsed, in order of rows) are to be
    summarised; row is -1. ``shown_attitude``: mean attitude that the persona is shown, None unless ``rules.expose``.
    ``similarity``: cosine of persona and trigger; ``post_similarity``: mean of the trigger's cosines over all personas.
    ``seed``: of this one answer, from (seed, run, trigger, epoch, row, attempt).
    """

    kind: str
    trigger: Trigger
    epoch: int
    row: int
    attempt: int
    seed: int
    field: Field = Field()
    similarity: float = 0.0
    memories: tuple[Memory, ...] = ()
    shown_attitude: float | None = None
    reactions: tuple[Reaction, ...] = ()
    post_similarity: float = 0.0

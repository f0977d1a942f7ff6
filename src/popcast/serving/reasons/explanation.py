"""What an explanation holds, as plain data: :class:`Explanation` and its parts. ``as_dict`` is what a server returns.

A value is in units of the forecast's log2 scale; its factor is ``2 ** value``: how many times as many (strictly: of the
count plus one where labels are log2(x + 1)). Where labels are scores, not counts, factors are null.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any


@dataclass(frozen=True)
class Contribution:
    """What one group of inputs adds. ``key``: see ``reason_groups.GROUPS``; ``name``: its words."""

    key: str
    name: str
    value: float
    factor: float | None


@dataclass(frozen=True)
class WordEffect:
    """The forecast minus the forecast of the same post without this word. ``field``: ``title`` or ``tags``."""

    field: str
    word: str
    value: float
    factor: float | None


@dataclass(frozen=True)
class SimilarPost:
    """An older post with its outcome. ``similarity``: cosine of the texts' vectors; ``count`` null for scores."""

    id: str
    author: str | None
    posted_at: datetime | None
    title: str | None
    similarity: float
    popularity: float
    count: float | None


@dataclass(frozen=True)
class Explanation:
    """``prediction = baseline + sum of the contributions' values``, to float precision.

    baseline: mean forecast of the background, a fixed sample of known posts. contributions: the largest first.
    words: those that change the forecast most when left out, the largest change first. similar: the nearest first.
    said: what could not be told, one line each.
    """

    id: str
    prediction: float
    baseline: float
    contributions: list[Contribution]
    words: list[WordEffect] = field(default_factory=list)
    similar: list[SimilarPost] = field(default_factory=list)
    said: list[str] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """JSON: the fields by their names, times as ISO 8601.

        >>> Explanation("a", 3.0, 2.0, [Contribution("time", "time", 1.0, 2.0)]).as_dict()["contributions"]
        [{'key': 'time', 'name': 'time', 'value': 1.0, 'factor': 2.0}]
        """
        found = asdict(self)
        for one in found["similar"]:
            one["posted_at"] = None if one["posted_at"] is None else one["posted_at"].isoformat()
        return found

    def __str__(self) -> str:
        return "\n".join(lines(self))


def lines(explanation: Explanation) -> list[str]:
    """The explanation for people: a line per contribution, word and similar post."""
    said = [f"{explanation.id}: {explanation.prediction:.2f}, {explanation.baseline:.2f} for some post"]
    said += [f"  {one.value:+.2f}{_times(one.factor)}  {one.name}" for one in explanation.contributions]
    said += [f"  {one.value:+.2f}{_times(one.factor)}  {one.field}: {one.word}" for one in explanation.words]
    said += [f"  like {one.title or one.id}: {one.popularity:.2f}" for one in explanation.similar]
    return [*said, *(f"  {line}" for line in explanation.said)]


def _times(factor: float | None) -> str:
    return "" if factor is None else f" x{factor:.2f}"


def factor_of(value: float, transform: str) -> float | None:
    """``2 ** value``, or None where labels are no counts.

    >>> factor_of(1.0, "log2(x+1)"), factor_of(1.0, "none")
    (2.0, None)
    """
    return None if transform == "none" else float(2.0**value)

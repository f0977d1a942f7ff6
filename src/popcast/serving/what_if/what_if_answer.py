"""What a what-if holds, as plain data: :class:`WhatIf` and its parts. ``as_dict`` is what a server returns."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

NOTE = "What goes together in the posts learned from, not what makes what: an association."


@dataclass(frozen=True)
class Option:
    """One change of the post.

    change: field -> new value, such as ``{"weekday": 5, "hour": 18}`` (Monday 0), ``{"tags": ["a"]}``, ``{"category":
    "photo"}``, ``{"length": 120}``, ``{"picture": False}`` or ``{"title": "..."}``. forecast: what the members say of
    the changed post. difference: how far held-out posts bear that out, log2 scale, with its 95 % interval; factor, and
    those of the interval's ends: ``2 **`` of them, null for scores. clear: the interval leaves out 0. posts: known
    posts with this value, null where they are not counted; below 5 all numbers but ``posts`` are null.
    """

    change: dict[str, Any]
    forecast: float | None
    difference: float | None
    lower: float | None
    upper: float | None
    factor: float | None
    lower_factor: float | None
    upper_factor: float | None
    clear: bool
    posts: int | None = None


@dataclass(frozen=True)
class LeverAnswer:
    """One thing that may be changed. found: whether the data hold anything about it; if not there are no options, and
    ``said`` is that in one line. slope: how much of the members' differences held-out posts bear out, see
    ``lever_slopes``; null where it could not be measured."""

    key: str
    name: str
    found: bool
    said: str
    slope: float | None
    options: list[Option] = field(default_factory=list)


@dataclass(frozen=True)
class WhatIf:
    """Answers about one post. prediction: of the post as it is."""

    id: str
    prediction: float
    levers: list[LeverAnswer]
    note: str = NOTE

    def as_dict(self) -> dict[str, Any]:
        """JSON: the fields by their names.

        >>> WhatIf("a", 3.0, []).as_dict()["levers"]
        []
        """
        return asdict(self)

    def lever(self, key: str) -> LeverAnswer:
        """The answer about one lever; KeyError where it was not asked about."""
        found = {one.key: one for one in self.levers}
        return found[key]

    def __str__(self) -> str:
        lines = [f"{self.id}: {self.prediction:.2f}"]
        for one in self.levers:
            lines.append(f"  {one.name}: {one.said}")
            best = sorted((o for o in one.options if o.clear), key=lambda o: -abs(o.difference))[:5]
            lines += [f"    {o.change}: {o.difference:+.2f} ({o.lower:+.2f} to {o.upper:+.2f})" for o in best]
        return "\n".join([*lines, f"  {self.note}"])

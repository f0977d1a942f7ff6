"""Pictures of what is tracked, as SVG in the page: error and coverage by week, and how far inputs have moved.

They are made of lines and words alone, so they are sharp at any width, follow the page's colours, and have the same
bytes for the same figures.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

LEFT, RIGHT, TOP, BOTTOM = 44.0, 12.0, 14.0, 26.0
WIDTH, HEIGHT = 420.0, 190.0
MOST_LABELS = 5
MOST_INPUTS, ROW, FULL = 10, 22.0, 1.0
"""Inputs that are drawn, height of each, and the index at which a bar is as long as it gets."""


@dataclass(frozen=True)
class Line:
    """``points``: "x,y ..." of one run of weeks without a gap. ``kind``: its class. ``name``: in the legend."""

    name: str
    kind: str
    points: str
    dots: list[tuple[float, float]]


@dataclass(frozen=True)
class Drawn:
    """A picture of lines over weeks. ``marks``: (y, words) at the left; ``weeks``: (x, words) below; ``level``: y of a
    dashed line, and its name."""

    title: str
    told: str
    caption: str
    lines: list[Line]
    marks: list[tuple[float, str]]
    weeks: list[tuple[float, str]]
    level: tuple[float, str] | None


@dataclass(frozen=True)
class Bars:
    """How far inputs have moved. ``rows``: (y, name, length, x of what chance reaches, words, has it moved?). ``much``:
    x of the dashed line."""

    title: str
    told: str
    caption: str
    height: float
    rows: list[tuple[float, str, float, float, str, bool]]
    much: float


START, END = 150.0, 370.0
"""Where bars begin, and where the longest ends."""


def bars_of(title: str, caption: str, inputs: Sequence[Mapping[str, Any]], much: float) -> Bars | None:
    """The inputs that have moved farthest. None: there are none."""
    shown = inputs[:MOST_INPUTS]
    if not shown:
        return None
    rows = [
        (round(TOP + ROW * at, 1), one["input"], _length(one["psi"]), START + _length(one["limit"]),
         f"{one['psi']:.2f}", one["moved"])
        for at, one in enumerate(shown)
    ]  # fmt: skip
    told = f"{title}: " + ", ".join(f"{one['input']} {one['psi']:.2f}" for one in shown)
    return Bars(title, told, caption, TOP + ROW * len(rows), rows, START + _length(much))


def _length(psi: float) -> float:
    return round(min(psi, FULL) / FULL * (END - START), 1)


def by_week(
    title: str, caption: str, weeks: Sequence[Mapping[str, Any]], columns: Mapping[str, tuple[str, str]],
    level: tuple[float, str] | None, share: bool,
) -> Drawn | None:  # fmt: skip
    """columns: key of a week -> name and class of its line. share: values are shares. None: fewer than two weeks."""
    values = [week[key] for key in columns for week in weeks if week.get(key) is not None]
    if len(weeks) < 2 or not values:
        return None
    low, high = span([*values, *([level[0]] if level else [])], share)
    step = (WIDTH - LEFT - RIGHT) / (len(weeks) - 1)

    def across(place: int) -> float:
        return round(LEFT + step * place, 1)

    def up(value: float) -> float:
        return round(TOP + (HEIGHT - TOP - BOTTOM) * (high - value) / (high - low), 1)

    lines = []
    for key, (name, kind) in columns.items():
        dots = [(across(at), up(week[key])) for at, week in enumerate(weeks) if week.get(key) is not None]
        if dots:
            lines.append(Line(name, kind, " ".join(f"{x},{y}" for x, y in dots), dots))
    form = "{:.0%}" if share else "{:.2f}"
    marks = [(up(value), form.format(value)) for value in (low, (low + high) / 2, high)]
    every = -(-len(weeks) // MOST_LABELS)
    names = [(across(at), week["week"][2:]) for at, week in enumerate(weeks) if at % every == 0]
    said = "; ".join(f"{one.name} {_told(weeks, key, form)}" for key, one in zip(columns, lines, strict=False))
    told = f"{title}, {len(weeks)} weeks from {weeks[0]['week']} to {weeks[-1]['week']}: {said}"
    return Drawn(title, told, caption, lines, marks, names, None if level is None else (up(level[0]), level[1]))


def span(values: Sequence[float], share: bool) -> tuple[float, float]:
    """Ends of the scale: round numbers around the values.

    >>> span([0.82, 0.97], True), span([1.21, 1.69], False)
    ((0.8, 1.0), (1.0, 2.0))
    """
    step = 0.1 if share else 0.5
    low, high = min(values) // step * step, -(-max(values) // step) * step
    high = min(high, 1.0) if share else high
    return round(low, 6), round(high if high > low else low + step, 6)


def _told(weeks: Sequence[Mapping[str, Any]], key: str, form: str) -> str:
    values = [week[key] for week in weeks if week.get(key) is not None]
    return f"from {form.format(min(values))} to {form.format(max(values))}"

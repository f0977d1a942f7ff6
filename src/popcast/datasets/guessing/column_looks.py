"""What the values of a column look like: numbers, times, lists, addresses, words, the same in every row.

Only a sample is looked at. A look never makes a column an input: it says whether a name may be believed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import polars as pl

from popcast.datasets.times import DayOrMonth, looks_like_time, shown_times
from popcast.datasets.values.shown_numbers import looks_like_number

SAMPLE = 4000
"""Rows looked at, evenly spaced over the file."""

_ADDRESS = r"^\s*[\[\"']*\s*(https?://|www\.|at://)|^\s*\[.*://"
_OBJECT = r"^\s*\[?\s*\{.*\}\s*\]?\s*$"
_FILE = r"(?i)\.(jpe?g|png|webp|gif|bmp|mp4|mov|avi|mkv|webm|m4v)\W*$"
_LIST = r"^\s*\[.*\]\s*$"


@dataclass(frozen=True)
class Look:
    """Shares are of the filled values. ``samples``: up to two values, as text."""

    filled: float
    distinct: int
    rows: int
    numbers: float
    times: float
    lists: float
    addresses: float
    files: float
    objects: float
    words: float
    letters: float
    samples: tuple[str, ...]

    @property
    def constant(self) -> bool:
        return self.distinct == 1 and self.rows > 1 and self.filled == 1.0

    @property
    def kind(self) -> str:
        """In words, for a table."""
        if self.distinct == 0:
            return "nothing"
        if self.times >= 0.9:
            return "times"
        if self.numbers >= 0.9:
            return "numbers"
        if self.objects >= 0.5:
            return "objects"
        if self.lists >= 0.5:
            return "lists"
        if self.addresses >= 0.5:
            return "addresses"
        if self.distinct == 1:
            return "one value"
        return "text" if self.words >= 4 or self.letters >= 30 else "names"


def sampled(columns: pl.DataFrame) -> pl.DataFrame:
    """At most SAMPLE rows, evenly spaced: the newest rows may look different from the oldest."""
    step = max(1, -(-columns.height // SAMPLE))
    return columns.gather_every(step)


def look(values: pl.Series) -> Look:
    """Look at a column: String, List(String) or a typed one."""
    lists = isinstance(values.dtype, pl.List | pl.Array)
    text = as_text(values)
    filled = text.filter(text.is_not_null())
    count = max(len(filled), 1)
    shown = filled if values.dtype.is_temporal() or lists else values
    return Look(
        filled=len(filled) / max(len(values), 1),
        distinct=filled.n_unique(),
        rows=len(values),
        numbers=0.0 if lists else looks_like_number(shown),
        times=0.0 if lists else looks_like_time(values)[0],
        lists=1.0 if lists else _share(filled, _LIST),
        addresses=_share(filled, _ADDRESS),
        files=_share(filled, _FILE),
        objects=_share(filled, _OBJECT),
        words=float(filled.str.count_matches(r"\S+").sum() or 0) / count,
        letters=float(filled.str.len_chars().mean() or 0),
        samples=tuple(filled.unique(maintain_order=True).head(2)),
    )


def as_text(values: pl.Series) -> pl.Series:
    """Values as text, null where nothing is in them."""
    if isinstance(values.dtype, pl.List | pl.Array):
        joined = values.cast(pl.List(pl.String), strict=False).list.join(", ")
        text = "[" + joined + "]"
    elif values.dtype == pl.String:
        text = values
    else:
        text = pl.Series(values.name, [None if value is None else str(value) for value in values], pl.String)
    text = text.str.strip_chars()
    return text.set(text == "", None)


def _share(text: pl.Series, pattern: str) -> float:
    return float(text.str.contains(pattern).sum()) / len(text) if len(text) else 0.0


def same_groups(one: pl.Series, other: pl.Series) -> bool:
    """Whether two columns tell the rows apart in the same way: both name the same authors, or the same posts."""
    first, second = as_text(one), as_text(other)
    pairs = pl.DataFrame({"one": first, "other": second}).n_unique()
    return pairs == first.n_unique() == second.n_unique()


def same_moments(one: pl.Series, other: pl.Series) -> bool:
    """Whether two columns of times lie less than a day apart in nearly every row: a time and its day, or two zones."""
    try:
        first, second = (shown_times(values, "auto", "UTC").moments for values in (one, other))
    except DayOrMonth:
        return False
    near = (first - second).dt.total_seconds().abs() <= 86_400
    return bool(near.count()) and near.sum() >= 0.99 * near.count()


def same_words(one: pl.Series, other: pl.Series, rows: int = 300) -> bool:
    """Whether two texts say much the same: on average half of their different words are shared."""
    shares = []
    for first, second in zip(as_text(one).head(rows), as_text(other).head(rows), strict=True):
        if first and second:
            left, right = (set(re.findall(r"\w+", text.casefold())) for text in (first, second))
            shares.append(len(left & right) / max(len(left | right), 1))
    return bool(shares) and sum(shares) / len(shares) >= 0.5

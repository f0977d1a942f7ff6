"""What every alternative text is put together from: numbers, lists of names with values, the ends of a column."""

from __future__ import annotations

from collections.abc import Iterable

import polars as pl

MOST = 6
"""Names with values that one text lists."""


def minus(value: float, places: int = 3) -> str:
    """With the sign of print; without one where it rounds to zero.

    >>> minus(-0.0301), minus(-0.0002)
    ('−0.030', '0.000')
    """
    text = f"{value:.{places}f}"
    return text.removeprefix("-") if float(text) == 0 else text.replace("-", "−")


def figure(value: float | None, places: int = 2) -> str:
    """A number as a reader wants it.

    >>> figure(-1.234), figure(None), figure(0.001)
    ('−1.23', 'not defined', '0.00')
    """
    if value is None or value != value:
        return "not defined"
    return minus(value, places)


def share(value: float | None) -> str:
    return "not defined" if value is None or value != value else f"{100 * value:.0f} %"


def listed(pairs: Iterable[tuple[object, str]], most: int = MOST) -> str:
    """``a 1.00, b 2.00 and 3 more``."""
    found = [f"{name} {value}".strip() for name, value in pairs]
    more = f" and {len(found) - most} more" if len(found) > most else ""
    return ", ".join(found[:most]) + more


def span(values: pl.Series, places: int = 2) -> str:
    """``from its least to its most``; words where there is none."""
    known = values.drop_nulls().drop_nans() if values.dtype.is_float() else values.drop_nulls()
    if not len(known):
        return "not defined"
    return f"{figure(float(known.min()), places)} to {figure(float(known.max()), places)}"

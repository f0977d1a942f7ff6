"""Columns of a user's typed file by what they are for: text, ids, numbers, times or lists; any other type is refused.

A column of parquet has any of forty types. One that could be read only by guessing (bytes, spans of time, objects) is
refused with its name and type, and never cast to whatever number stands behind it.
"""

from __future__ import annotations

from pathlib import Path

import polars as pl

from popcast.core.errors import bad_input

_WORDS = (pl.String, pl.Categorical, pl.Enum, pl.Null)
_DAYS = (pl.Date, pl.Datetime)


def text(values: pl.Series, file: Path) -> pl.Series:
    """Words, numbers, days and truth values as text."""
    if _is(values, *_WORDS, pl.Boolean, *_DAYS, pl.Time) or values.dtype.is_numeric():
        return values.cast(pl.String)
    raise _refused(values, file, "text")


def ids(values: pl.Series, file: Path) -> pl.Series:
    """Words and whole numbers as text: a fraction is no id, and a float has lost the last digits of a long one."""
    if _is(values, *_WORDS) or values.dtype.is_integer():
        return values.cast(pl.String)
    if values.dtype.is_float():
        raise _refused(values, file, "text or integers: a float has lost the last digits of a long id")
    raise _refused(values, file, "text or integers")


def number(values: pl.Series, file: Path) -> pl.Series:
    """Numbers and truth values as Float64, words as text that is still to be read."""
    if _is(values, *_WORDS):
        return values.cast(pl.String)
    if _is(values, pl.Boolean) or values.dtype.is_numeric():
        return values.cast(pl.Float64)
    raise _refused(values, file, "numbers")


def time(values: pl.Series, file: Path) -> pl.Series:
    """Days and times as they are, words and numbers as text that is still to be read."""
    if _is(values, *_DAYS):
        return values
    if _is(values, *_WORDS) or values.dtype.is_numeric():
        return values.cast(pl.String)
    raise _refused(values, file, "times, text or unix seconds")


def items(values: pl.Series, file: Path) -> pl.Series:
    """Lists as lists of text, anything else as text that is still to be read."""
    if not values.dtype.is_nested():
        return text(values, file)
    inner = getattr(values.dtype, "inner", None)
    plain = isinstance(inner, (*_WORDS, pl.Boolean)) or (inner is not None and inner.is_numeric())
    if isinstance(values.dtype, pl.List | pl.Array) and plain:
        return values.cast(pl.List(pl.String))
    raise _refused(values, file, "text or lists of text")


def _is(values: pl.Series, *kinds: type[pl.DataType]) -> bool:
    return isinstance(values.dtype, kinds)


def _refused(values: pl.Series, file: Path, expected: str):
    return bad_input(f"a column of type {values.dtype}", file=file, field=values.name, expected=expected)

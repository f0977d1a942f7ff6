"""Columns from Python values of any type, as spreadsheets and lists of dicts hold them.

A column of one type keeps it. One of several becomes text: whole numbers as their digits, days and times in ISO 8601.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import date, datetime, time
from numbers import Integral, Real

import polars as pl

from popcast.datasets.raw_files import FOREIGN
from popcast.datasets.reading.objects.json_values import plain_number, written

EXACT = 2**53
"""From here on a float does not hold every whole number: it stays one, so that it is not taken for an id."""


def column_of(name: str, values: Sequence[object], whole: bool = False) -> pl.Series:
    """A typed column. NaN, NaT and empty texts are null; truth values become text.

    whole: floats without a fraction are whole numbers, as in a spreadsheet, which has floats only.
    """
    cells = [_known(value) for value in values]
    if whole and not any(isinstance(cell, float) and abs(cell) >= EXACT for cell in cells):
        cells = [int(cell) if isinstance(cell, float) and cell.is_integer() else cell for cell in cells]
    kinds = {_kind(cell) for cell in cells} - {None}
    dtype = {(int,): pl.Int64, (float,): pl.Float64, (float, int): pl.Float64, (str,): pl.String, (): pl.String,
             (date,): pl.Date, (datetime,): None, (list,): pl.List(pl.String)}.get(
        tuple(sorted(kinds, key=lambda kind: kind.__name__)), pl.String)  # fmt: skip
    if dtype == pl.List(pl.String) and any(isinstance(item, list | dict) for cell in cells for item in cell or ()):
        dtype = pl.String
    if dtype == pl.List(pl.String):
        cells = [cell and [None if item is None else as_text(item) for item in cell] for cell in cells]
    if dtype == pl.Float64 and int in kinds and any(isinstance(cell, int) and abs(cell) > EXACT for cell in cells):
        dtype = pl.String
    if dtype == pl.String:
        return pl.Series(name, [None if cell is None else as_text(cell) for cell in cells], dtype=pl.String)
    try:
        return pl.Series(name, cells, dtype=dtype, strict=True)
    except (*FOREIGN, TypeError):
        return pl.Series(name, [None if cell is None else as_text(cell) for cell in cells], dtype=pl.String)


def as_text(value: object) -> str:
    """One value as text.

    >>> [as_text(value) for value in (True, 3.0, 17.958, ["a"])]
    ['true', '3', '17.9580', '["a"]']
    """
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < EXACT else plain_number(repr(value))
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    return written(value) if isinstance(value, list | dict) else str(value)


def _kind(value: object) -> type | None:
    if value is None:
        return None
    return next((kind for kind in (str, int, float, datetime, date, list) if isinstance(value, kind)), object)


def _known(value: object) -> object:
    """A value as one of Python's own types, None for what is not known."""
    if value is None or isinstance(value, str):
        return str(value) or None if value is not None else None
    if isinstance(value, bool) or type(value).__name__ in ("bool_", "bool"):
        return "true" if value else "false"
    if isinstance(value, Integral):
        return int(value)
    if isinstance(value, Real):
        number = float(value)
        return None if math.isnan(number) else number
    if type(value).__name__ in ("NaTType", "NAType"):
        return None
    if hasattr(value, "to_pydatetime"):
        return value.to_pydatetime(warn=False)
    if hasattr(value, "tolist"):
        return value.tolist()
    return list(value) if isinstance(value, tuple | set | frozenset) else value

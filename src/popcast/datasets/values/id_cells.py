"""Ids of posts: as they stand, unless a spreadsheet has spoilt them; a hash of the row where there is no id column."""

from __future__ import annotations

import hashlib

import polars as pl

from popcast.datasets.values.missing_words import NOBODY, blank_words

SPOILT = "an id spoilt by a spreadsheet: its last digits are lost"
ROUNDED = "ids of more than 15 digits that all end in zeros, as a spreadsheet leaves them: their last digits are lost"
EXPECTED = "ids as the platform wrote them: export again, with the column as text"

DIGITS = 15
"""A spreadsheet keeps so many digits of a number."""

CHANCE = 5
"""Zeros after the 15th digit over a whole column that are no accident: one in a hundred thousand."""

POWER, POWER_OF_MANY = (rf"^[+-]?\d{fraction}[eE]\+?\d{{1,2}}$" for fraction in (r"(?:[.,]\d+)?", r"[.,]\d+"))
FLOAT = r"^\d{16,}\.0$"
FORMULA = r"^#NAME\?$"
"""What a spreadsheet makes of an id of digits, a program of a long one, and a spreadsheet of one that begins with - or
=."""

HASH = 16
"""Hex digits of the hash of a row."""


def read_ids(values: pl.Series) -> tuple[pl.Series, pl.Series, list[str]]:
    """Ids as text, which of them are spoilt, and what was found by looking.

    >>> read_ids(pl.Series("id", ["8.55E+17", "7"]))[1].to_list()
    [True, False]
    """
    ids, said = without_point_zero(blank_words(values, NOBODY))
    return ids, ids.str.contains(f"{POWER}|{FLOAT}|{FORMULA}").fill_null(False), said


def spoilt_names(names: pl.Series) -> pl.Series:
    """Which names of authors are numbers that have lost their last digits: many authors would become one.

    >>> spoilt_names(pl.Series(["1.23E+17", "1e5", "ann"])).to_list()
    [True, False, False]
    """
    return names.str.contains(f"{POWER_OF_MANY}|{FLOAT}").fill_null(False)


def without_point_zero(values: pl.Series) -> tuple[pl.Series, list[str]]:
    """``123.0`` as 123 where every filled cell is a whole number of few digits, as a program prints a column with gaps;
    the same id in another file has no ``.0``.

    >>> without_point_zero(pl.Series("id", ["7.0", None, "8"]))[0].to_list()
    ['7', None, '8']
    """
    filled = values.drop_nulls()
    floats = filled.filter(filled.str.ends_with(".0"))
    if len(floats) == 0 or not filled.str.contains(r"^\d{1,15}(?:\.0)?$").all():
        return values, []
    return values.str.strip_suffix(".0"), [f"{values.name}: {floats[0]} and the like are read without .0"]


def rounded(ids: pl.Series) -> int | None:
    """Index of the first id where all whole ids of more than 15 digits end in zeros after the 15th; None otherwise."""
    long = ids.str.contains(rf"^[1-9]\d{{{DIGITS},}}(?:\.0)?$").fill_null(False)
    if not long.any():
        return None
    beyond = ids.filter(long).str.strip_suffix(".0").str.slice(DIGITS)
    if not beyond.str.contains(r"^0+$").all() or beyond.str.len_chars().sum() < CHANCE:
        return None
    return long.arg_max()


def row_ids(cells: pl.DataFrame, seen: dict[str, int]) -> pl.Series:
    """An id for each row out of its cells: sha256, 16 hex digits. Equal rows get ``-2``, ``-3`` ... in their order.

    cells: the mapped inputs, never an outcome. seen: how often each hash occurred so far, over both files; changed.
    """
    texts = cells.select(
        pl.col(name).cast(pl.List(pl.String)).list.join("\x1e", ignore_nulls=True)
        if isinstance(kind, pl.List | pl.Array)
        else pl.col(name).cast(pl.String)
        for name, kind in cells.schema.items()
    )
    found = []
    for row in texts.iter_rows():
        one = hashlib.sha256("\x1f".join("\x00" if cell is None else cell for cell in row).encode()).hexdigest()[:HASH]
        seen[one] = seen.get(one, 0) + 1
        found.append(one if seen[one] == 1 else f"{one}-{seen[one]}")
    return pl.Series("post_id", found, dtype=pl.String)

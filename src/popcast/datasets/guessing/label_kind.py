"""Whether a label is a count, which is forecast on the log2 scale, or a score that stays as it is."""

from __future__ import annotations

import polars as pl

from popcast.core.errors import BadInput, printable
from popcast.datasets.values.shown_numbers import number_form, read_numbers

FEW = 0.01
"""Share of labels that may be unreadable or below 0 (hidden counts, shown as -1) where the others are counts."""


def label_kind(values: pl.Series) -> tuple[str, str]:
    """The transform for a column of labels, and a sentence that says so.

    Counts from 0 get ``log2(x+1)``. Where more than a few values are below 0 or have fractions the label is a score:
    ``none``. A count shown with a sign for thousands (``1.234``) is a count.
    """
    name = printable(values.name)
    as_count = f"the label {name} is a count: forecast as log2(x+1)"
    if values.dtype.is_numeric() or values.dtype == pl.Boolean:
        numbers = values.cast(pl.Float64).fill_nan(None).drop_nulls()
        whole = numbers.filter((numbers >= 0) & (numbers % 1 == 0))
        return _kind(len(whole), len(numbers), as_count, name)
    try:
        form = number_form(values, counts=True)
    except BadInput:
        return "log2(x+1)", as_count  # both readings are open: reading the table says so, with file and row
    numbers, unreadable = read_numbers(values, form)
    filled = len(numbers) - numbers.null_count() + int(unreadable.sum())
    fractions = int(unreadable.sum())
    if fractions > FEW * filled:
        try:
            _, worse = read_numbers(values, number_form(values, counts=False))
        except BadInput:
            return "log2(x+1)", as_count
        fractions = int((unreadable & ~worse).sum())
    below = int((numbers < 0).sum())
    return _kind(filled - below - fractions, filled, as_count, name)


def _kind(counts: int, filled: int, as_count: str, name: str) -> tuple[str, str]:
    if counts >= (1 - FEW) * filled:
        return "log2(x+1)", as_count
    return "none", f"the label {name} has values below 0 or with fractions: forecast as it is, not on a log scale"

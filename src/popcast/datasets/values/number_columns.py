"""Number columns and the label of a user's table, read alike: one search for point and comma over the whole file."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from popcast.core.errors import bad_input
from popcast.core.tables import POSTS_COLUMNS
from popcast.datasets import column_types
from popcast.datasets.loading import LABEL_RANGE
from popcast.datasets.params import Table
from popcast.datasets.values.column_uses import uses
from popcast.datasets.values.count_names import counted
from popcast.datasets.values.joined_rows import JoinedRows
from popcast.datasets.values.missing_words import WORDS, blank_words
from popcast.datasets.values.number_cells import shape
from popcast.datasets.values.rejected_rows import RejectedRows
from popcast.datasets.values.shown_numbers import Evidence, NumberForm, evidence, number_form, read_numbers

PREFIXES = {"numbers": "post_", "author_numbers": "user_", "posthoc": "posthoc_"}

NUMBER = "a number, as 1234, 1,234 or 1.2K"
COUNT = "a whole number, as 1234, 1,234 or 1.2K"


@dataclass
class NumberColumns:
    """Reads the number columns of ``rows``. said: what was found by looking."""

    rows: JoinedRows
    layout: Table
    lost: RejectedRows
    said: list[str]

    def __post_init__(self) -> None:
        self.missing = WORDS | {word.lower() for word in self.layout.missing}
        self.transform = self.layout.transform
        names = [name for _, name in uses(self.layout.columns, (*PREFIXES, "label")) if name in self.rows.columns]
        self._evidence = sum(
            (evidence(self._as_shown(name), counted(name), self.missing) for name in names), Evidence()
        )

    def _as_shown(self, name: str) -> pl.Series:
        """Cells of a column that are text as shown; null where they are numbers by their type."""
        values = self.rows.columns[name]
        if values.dtype != pl.String:
            return pl.Series(name, [None] * len(values), dtype=pl.String)
        return pl.select(pl.when(pl.Series(~self.rows.exact[name])).then(values)).to_series().alias(name)

    def read(self, name: str, counts: bool, whole: bool) -> tuple[pl.Series, pl.Series]:
        """Float64 with null where nothing is known, and which cells cannot be read.

        counts: a number in ``1.234`` is rather 1234. whole: what has a fraction left cannot be read.
        """
        values = column_types.number(self.rows.columns[name], self.rows.file())
        if values.dtype != pl.String:
            numbers = values.fill_nan(None)
            unread = numbers.is_infinite()
        else:
            exact = pl.Series(self.rows.exact[name])
            shown = self._as_shown(name)
            numbers, unread = read_numbers(shown, replace(self._form(shown, counts), whole=whole))
            if exact.any():
                typed, wrong = read_numbers(values, NumberForm(missing=self.missing))
                numbers = pl.select(pl.when(exact).then(typed).otherwise(numbers)).to_series()
                unread = pl.select(pl.when(exact).then(wrong).otherwise(unread)).to_series()
        if whole:
            unread = unread.fill_null(False) | (numbers % 1 != 0).fill_null(False)
        return numbers.alias(name), unread.fill_null(False)

    def _form(self, shown: pl.Series, counts: bool) -> NumberForm:
        own = {"decimal": self.layout.decimal, "thousands": self.layout.thousands}
        form = number_form(shown, counts, self._evidence, missing=self.missing, place=self.rows.place, **own)
        if form.said is not None:
            self.said.append(form.said)
        return form

    def inputs_and_outcomes(self) -> dict[str, pl.Series]:
        """``post_*``, ``user_*`` and ``posthoc_*`` columns, named after the columns of the file."""
        found: dict[str, pl.Series] = {}
        for use, name in uses(self.layout.columns, tuple(PREFIXES)):
            prefix = PREFIXES[use]
            target = prefix + name.removeprefix(prefix)
            if target in POSTS_COLUMNS or target in found:
                raise bad_input(f"column name clashes with {target}", file=self.rows.file(), field=name)
            numbers, unread = self.read(name, counted(name), whole=False)
            self._reject(unread, name, NUMBER)
            found[target] = numbers.alias(target)
        return found

    def _reject(self, unread: pl.Series, name: str, expected: str) -> None:
        values = self.rows.columns[name]
        text = values.cast(pl.String)
        infinite = text.str.to_lowercase().str.contains(r"^\s*[+-]?inf(inity)?\s*$")
        self.lost.add(unread & infinite, "infinite value", name, values, expected)
        if expected == COUNT:
            shapes = {one: shape(one, True) for one in blank_words(text.filter(unread), ()).drop_nulls().unique()}
            fractions = [one for one, parts in shapes.items() if parts is not None]
            self.lost.add(
                unread & text.str.strip_chars().is_in(fractions), "a count with a fraction", name, values, expected
            )
        self.lost.add(unread, "not a number", name, values, expected)

    def label(self) -> pl.Series:
        """Popularity on the log2 scale; null in unlabelled rows, and in labelled ones that are to be predicted."""
        name, labelled = self.layout.columns.label, self.rows.labelled
        values = self.rows.columns[name]
        counts = self.transform != "none"
        numbers, unread = self.read(name, counts, whole=counts)
        numbers = pl.select(pl.when(labelled).then(numbers)).to_series()
        self._reject(unread & labelled, name, COUNT if counts else NUMBER)
        hidden = (numbers == -1) & counts
        if self.layout.without_label == "predict":
            numbers = pl.select(pl.when(~hidden.fill_null(False)).then(numbers)).to_series()
        else:
            self.lost.add(numbers.is_null() & labelled, "no label", name, values, "a number")
            self.lost.add(hidden & labelled, "hidden label", name, values, "a number")
        least = {"log2(x)": 1.0, "log2(x+1)": 0.0, "none": LABEL_RANGE[0]}[self.transform]
        self.lost.add((numbers < least) & labelled, "label out of range", name, values, f"at least {least:g}")
        shifted = numbers + (1.0 if self.transform == "log2(x+1)" else 0.0)
        scores = pl.select(pl.when(shifted > 0).then(shifted)).to_series().log(2.0) if counts else numbers
        most = f"at most {LABEL_RANGE[1]:g}, log2"
        self.lost.add((scores > LABEL_RANGE[1]) & labelled, "label out of range", name, values, most)
        return scores.alias("popularity")


def as_numbers(values: pl.Series) -> pl.Series:
    """Numbers as far as the cells of any column hold such, for a comparison with the label; null elsewhere."""
    if values.dtype.is_numeric():
        return values.cast(pl.Float64)
    if values.dtype.is_nested():
        values = values.list.first() if isinstance(values.dtype, pl.List) else pl.Series([None] * len(values))
    text = values.cast(pl.String)
    english, wrong = read_numbers(text, NumberForm(missing=WORDS))
    filled = len(text) - text.null_count()
    if filled == 0 or np.mean(wrong.filter(text.is_not_null()).to_numpy()) > 0.1:
        return pl.Series(values.name, [None] * len(text), dtype=pl.Float64)
    return english

"""Number columns and the label of a user's table, read alike: one search for point and comma over the whole file."""

from __future__ import annotations

from dataclasses import dataclass, replace

import polars as pl

from popcast.core.errors import BadInput, bad_input
from popcast.core.tables import POSTS_COLUMNS
from popcast.datasets import column_types
from popcast.datasets.loading import LABEL_RANGE
from popcast.datasets.params import Table
from popcast.datasets.values.cells.number_cells import shape
from popcast.datasets.values.column_uses import uses
from popcast.datasets.values.labelled_rows import PostRows
from popcast.datasets.values.missing_words import WORDS, blank_words
from popcast.datasets.values.rejected_rows import RejectedRows
from popcast.datasets.values.shown_numbers import Evidence, NumberForm, evidence, number_form, read_numbers
from popcast.datasets.values.words.count_names import counted

PREFIXES = {"numbers": "post_", "author_numbers": "user_", "posthoc": "posthoc_"}

MOST = 0.9
"""Share of the cells of a column of words that are numbers, from which it is compared with the label."""

NUMBER = "a number, as 1234, 1,234 or 1.2K"
COUNT = "a whole number, as 1234, 1,234 or 1.2K"


@dataclass
class NumberColumns:
    """Reads the number columns of ``rows``. said: what was found by looking."""

    rows: PostRows
    layout: Table
    lost: RejectedRows
    said: list[str]

    def __post_init__(self) -> None:
        self.missing = WORDS | {word.lower() for word in self.layout.missing}
        self.transform = self.layout.transform
        names = [name for _, name in uses(self.layout.columns, (*PREFIXES, "label")) if name in self.rows.columns]
        shown = [self.rows.columns[name] for name in names if self.rows.columns[name].dtype == pl.String]
        self._evidence = sum((evidence(one, counted(one.name), self.missing) for one in shown), Evidence())

    def read(self, name: str, counts: bool, whole: bool) -> tuple[pl.Series, pl.Series]:
        """Float64 with null where nothing is known, and which cells cannot be read.

        counts: a number in ``1.234`` is rather 1234. whole: what has a fraction left cannot be read.
        """
        values = column_types.number(self.rows.columns[name], self.rows.file())
        if values.dtype != pl.String:
            numbers = values.fill_nan(None)
            unread = numbers.is_infinite()
        else:
            numbers, unread = read_numbers(values, replace(self._form(values, counts), whole=whole))
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
            target = target_of(use, name)
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
        turkish = text.str.contains(r"\d\s*[Bb]\s*\+?\s*$")
        self.lost.add(unread & turkish, "B is a thousand in Turkish, a billion elsewhere", name, values, expected)
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
            lacking = int((numbers.is_null() & labelled).sum())
            self.said += [f"{name}: {lacking} rows without a label are posts to predict"] if lacking else []
        else:
            self.lost.add(numbers.is_null() & labelled, "no label", name, values, "a number")
            self.lost.add(hidden & labelled, "hidden label", name, values, "a number")
        least = {"log2(x)": 1.0, "log2(x+1)": 0.0, "none": LABEL_RANGE[0]}[self.transform]
        at_least = f"at least {least:g}" + (" (transform: log2(x+1) takes 0)" if least == 1 else "")
        self.lost.add((numbers < least) & labelled, "label out of range", name, values, at_least)
        shifted = numbers + (1.0 if self.transform == "log2(x+1)" else 0.0)
        scores = pl.select(pl.when(shifted > 0).then(shifted)).to_series().log(2.0) if counts else numbers
        most = f"at most {LABEL_RANGE[1]:g}, log2"
        self.lost.add((scores > LABEL_RANGE[1]) & labelled, "label out of range", name, values, most)
        return scores.alias("popularity")


def target_of(use: str, name: str) -> str:
    """Column of posts for a number column of the file.

    >>> target_of("author_numbers", "fans"), target_of("numbers", "post_length")
    ('user_fans', 'post_length')
    """
    return PREFIXES[use] + name.removeprefix(PREFIXES[use])


def as_numbers(values: pl.Series) -> pl.Series | None:
    """Numbers of a column of words, for a comparison with the label; None where few of its cells hold such."""
    if isinstance(values.dtype, pl.List):
        values = values.list.first()
    if values.dtype.is_nested() or values.dtype.is_temporal():
        return None
    text = values.cast(pl.String)
    filled = len(text) - text.null_count()
    if filled == 0 or text.str.contains(r"^\s*[+-]?[.,]?\d.{0,40}$").sum() < MOST * filled:
        return None
    try:
        form = number_form(text, counts=True)
    except BadInput:
        return None
    numbers, unread = read_numbers(text, replace(form, whole=False))
    return numbers if unread.sum() <= (1 - MOST) * filled else None

"""Labelled and unlabelled rows as one table, so that both are read alike: one sign for fractions, one order of days."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from popcast.core.errors import bad_input
from popcast.datasets.reading.row_table import RowTable
from popcast.datasets.reading.typed.typed_cells import as_text
from popcast.datasets.values.cells.list_cells import texts_of


@dataclass(frozen=True)
class PostRows:
    """columns: all rows, the labelled first; a column of which one part is text and the other typed is text.
    labelled: rows of the first part."""

    parts: tuple[RowTable, ...]
    columns: pl.DataFrame

    @property
    def height(self) -> int:
        return self.columns.height

    @property
    def labelled(self) -> pl.Series:
        return pl.Series(np.arange(self.height) < self.parts[0].height)

    def place(self, index: int) -> tuple[Path, int]:
        """File and row of a row of ``columns``."""
        first = self.parts[0].height
        return self.parts[0].place(index) if index < first else self.parts[1].place(index - first)

    def file(self) -> Path | None:
        """The first file, for what is wrong with a column."""
        return next((part.files[0] for part in self.parts if part.files), None)

    @property
    def said(self) -> list[str]:
        return [one for part in self.parts for one in part.said]


def joined(labelled: RowTable, unlabelled: RowTable | None) -> PostRows:
    """Rows of both; a column that only one of them has is null in the other."""
    parts = (labelled,) if unlabelled is None else (labelled, unlabelled)
    names = list(dict.fromkeys(name for part in parts for name in part.columns.columns))
    columns = {}
    for name in names:
        own = [
            _words(part.columns[name])
            if name in part.columns.columns
            else pl.Series(name, [None] * part.height, pl.Null)
            for part in parts
        ]
        columns[name] = _one(name, own, labelled.files[0] if labelled.files else None)
    return PostRows(parts, pl.DataFrame(columns))


def _words(values: pl.Series) -> pl.Series:
    """Words of a closed list are words."""
    return values.cast(pl.String) if isinstance(values.dtype, pl.Categorical | pl.Enum) else values


def _one(name: str, parts: list[pl.Series], file: Path | None) -> pl.Series:
    kinds = {one.dtype for one in parts if one.dtype != pl.Null}
    if len(kinds) > 1:
        parts = [_as_text(one, file) for one in parts]
        kinds = {pl.String()}
    kind = kinds.pop() if kinds else pl.Null()
    return pl.concat([one.cast(kind) for one in parts]).alias(name)


def _as_text(values: pl.Series, file: Path | None) -> pl.Series:
    """Cells of any type as a text file would hold them."""
    if isinstance(values.dtype, pl.String | pl.Null):
        return values
    if isinstance(values.dtype, pl.Binary | pl.Object | pl.Duration):
        problem = f"a column of type {values.dtype} in one file, of another in the next"
        raise bad_input(problem, file=file, field=values.name, expected="one type in all files")
    cells = [None if cell is None else as_text(cell) for cell in values.to_list()]
    return pl.Series(values.name, cells, dtype=pl.String)


def texts_of_objects(values: pl.Series) -> tuple[pl.Series, pl.Series]:
    """A typed column of lists of objects as lists of their texts, and which cells have an object without one."""
    lists = [None if one is None else texts_of(one) for one in values.to_list()]
    wrong = pl.Series([one is None for one in lists]) & values.is_not_null()
    return pl.Series(values.name, lists, dtype=pl.List(pl.String)), wrong

"""Labelled and unlabelled rows as one table, so that both are read alike: one sign for fractions, one order of days."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import orjson
import polars as pl

from popcast.core.errors import bad_input
from popcast.datasets.reading.row_table import RowTable
from popcast.datasets.values.list_cells import texts_of


@dataclass(frozen=True)
class JoinedRows:
    """columns: all rows, the labelled first; a column of which one part is text and the other typed is text.
    exact: column -> bool [rows], the cell is a number by its type and no text as shown. labelled: rows of the first
    part."""

    parts: tuple[RowTable, ...]
    columns: pl.DataFrame
    exact: dict[str, np.ndarray]

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


def joined(labelled: RowTable, unlabelled: RowTable | None) -> JoinedRows:
    """Rows of both; a column that only one of them has is null in the other."""
    parts = (labelled,) if unlabelled is None else (labelled, unlabelled)
    names = list(dict.fromkeys(name for part in parts for name in part.columns.columns))
    columns, exact = {}, {}
    for name in names:
        own = [
            _words(part.columns[name])
            if name in part.columns.columns
            else pl.Series(name, [None] * part.height, pl.Null)
            for part in parts
        ]
        exact[name] = np.concatenate([_exact(part, one) for part, one in zip(parts, own, strict=True)])
        columns[name] = _one(name, own, labelled.files[0] if labelled.files else None)
    return JoinedRows(parts, pl.DataFrame(columns), exact)


def _words(values: pl.Series) -> pl.Series:
    """Words of a closed list are words."""
    return values.cast(pl.String) if isinstance(values.dtype, pl.Categorical | pl.Enum) else values


def _exact(part: RowTable, values: pl.Series) -> np.ndarray:
    """Cells that are numbers by their type: typed columns, and numbers of JSON."""
    if values.dtype != pl.String:
        return np.full(part.height, values.dtype.is_numeric())
    marked = getattr(part, "json_numbers", {}).get(values.name)
    return np.zeros(part.height, bool) if marked is None else np.asarray(marked, bool)


def _one(name: str, parts: list[pl.Series], file: Path | None) -> pl.Series:
    kinds = {one.dtype for one in parts if one.dtype != pl.Null}
    if len(kinds) > 1:
        parts = [_as_text(one, file) for one in parts]
        kinds = {pl.String()}
    kind = kinds.pop() if kinds else pl.Null()
    return pl.concat([one.cast(kind) for one in parts]).alias(name)


def _as_text(values: pl.Series, file: Path | None) -> pl.Series:
    """Cells of any type as a text file would hold them."""
    if values.dtype.is_nested():
        lists = [None if one is None else orjson.dumps(one, default=str).decode() for one in values.to_list()]
        return pl.Series(values.name, lists, dtype=pl.String)
    try:
        if isinstance(values.dtype, pl.Datetime):
            zoned = values.dtype.time_zone is not None
            return (
                values.dt.convert_time_zone("UTC").dt.strftime("%FT%T%.6fZ")
                if zoned
                else values.dt.strftime("%F %T%.6f")
            )
        return values.cast(pl.String)
    except pl.exceptions.PolarsError:
        raise bad_input(
            f"a column of type {values.dtype} in one file, text in another", file=file, field=values.name
        ) from None


def texts_of_objects(values: pl.Series) -> tuple[pl.Series, pl.Series]:
    """A typed column of lists of objects as lists of their texts, and which cells have an object without one."""
    lists = [None if one is None else texts_of(one) for one in values.to_list()]
    wrong = pl.Series([one is None for one in lists]) & values.is_not_null()
    return pl.Series(values.name, lists, dtype=pl.List(pl.String)), wrong

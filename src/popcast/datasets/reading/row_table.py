"""Rows of one or several files of the same columns, each with the place that it was read from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import polars as pl

from popcast.core.errors import BadInput, bad_input


@dataclass(frozen=True)
class RejectedRow:
    """A row of a file that could not be read at all: short, long, or no JSON."""

    file: Path
    row: int
    reason: str
    """What is wrong with rows of this kind, in a few words: reasons are counted."""
    shown: str
    """How the row begins, or what was counted in it."""


MOST_REJECTED = 500_000
"""Rows of one file that may be rejected and remembered."""


def too_many_rejected(path: Path, rejected: list[RejectedRow]) -> BadInput:
    """The file is none that has rows."""
    first = rejected[0]
    problem = f"more than {len(rejected) - 1} rows that cannot be read, the first one: {first.reason}"
    return bad_input(problem, file=path, row=first.row, value=first.shown or None)


@dataclass(frozen=True)
class RowTable:
    """Rows of one or several files of the same columns.

    Cells of text files (csv, json) are text as it stands there: numbers keep their digits, an empty field is null.
    Those of parquet, xlsx and data frames have their type; truth values are the texts ``true`` and ``false`` in every
    kind of file.
    """

    columns: pl.DataFrame
    """The wanted columns: String, List(String), or as typed by parquet, xlsx or a data frame."""
    names: list[str]
    """Names of all columns there are, in order, stripped, nested ones dotted (``public_metrics.like_count``)."""
    files: list[Path]
    """Members of a zip as ``posts.zip/posts.csv``."""
    file_index: np.ndarray
    """int [rows], which of ``files``."""
    row_numbers: np.ndarray
    """int [rows], the row as an editor shows it in that file. The first line of a file is row 1: a csv's header, as a
    rule, and a row with line breaks in its fields has the number of its first line. In a json array and in parquet the
    first row is 1, in xlsx rows have the numbers of the sheet."""
    rejected: list[RejectedRow] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    """What was found by looking, one plain sentence each."""

    @property
    def height(self) -> int:
        return len(self.row_numbers)

    def place(self, index: int) -> tuple[Path, int]:
        """File and row of the row ``index`` of ``columns``."""
        return self.files[int(self.file_index[index])], int(self.row_numbers[index])


@dataclass(frozen=True)
class FileRows:
    """Rows of one file, on the way to a :class:`RowTable`."""

    path: Path
    columns: pl.DataFrame
    names: list[str]
    numbers: Sequence[int] | np.ndarray
    rejected: list[RejectedRow]
    said: list[str]
    strict: bool = True
    """Every row has every column of ``names``: not so in json, whose objects leave out what they lack."""

"""Rows of tables that Python holds already: polars and pandas data frames, lists of dicts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl

from popcast.core.errors import BadInput, bad_input
from popcast.datasets.raw_files import FOREIGN
from popcast.datasets.reading.column_names import clean_name, read_header
from popcast.datasets.reading.objects.nested_fields import NestedFields, TwiceError
from popcast.datasets.reading.row_table import FileRows
from popcast.datasets.reading.typed.typed_cells import column_of
from popcast.datasets.reading.typed.typed_columns import plain, wanted_columns


def rows_of(frame: object, path: Path) -> FileRows:
    """All columns, typed as they are; the first row is row 1. ``path`` stands for the file in errors.

    frame: a polars or pandas DataFrame, or a list of dicts. Raises BadInput for anything else, and for names that are
    there twice. The index of pandas is not read.
    """
    if isinstance(frame, pl.LazyFrame):
        frame = frame.collect()
    if isinstance(frame, pl.DataFrame):
        columns, height = frame, frame.height
    elif hasattr(frame, "iloc") and hasattr(frame, "columns"):
        columns, height = _of_pandas(frame, path), len(frame)
    elif isinstance(frame, list | tuple):
        return _of_dicts(frame, path)
    else:
        raise BadInput(f"{path}: posts of type {type(frame).__name__}: expected a DataFrame or a list of dicts")
    expressions, names = wanted_columns(columns.lazy(), path, None)
    table = plain(columns.select(expressions)) if expressions else pl.DataFrame()
    return FileRows(path, table, names, np.arange(1, height + 1), [], [])


def _of_pandas(frame, path: Path) -> pl.DataFrame:
    read_header(list(map(str, frame.columns)), path, None, None)
    columns = []
    for place, name in enumerate(map(clean_name, frame.columns)):
        values = frame.iloc[:, place]
        try:
            columns.append(pl.from_pandas(values, nan_to_null=True).alias(name))
        except (*FOREIGN, TypeError, ImportError):
            columns.append(column_of(name, values.tolist()))
    return pl.DataFrame(columns)


def _of_dicts(records: list | tuple, path: Path) -> FileRows:
    fields = NestedFields(path, None)
    rows = []
    for row, record in enumerate(records, 1):
        if not isinstance(record, dict):
            raise bad_input("not a dict", file=path, row=row, value=record)
        try:
            rows.append(fields.of(record, row))
        except TwiceError as error:
            raise bad_input("a field twice", file=path, row=row, field=str(error)) from None
    names = [name for name in fields.names if any(name in one for one in rows)]
    columns = pl.DataFrame([column_of(name, [one.get(name) for one in rows]) for name in names])
    return FileRows(path, columns, names, np.arange(1, len(rows) + 1), [], [], strict=False)

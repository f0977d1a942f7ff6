"""Rows of parquet files, typed as they are; the first is row 1."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import numpy as np
import polars as pl

from popcast.core.errors import bad_input
from popcast.datasets import raw_files
from popcast.datasets.reading.row_table import FileRows
from popcast.datasets.reading.sources import Source
from popcast.datasets.reading.typed.typed_columns import plain, wanted_columns


def read_parquet(source: Source, wanted: Collection[str] | None, most_rows: int | None) -> FileRows:
    """The wanted columns alone are read. More than :data:`raw_files.MOST_ROWS` rows are refused before."""
    path = source.path
    with source.opened() as file:
        if not (head := file.read(4)):
            raise bad_input("empty file", file=path)
    if head != b"PAR1":
        raise bad_input("not a readable parquet: does not begin with PAR1", file=path, value=head)
    place: Path | object = source.content() if source.packed else source.file
    with raw_files.readable(path, "parquet"):
        lazy = pl.scan_parquet(place) if source.packed else pl.scan_parquet(place, glob=False)
        rows = lazy.select(pl.len()).collect().item()
        if rows > raw_files.MOST_ROWS:
            raise bad_input(f"{rows} rows", file=path, expected=f"{raw_files.MOST_ROWS} at most")
        expressions, names = wanted_columns(lazy, path, wanted)
        if most_rows is not None:
            lazy, rows = lazy.head(most_rows), min(rows, most_rows)
        columns = plain(lazy.select(expressions).collect()) if expressions else pl.DataFrame()
    return FileRows(path, columns, names, np.arange(1, rows + 1), [], [])

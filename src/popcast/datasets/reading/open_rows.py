"""Open files of posts, whatever kind they are of, and hand out their rows."""

from __future__ import annotations

import csv
from collections.abc import Collection
from pathlib import Path

import numpy as np
import polars as pl

from popcast.core.errors import bad_input
from popcast.datasets.reading.file_form import FileForm
from popcast.datasets.reading.row_table import RejectedRow, RowTable

__all__ = ["FileForm", "read_rows", "rows_of_frame"]


def read_rows(
    raw: Path,
    named: str | list[str],
    wanted: Collection[str] | None,
    form: FileForm = FileForm(),
    most_rows: int | None = None,
) -> RowTable:
    """Rows of the files ``named`` below ``raw``, their ``wanted`` columns as far as there are such.

    named: path(s) or pattern(s). wanted: None for all columns. most_rows: a sample from the start.
    """
    files = [raw / name for name in ([named] if isinstance(named, str) else named)]
    frames, index, numbers, rejected, names = [], [], [], [], None
    for place, file in enumerate(files):
        if not file.is_file():
            raise bad_input("missing file", file=file)
        with file.open(encoding=form.encoding or "utf-8-sig", newline="") as text:
            reader = csv.reader(text, delimiter=form.delimiter or ",")
            header = [name.strip() for name in next(reader, [])]
            names = names or header
            rows, before = [], reader.line_num
            for row in reader:
                start, before = before + 1, reader.line_num
                if not any(row):
                    continue
                if len(row) != len(header):
                    rejected.append(RejectedRow(file, start, "short or long row", f"{len(row)}, not {len(header)}"))
                    continue
                rows.append(row)
                index.append(place)
                numbers.append(start)
        data = {
            name: pl.Series(name, [row[at] or None for row in rows], dtype=pl.String)
            for at, name in enumerate(header)
            if wanted is None or name in wanted
        }
        frames.append(pl.DataFrame(data))
    table = pl.concat(frames)
    cut = slice(0, most_rows)
    return RowTable(table[cut], names or [], files, np.array(index)[cut], np.array(numbers)[cut], rejected, [])


def rows_of_frame(frame, name: str = "posts") -> RowTable:
    """Rows of a polars or pandas DataFrame or of a list of dicts; ``name`` stands for the file in errors."""
    table = frame if isinstance(frame, pl.DataFrame) else pl.DataFrame(frame)
    rows = np.arange(1, table.height + 1)
    return RowTable(table, table.columns, [Path(name)], np.zeros(table.height, int), rows, [], [])

"""Rows of several files as one table, where they have the same columns."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import polars as pl

from popcast.core.errors import bad_input
from popcast.datasets.reading.column_names import UNNAMED
from popcast.datasets.reading.objects.json_values import written
from popcast.datasets.reading.row_table import FileRows, RowTable
from popcast.datasets.reading.typed.typed_cells import EXACT


def join(files: list[FileRows], wanted: Collection[str] | None, said: list[str]) -> RowTable:
    """One table, in the order of ``files``, the columns in that of the first one.

    Raises BadInput, with the file, for a column that one file has and another lacks. In json that holds for the wanted
    ones alone: objects leave out what they lack.
    """
    names = _names(files, wanted)
    there = {name for one in files for name in one.columns.columns}
    columns = [name for name in names if name in there]
    parts = {name: [_column(one, name) for one in files] for name in columns}
    table = pl.DataFrame([_joined(name, parts[name], files) for name in columns])
    heights = [len(one.numbers) for one in files]
    return RowTable(
        columns=table,
        names=names,
        files=[one.path for one in files],
        file_index=np.repeat(np.arange(len(files)), heights),
        row_numbers=np.concatenate([np.asarray(one.numbers, dtype=np.int64) for one in files]),
        rejected=[row for one in files for row in one.rejected],
        said=said + _gathered(files),
    )


def _names(files: list[FileRows], wanted: Collection[str] | None) -> list[str]:
    first = files[0]
    for other in files[1:]:
        mine, theirs = ({name for name in one.names if not name.startswith(UNNAMED)} for one in (first, other))
        if not (first.strict and other.strict):
            mine, theirs = ({name for name in one if name in (wanted or ())} for one in (mine, theirs))
            mine, theirs = (mine if len(first.numbers) else theirs), (theirs if len(other.numbers) else mine)
        for name in sorted(mine - theirs):
            raise bad_input("missing column", file=other.path, field=name, expected=f"the columns of {first.path.name}")
        for name in sorted(theirs - mine):
            problem = f"a column that {first.path.name} lacks"
            raise bad_input(problem, file=other.path, field=name, expected="the same columns in every file")
    return list(dict.fromkeys(name for one in files for name in one.names))


def _column(rows: FileRows, name: str) -> pl.Series:
    if name in rows.columns.columns:
        return rows.columns[name]
    return pl.Series(name, [None] * len(rows.numbers), dtype=pl.Null)


def _joined(name: str, parts: list[pl.Series], files: list[FileRows]) -> pl.Series:
    """One type for a column: text for whole numbers beside text, JSON text for lists beside text."""
    filled = [part for part in parts if part.null_count() < len(part)]
    kinds = {part.dtype for part in filled}
    if not kinds:
        kinds = {part.dtype for part in parts if part.dtype != pl.Null} or {pl.String}
    if len(kinds) == 1 or (not filled and kinds):
        target = next(iter(kinds))
    elif all(kind.is_integer() for kind in kinds):
        target = pl.Int64 if pl.UInt64 not in kinds and pl.Int128 not in kinds else pl.String
    elif all(kind.is_numeric() for kind in kinds) and not any(map(_inexact, filled)):
        target = pl.Float64
    elif all(isinstance(kind, pl.Datetime) for kind in kinds) and len({kind.time_zone for kind in kinds}) == 1:
        target = pl.Datetime("us", next(iter(kinds)).time_zone)
    elif all(isinstance(kind, pl.List) for kind in kinds):
        target = pl.List(pl.String)
    else:
        target = pl.String
    return pl.concat([_as(part, target, rows, parts) for part, rows in zip(parts, files, strict=True)]).alias(name)


def _inexact(part: pl.Series) -> bool:
    """Whether a column has whole numbers that a float does not hold."""
    return part.dtype.is_integer() and bool((part.cast(pl.Int128).abs() > EXACT).any())


def _as(part: pl.Series, target: pl.DataType, rows: FileRows, parts: list[pl.Series]) -> pl.Series:
    if part.null_count() == len(part):
        return pl.Series(part.name, [None] * len(part), dtype=target)
    if part.dtype == target:
        return part
    if target == pl.String and isinstance(part.dtype, pl.List):
        texts = [None if items is None else written(items) for items in part.cast(pl.List(pl.String)).to_list()]
        return pl.Series(part.name, texts, dtype=pl.String)
    if target == pl.String and not part.dtype.is_integer():
        other = next(one.dtype for one in parts if one.dtype != part.dtype and one.null_count() < len(one))
        problem = f"a column of type {part.dtype} that is {other} in another file"
        raise bad_input(problem, file=rows.path, field=part.name, expected="one type in every file")
    return part.cast(target)


def _gathered(files: list[FileRows]) -> list[str]:
    """What was found in each file; the same of many is said once."""
    where: dict[str, list[str]] = {}
    for one in files:
        for sentence in one.said:
            zipped = f"{one.path.parent.name}/" if one.path.parent.suffix.lower() == ".zip" else ""
            where.setdefault(sentence, []).append(zipped + one.path.name)
    return [
        f"{names[0]}{f' and {len(names) - 1} more' if len(names) > 1 else ''}: {sentence}"
        for sentence, names in where.items()
    ]

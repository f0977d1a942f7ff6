"""Columns of typed tables (parquet, polars) as rows have them: objects by dotted names, few types, NaN as null."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path

import polars as pl

from popcast.core.errors import bad_input
from popcast.datasets.reading.column_names import read_header
from popcast.datasets.reading.objects.json_values import written
from popcast.datasets.reading.typed.typed_cells import column_of

WORDS = (pl.Categorical, pl.Enum, pl.Null)


def wanted_columns(table: pl.LazyFrame, path: Path, wanted: Collection[str] | None) -> tuple[list[pl.Expr], list[str]]:
    """Expressions for the wanted columns, and the names of all, stripped and dotted.

    Raises BadInput for an object where a value is wanted, and for two columns of one name.
    """
    schema = table.collect_schema()
    leaves = list(_leaves(schema))
    header = read_header([name for name, _ in leaves], path, None, wanted)
    inner = [name for name, _ in leaves]
    for name, dtype in schema.items():
        if wanted is not None and name.strip() in wanted and isinstance(dtype, pl.Struct):
            found = [leaf for leaf in inner if leaf.startswith(f"{name}.")]
            raise bad_input("an object", file=path, field=name, expected=f"one of {', '.join(found)}")
    return [leaves[at][1].alias(name) for name, at in header.places.items()], header.names


def plain(columns: pl.DataFrame) -> pl.DataFrame:
    """Words as String, truth values as text, lists as lists or JSON text; NaN and empty texts as null."""
    return pl.DataFrame([_plain(values) for values in columns.get_columns()])


def _leaves(schema: pl.Schema) -> Iterator[tuple[str, pl.Expr]]:
    for name, dtype in schema.items():
        yield from _fields(name, pl.col(name), dtype)


def _fields(name: str, expression: pl.Expr, dtype: pl.DataType) -> Iterator[tuple[str, pl.Expr]]:
    if not isinstance(dtype, pl.Struct):
        yield name, expression
        return
    for field in dtype.fields:
        yield from _fields(f"{name}.{field.name}", expression.struct.field(field.name), field.dtype)


def _plain(values: pl.Series) -> pl.Series:
    dtype = values.dtype
    if dtype == pl.Object:
        return column_of(values.name, values.to_list())
    if isinstance(dtype, pl.Array):
        values = values.cast(pl.List(dtype.inner))
        dtype = values.dtype
    if isinstance(dtype, pl.List):
        return _plain_list(values, dtype.inner)
    if isinstance(dtype, (*WORDS, pl.Boolean)):
        return values.cast(pl.String)
    if dtype == pl.String:
        return pl.select(pl.when(values != "").then(values).alias(values.name)).to_series()
    return values.fill_nan(None) if dtype.is_float() else values


def _plain_list(values: pl.Series, inner: pl.DataType) -> pl.Series:
    if inner.is_nested() or inner == pl.Object:
        texts = [None if items is None else written(items) for items in values.to_list()]
        return pl.Series(values.name, texts, dtype=pl.String)
    return values.cast(pl.List(pl.String)) if isinstance(inner, (*WORDS, pl.Boolean)) else values

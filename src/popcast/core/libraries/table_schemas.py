"""What a table contract is written in: columns with types and rules. pandera does the checking.

pandera and what it brings (pandas, where that is installed) take half a second to import, so a schema becomes one of
pandera's when the first table is checked against it, not when its module is imported.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import polars as pl

if TYPE_CHECKING:
    import pandera.polars as pa


@dataclass(frozen=True)
class Check:
    """A rule for each value of a column: the name of one of pandera's checks and its arguments."""

    name: str
    arguments: dict[str, Any]

    @classmethod
    def ge(cls, least: float) -> Check:
        return cls("ge", {"min_value": least})

    @classmethod
    def in_range(cls, low: float, high: float) -> Check:
        """Both ends count."""
        return cls("in_range", {"min_value": low, "max_value": high})

    @classmethod
    def isin(cls, values: Collection[str]) -> Check:
        return cls("isin", {"allowed_values": values})

    @classmethod
    def str_length(cls, min_value: int) -> Check:
        return cls("str_length", {"min_value": min_value})

    @classmethod
    def str_matches(cls, pattern: str) -> Check:
        return cls("str_matches", {"pattern": pattern})


@dataclass(frozen=True)
class Column:
    """A column of a table. nullable: may have nulls; required: a table without it breaks the contract."""

    dtype: pl.DataType | type[pl.DataType]
    check: Check | None = None
    unique: bool = False
    nullable: bool = False
    required: bool = True


@dataclass(frozen=True, eq=False)
class Schema:
    """The columns of a table. strict: a column that is not named breaks the contract."""

    columns: Mapping[str, Column]
    strict: bool = False

    @cached_property
    def checker(self) -> pa.DataFrameSchema:
        """The same contract as pandera takes it."""
        import pandera.polars as pa

        columns = {
            name: pa.Column(
                column.dtype,
                None if column.check is None else getattr(pa.Check, column.check.name)(**column.check.arguments),
                unique=column.unique,
                nullable=column.nullable,
                required=column.required,
            )
            for name, column in self.columns.items()
        }
        return pa.DataFrameSchema(columns, strict=self.strict)

    def first_breach(self, table: pl.DataFrame) -> dict[str, Any] | None:
        """None if ``table`` keeps the contract, else the first row of pandera's failure cases, lazily collected."""
        from pandera.errors import SchemaErrors

        try:
            self.checker.validate(table, lazy=True)
        except SchemaErrors as error:
            return error.failure_cases.row(0, named=True)
        return None

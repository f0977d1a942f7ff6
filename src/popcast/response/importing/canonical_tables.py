"""The canonical tables of one set of responses, whatever format they came in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import polars as pl

from popcast.core import tables
from popcast.core.libraries.table_schemas import Schema
from popcast.response import response_tables as contracts

Labeller = Callable[[list[str]], list[str | None]]
"""Texts to classes of sentiment, None where a text has none."""

_TABLES = {
    "topics": (contracts.TOPICS, contracts.TOPICS_KEY),
    "responses": (contracts.RESPONSES, contracts.RESPONSES_KEY),
    "users": (contracts.USERS, contracts.USERS_KEY),
    "history": (contracts.HISTORY, contracts.HISTORY_KEY),
    "counts": (contracts.COUNTS, tables.KEY),
}
"""Table -> contract and key."""


@dataclass(frozen=True)
class Canonical:
    """Tables after their contracts, each sorted by its key; ``counts`` is None where nobody labelled sentiments.

    report: rows read, kept and rejected by format, see ``import_report``.
    """

    topics: pl.DataFrame
    responses: pl.DataFrame
    users: pl.DataFrame
    history: pl.DataFrame
    counts: pl.DataFrame | None
    report: dict


def checked(found: dict[str, pl.DataFrame | None], key: str, report: dict) -> Canonical:
    """Tables checked against their contracts, columns in their order, rows sorted. key: of the set, for errors."""
    made = {}
    for name, (schema, table_key) in _TABLES.items():
        table = found.get(name)
        if table is not None:
            facts = sorted(column for column in table.columns if column.startswith("fact_"))
            table = table.select(*schema.columns, *facts).sort(table_key)
            tables.check(table, schema, f"{key}/{name}")
        made[name] = table
    return Canonical(**made, report=report)


def frame(rows: list[dict], contract: Schema) -> pl.DataFrame:
    """Rows as a table with the types of a contract: keys that it does not name go, those that lack are null."""
    schema = {name: column.dtype for name, column in contract.columns.items()}
    return pl.DataFrame([{name: row.get(name) for name in schema} for row in rows], schema=schema)


def completed(table: pl.DataFrame, contract: Schema) -> pl.DataFrame:
    """The columns of a contract with their types, null where ``table`` has none."""
    schema = {name: column.dtype for name, column in contract.columns.items()}
    return table.select(
        (pl.col(name) if name in table.columns else pl.lit(None)).cast(dtype).alias(name)
        for name, dtype in schema.items()
    )


def class_counts(topic_ids: pl.Series, texts: pl.Series, label: Labeller) -> pl.DataFrame:
    """Table ``counts``: how many of the texts of a topic have each class. A topic without any has no row.

    topic_ids, texts [n]: one response each. Every different text is labelled once.
    """
    unique = texts.unique(maintain_order=True).drop_nulls()
    classes = pl.DataFrame({"text": unique, "sentiment": pl.Series(label(unique.to_list()), dtype=pl.String)})
    labelled = pl.DataFrame({"post_id": topic_ids, "text": texts}).join(classes, on="text").drop_nulls("sentiment")
    unknown = set(labelled["sentiment"].unique().to_list()) - set(contracts.SENTIMENTS)
    if unknown:
        raise ValueError(f"labeller: unknown classes {sorted(unknown)}")
    counts = [(pl.col("sentiment") == name).sum().cast(pl.Float64) for name in contracts.SENTIMENTS]
    return labelled.group_by("post_id").agg(pl.concat_list(counts).alias("counts").first()).sort("post_id")

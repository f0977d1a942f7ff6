"""Columns of vectors: from an array to ``Array(Float32, width)`` with null where a post has none, and back."""

from __future__ import annotations

import numpy as np
import polars as pl


def embedding_column(name: str, vectors: np.ndarray, present: np.ndarray) -> pl.Series:
    """Column ``Array(Float32, width)`` from vectors [number of present rows, width], null in all other rows.

    present: bool [rows]. Values are rounded to 6 places.
    """
    width = vectors.shape[1]
    filled = np.zeros((len(present), width), np.float32)
    filled[present] = vectors.astype(np.float32).round(6) + np.float32(0)
    column = pl.Series("vectors", filled.reshape(-1), dtype=pl.Float32).reshape((len(present), width))
    table = pl.DataFrame({"vectors": column, "present": present})
    return table.select(pl.when("present").then("vectors").alias(name)).to_series()


def embedding(column: pl.Series, missing: float = np.nan) -> np.ndarray:
    """The vectors of a column, float32 [n, width]; a post without one is a row of ``missing``."""
    width = column.dtype.size
    values = np.full((len(column), width), missing, np.float32)
    present = column.is_not_null().to_numpy()
    if present.any():
        flat = column.drop_nulls().explode(keep_nulls=True, empty_as_null=True)
        values[present] = flat.cast(pl.Float32).fill_null(float("nan")).to_numpy().reshape(-1, width)
    return values


def embedding_of(posts: pl.DataFrame, table: pl.DataFrame, missing: float = np.nan) -> np.ndarray:
    """:func:`embedding` of ``posts``, row by row. table: ``post_id`` and ``embedding``, as a derived block gets it."""
    joined = posts.select("post_id").join(table, on="post_id", how="left", maintain_order="left")
    return embedding(joined["embedding"], missing)

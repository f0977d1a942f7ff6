"""Tables of the past that grow: a block that looks at other posts gets to know more of them without being fitted again.

A post that is known already stays as it was, but for its label. What comes out is what a fit on all the posts keeps.
"""

from __future__ import annotations

import polars as pl


def with_labels(rows: pl.DataFrame, told: pl.DataFrame) -> pl.DataFrame:
    """``rows`` with the labels of ``told``, and behind them the posts that were not among them.

    rows: ``post_id``, ``popularity`` and more. told: labelled posts; a column of ``rows`` that it lacks is null.
    """
    labels = told.select("post_id", told_label=pl.col("popularity").cast(pl.Float64))
    known = rows.join(labels, on="post_id", how="left", maintain_order="left")
    known = known.with_columns(popularity=pl.coalesce("told_label", "popularity")).select(rows.columns)
    return pl.concat([known, unknown_of(rows, told)])


def unknown_of(rows: pl.DataFrame, told: pl.DataFrame) -> pl.DataFrame:
    """Those of ``told`` that are not in ``rows``, with its columns in their types; null where ``told`` has none."""
    fresh = told.join(rows.select("post_id"), on="post_id", how="anti", maintain_order="left")
    columns = [
        pl.col(name).cast(dtype) if name in fresh.columns else pl.lit(None, dtype).alias(name)
        for name, dtype in rows.schema.items()
    ]
    return fresh.select(columns)

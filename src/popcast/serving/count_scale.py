"""From the log2 scale of labels back to counts: the inverse of each label transform."""

from __future__ import annotations

import polars as pl

INVERSE: dict[str, float | None] = {"log2(x)": 0.0, "log2(x+1)": 1.0, "none": None}
"""Transform -> what it adds to a count before the logarithm; None: the label is no count."""


def with_counts(forecasts: pl.DataFrame, transform: str) -> pl.DataFrame:
    """``forecasts`` with ``<column>_count`` for ``prediction``, ``lower`` and ``upper``, where labels are counts.

    transform: of the labels. Counts are at least 0 and not rounded: the median of many posts may lie between two.

    >>> with_counts(pl.DataFrame({"prediction": [3.0], "lower": [0.0], "upper": [None]}), "log2(x+1)").row(0)
    (3.0, 0.0, None, 7.0, 0.0, None)
    """
    added = INVERSE[transform]
    if added is None:
        return forecasts
    columns = {name: pl.col(name).cast(pl.Float64) for name in ("prediction", "lower", "upper")}
    return forecasts.with_columns(
        (pl.lit(2.0).pow(column) - added).clip(lower_bound=0.0).alias(f"{name}_count")
        for name, column in columns.items()
    )

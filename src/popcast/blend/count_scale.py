"""From the log2 scale of labels back to counts: what a forecast of 7.9 means in likes."""

from __future__ import annotations

import polars as pl

from popcast.datasets.params import Dataset

DEFAULTS = {"microlens": "log2(x)", "nus": "log2(x+1)"}
"""Kinds of datasets whose labels are counts unless ``transform`` says otherwise."""


def transform_of(dataset: Dataset) -> str:
    """What brought the labels of a dataset to their scale: ``log2(x)``, ``log2(x+1)`` or ``none`` (a score)."""
    if dataset.table is not None:
        return dataset.table.transform
    return dataset.transform or DEFAULTS.get(dataset.kind, "none")


def as_counts(values: pl.Series, transform: str) -> pl.Series:
    """Counts (not rounded, at least 0) of values on the log2 scale.

    transform: ``log2(x)`` or ``log2(x+1)``. Raises ValueError for ``none``: such a label is no count.

    >>> as_counts(pl.Series([0.0, 3.0, -1.0]), "log2(x+1)").to_list()
    [0.0, 7.0, 0.0]
    """
    if transform not in ("log2(x)", "log2(x+1)"):
        raise ValueError(f"labels of transform {transform!r} are no counts")
    counts = pl.select(pl.lit(2.0).pow(values)).to_series() - (1.0 if transform == "log2(x+1)" else 0.0)
    return counts.clip(lower_bound=0.0).alias(values.name)

"""Inputs that are the label in disguise: a copy under another name, its logarithm, its rank, a number in step with it.

Such a column would be known after posting only, and every figure with it worthless.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import polars as pl

from popcast.core.errors import bad_input, shown
from popcast.datasets.values.labelled_rows import PostRows

IN_STEP = 0.98
"""Rank correlation with the label above which a column is refused."""

ENOUGH, LEAST = 30, 8
"""Posts from which a rank correlation says something, and those from which an exact copy does."""


def check_disguises(
    inputs: Iterable[tuple[str, pl.Series, bool]], label: str, popularity: pl.Series, rows: PostRows
) -> None:
    """Raise BadInput for an input that is the label under another name.

    inputs: column, its numbers as far as there are such, and whether a rank correlation alone is enough to refuse it.
    popularity: on the log2 scale, null where there is none.
    """
    for name, values, by_rank in inputs:
        both = pl.DataFrame({"x": values, "y": popularity}).drop_nulls()
        if both.height < LEAST or both["x"].n_unique() < 3 or both["y"].n_unique() < 3:
            continue
        what = _copy(both["x"].to_numpy(), both["y"].to_numpy())
        if what is None and by_rank and both.height >= ENOUGH:
            step = both.select(pl.corr(pl.col("x").rank(), pl.col("y").rank())).item()
            if abs(step) > IN_STEP:
                what = f"goes in step with it (rank correlation {step:.3f} over {both.height} posts)"
        if what is not None:
            raise bad_input(
                f"the label {shown(label)} in disguise: {what}",
                file=rows.file(),
                field=name,
                expected="it under posthoc, or left out",
            )


def _copy(values: np.ndarray, popularity: np.ndarray) -> str | None:
    """Which copy of the label ``values`` are, or None."""
    count = 2.0**popularity
    copies = {
        "it is the same number": (count, count - 1),
        "it is the same number but for one": (count + 1, count - 2),
        "it is the same number on a log scale": (popularity, popularity * np.log(2), popularity * np.log10(2)),
        "it is the same number in other units": tuple(
            copy * scale for copy in (count, count - 1) for scale in (10, 100, 1000, 0.1, 0.01, 0.001)
        ),
    }
    for name, of_kind in copies.items():
        if any(np.allclose(values, copy, rtol=1e-6, atol=1e-6) for copy in of_kind):
            return name
    return None

"""What says how sure one can be of a post: the blend's prediction, how far its members lie apart, the past, the time.

Each row depends on that row alone. No column is made of labels but what the feature blocks show of older posts.
"""

from __future__ import annotations

import numpy as np
import polars as pl

OWN = "blend"
"""Head of the columns that come from the predictions, as a block's name is the head of its own."""


def width_columns(
    features: pl.DataFrame, prediction: np.ndarray, members: np.ndarray, warm: np.ndarray
) -> pl.DataFrame:
    """The frame [n] that widths are learned from and applied to.

    features: columns ``<block>.<column>`` [n]; arrays (embeddings) are left out. prediction: of the blend [n]. members:
    predictions [n, m] of the members with a weight. warm: bool [n], whether the author has older posts.
    """
    own = {"prediction": prediction, "warm": warm.astype(np.float64)}
    if members.shape[1] > 1:
        own["spread"] = members.std(axis=1)
        own["range"] = np.ptp(members, axis=1)
        own["skew"] = np.median(members, axis=1) - prediction
    made = pl.DataFrame({f"{OWN}.{name}": pl.Series(values, dtype=pl.Float64) for name, values in own.items()})
    shown = features.select(
        name for name, dtype in features.schema.items() if "." in name and not isinstance(dtype, (pl.Array, pl.List))
    )
    return made.hstack(shown) if shown.width else made

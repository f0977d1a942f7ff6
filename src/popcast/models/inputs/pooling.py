"""One vector per post from its frames, for predictors that know no sequence (sheet mmra.md section 7).

``flat`` puts the F frame vectors side by side (F * width columns), ``mean`` and ``first`` leave ``width`` columns.
"""

from __future__ import annotations

from typing import Any, Literal, Self

import numpy as np
import polars as pl

from popcast.models.micro_video.family import MicroVideoInputs

Pool = Literal["flat", "mean", "first"]


def pooled(visual: np.ndarray, pool: Pool) -> np.ndarray:
    """Frame vectors [n, F, width] -> [n, F * width] or [n, width]."""
    if pool == "flat":
        return visual.reshape(len(visual), visual.shape[1] * visual.shape[2])  # also of no rows
    return visual[:, 0] if pool == "first" else visual.mean(axis=1)


class PooledInputs:
    """The wide frame reduced to the visual column, pooled, and the text column; null where a post has no vector.

    Arguments and errors as for :class:`popcast.models.micro_video.family.MicroVideoInputs`.
    """

    def __init__(self, visual: str | None, text: str | None, frames: int, pool: Pool) -> None:
        self.inputs, self.pool = MicroVideoInputs(visual, text, frames), pool

    def fit(self, features: pl.DataFrame, model: str) -> Self:
        self.inputs.fit(features, model)
        return self

    def transform(self, features: pl.DataFrame) -> pl.DataFrame:
        """Columns of Array(Float32), under their names: visual first."""
        found = []
        for name, values in self.inputs.transform(features).items():
            column = self.inputs.columns[name]
            values = pooled(values, self.pool) if name == "visual" else values
            dtype = pl.Array(pl.Float32, values.shape[1])
            vectors = pl.Series(column, np.ascontiguousarray(values), dtype=dtype)
            found.append(vectors.to_frame().select(pl.when(features[column].is_not_null()).then(pl.col(column))))
        return pl.concat(found, how="horizontal")

    def to_json(self) -> dict[str, Any]:
        return {"inputs": self.inputs.to_json(), "pool": self.pool}

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> Self:
        found = cls(None, None, 1, content["pool"])
        found.inputs = MicroVideoInputs.from_json(content["inputs"])
        return found

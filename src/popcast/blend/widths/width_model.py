"""A fitted model of widths: from what is known of a post to calibrated quantiles of its outcome, without pickle."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import polars as pl

from popcast.blend.widths.conformal_levels import offset_rows
from popcast.blend.widths.spread import Spread
from popcast.blend.widths.width_columns import width_columns
from popcast.blend.widths.width_shapes import Shape
from popcast.core import tables
from popcast.core.pretrained.saved_files import putting_together, read_json

FILE = "widths.json"


@dataclass(frozen=True)
class WidthModel:
    """``blocks``: feature blocks that it looks at. ``offsets``: segment -> conformal offset of each level.

    ``scores``: cross-fitted interval score on the valid part of each method that was tried. ``rows``: how many posts
    the shape was learned on (``learned``), and calibrated on by segment (``cold``, ``warm``).
    """

    coverage: float
    levels: tuple[float, ...]
    blocks: tuple[str, ...]
    shape: Shape
    offsets: dict[str, list[float]]
    scores: dict[str, float]
    rows: dict[str, int]

    @property
    def method(self) -> str:
        """``cqr``, ``normalised`` or ``constant``."""
        return self.shape.method

    @property
    def follows_posts(self) -> bool:
        """Whether it needs features at all."""
        return bool(self.shape.boosters)

    def apply(self, features: pl.DataFrame, prediction: np.ndarray, members: np.ndarray, warm: np.ndarray) -> Spread:
        """Calibrated quantiles of posts, row by row the same posts in all four; a row does not depend on the others.

        features: columns ``<block>.<column>`` [n] of ``blocks`` (more do no harm; without any columns where the model
        does not follow posts). prediction: of the blend [n]. members: predictions [n, m] of the members with a weight,
        in the order of the blend. warm: bool [n], whether the author has an older post that models learned from.
        """
        base, scale = self.shape(width_columns(features, prediction, members, warm))
        moved = base + offset_rows(self.offsets, warm) * scale[:, None]
        return spread_at(self.levels, np.sort(prediction[:, None] + moved, axis=1), self.coverage)

    def save(self, folder: Path) -> None:
        """Write ``widths.json`` and ``widths-<n>.txt`` into ``folder``."""
        content = {
            "coverage": self.coverage, "levels": self.levels, "blocks": self.blocks, "offsets": self.offsets,
            "scores": self.scores, "rows": self.rows, "method": self.method, "shape": self.shape.save(folder),
        }  # fmt: skip
        tables.write_json(content, folder / FILE)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Raises BadInput, one line: a file is missing or broken."""
        content = read_json(folder / FILE)
        with putting_together(folder / FILE):
            levels = tuple(content["levels"])
            shape = Shape.load(folder, content["method"], levels, content["shape"])
            kept = {name: content[name] for name in ("coverage", "offsets", "scores", "rows")}
            return cls(levels=levels, blocks=tuple(content["blocks"]), shape=shape, **kept)


def ends_of(levels: tuple[float, ...], coverage: float) -> tuple[int, int]:
    """Places of both ends of the nominal interval among ``levels``."""
    tail = round((1 - coverage) / 2, 9)
    return levels.index(tail), levels.index(round(1 - tail, 9))


def spread_at(levels: tuple[float, ...], quantiles: np.ndarray, coverage: float) -> Spread:
    """The spread whose interval has the nominal ``coverage``; quantiles: ascending [n, k]."""
    low, high = ends_of(levels, coverage)
    return Spread(levels, quantiles, quantiles[:, low], quantiles[:, high])

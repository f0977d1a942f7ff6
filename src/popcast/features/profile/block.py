"""Block ``profile``: what was measured after posting, e.g. crawled author totals (smp2025.md section 2, groups 12-13).

Every column here is post-hoc: an author's totals contain the later views of the post itself. No predictor gets the
block unless ``features.allow_posthoc`` is on, and every report row then says so.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Self

import polars as pl
from pydantic import Field

from popcast.core import tables
from popcast.core.errors import BadInput
from popcast.core.section import Section
from popcast.features.common.block_files import read_block
from popcast.features.common.contract import Context
from popcast.features.profile.filled_profiles import FilledProfiles

PREFIX = "posthoc_"
MEANS = {"mean_view": "total_views", "mean_tags": "total_tags", "mean_faves": "total_faves"}
"""Totals per photo of the author (HyFea group 13)."""


class Params(Section):
    zero_fill: bool = Field(False, description="0 instead of null for posts without profile, as HyFea does")
    fill: Literal["none", "predicted"] = Field(
        "none", description="predicted: missing fields guessed from those of other authors; has_profile stays 0"
    )


class Block:
    """Columns ``profile.*`` (Float64): every ``posthoc_*`` column, means per photo, ``has_profile``."""

    Params = Params

    def __init__(self, params: Params, context: Context) -> None:
        self.params = params
        self.context = context

    def fit(self, posts: pl.DataFrame, embedding: pl.DataFrame | None = None) -> Self:
        """Note which numeric ``posthoc_*`` columns have a value in the training part."""
        train = posts.filter(split="train")
        found = [name for name in sorted(train.columns) if name.startswith(PREFIX) and train[name].count()]
        self.names = [
            name.removeprefix(PREFIX)
            for name in found
            if train.schema[name].is_numeric() or train.schema[name] == pl.Boolean
        ]
        if not self.names:
            raise BadInput(
                f"{self.context.dataset}: block 'profile' needs a posthoc_ column, the training posts have none"
            )
        self.filled = FilledProfiles(self.names, PREFIX).fit(train) if self.params.fill == "predicted" else None
        return self

    def transform(self, posts: pl.DataFrame, embedding: pl.DataFrame | None = None) -> pl.DataFrame:
        """``post_id`` and ``profile.*``, one row per post, same order; a mean is null where the photo count is 0."""
        table = posts.select(
            "post_id",
            *[
                pl.col(PREFIX + name).cast(pl.Float64).alias(name)
                if PREFIX + name in posts.columns
                else pl.lit(None, dtype=pl.Float64).alias(name)
                for name in self.names
            ],
        )
        known = table.select(known=pl.any_horizontal(pl.col(self.names).is_not_null()).cast(pl.Float64)).to_series()
        if self.filled is not None:
            guesses = self.filled.guesses(posts)
            table = table.with_columns(pl.col(name).fill_null(guess) for name, guess in guesses.items())
        photos = pl.col("photo_count")
        means = [
            pl.when(photos > 0).then(pl.col(total) / photos).alias(mean)
            for mean, total in MEANS.items()
            if total in self.names and "photo_count" in self.names
        ]
        table = table.with_columns(*means, known.alias("has_profile"))
        if self.params.zero_fill:
            table = table.with_columns(pl.exclude("post_id").fill_null(0.0))
        return table.select("post_id", pl.exclude("post_id").name.prefix("profile."))

    def save(self, folder: Path) -> None:
        filled = {} if self.filled is None else {"filled": self.filled.as_dict()}
        tables.write_json({"params": self.params.model_dump(), "names": self.names, **filled}, folder / "state.json")

    @classmethod
    def load(cls, folder: Path, context: Context) -> Self:
        block, state = read_block(cls, folder / "state.json", context)
        block.names = state["names"]
        block.filled = FilledProfiles.from_dict(state["filled"], block.names, PREFIX) if "filled" in state else None
        return block

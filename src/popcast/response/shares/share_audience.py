"""What a simulated audience says about shares: its scores of interest, in bands, as one more reference row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import polars as pl

from popcast.core import tables
from popcast.core.errors import bad_input

SENTIMENT_BANDS = {"negative": (0, 3), "neutral": (4, 6), "positive": (7, 10)}
"""Scores from 0 to 10 of each class of sentiment: an interest below 4 counts as dislike, above 6 as liking."""
SMOOTHING = 0.5
"""Added to every class count: an audience of ten leaves classes empty by chance."""


def audience_shares(
    folder: Path, post_ids: Sequence[str], classes: Sequence[str], bands: Mapping[str, tuple[int, int]] | None
) -> tuple[np.ndarray | None, str | None]:
    """Shares [n, classes] of the simulation in ``folder`` (data/simulation/<key>), NaN where a post was not simulated.

    All parsed reactions of all runs and epochs count, each by the band that its score falls into. bands: class ->
    lowest and highest score; None: ``SENTIMENT_BANDS`` where the classes are those of sentiment. Returns None and why
    where there is no such row: no simulation, no map of scores to the classes, or no simulated post among them.
    Raises BadInput for a band of no class and for bands that share a score.
    """
    if bands is None and set(classes) == set(SENTIMENT_BANDS):
        bands = SENTIMENT_BANDS
    if bands is None:
        return None, f"no map of scores to the classes {list(classes)}"
    _check(bands, classes)
    files = sorted((folder / "reactions").glob("*.parquet"))
    if not (folder / "triggers.parquet").exists() or not files:
        return None, f"no simulation in {folder}"
    triggers = tables.read(folder / "triggers.parquet", tables.TRIGGERS).select("post_id", "trigger")
    reactions = pl.concat(tables.read(file, tables.REACTIONS).select("trigger", "score") for file in files)
    chosen = {name: pl.col("score").is_between(*bands[name]).sum().cast(pl.Float64) for name in classes}
    counted = reactions.drop_nulls("score").group_by("trigger").agg(**chosen)
    counted = triggers.join(counted, on="trigger", how="inner")
    found = pl.DataFrame({"post_id": post_ids}).join(counted, on="post_id", how="left", maintain_order="left")
    counts = found.select(classes).to_numpy() + SMOOTHING
    if np.isnan(counts).all():
        return None, f"the simulation in {folder} holds none of these posts"
    return counts / counts.sum(axis=1, keepdims=True), None


def _check(bands: Mapping[str, tuple[int, int]], classes: Sequence[str]) -> None:
    taken: set[int] = set()
    for name in [*bands, *(name for name in classes if name not in bands)]:
        if name not in classes or name not in bands:
            raise bad_input("bands of scores: one for each class", field=name, expected=f"{list(classes)}")
        low, high = bands[name]
        scores = set(range(low, high + 1))
        if not scores or taken & scores or low < 0 or high > 10:
            raise bad_input("band of scores", field=name, value=[low, high], expected="0 to 10, none in two bands")
        taken |= scores

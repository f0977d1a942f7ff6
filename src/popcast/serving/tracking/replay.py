"""The test part played once more: its forecasts one after the other in time, as if each had been kept.

``track.json`` in a bundle has the form of what ``popcast track`` says, so that a reader knows before the first own
forecast what to expect: how far the error moves from week to week, which inputs drift, and what intervals that follow
outcomes would have held. An outcome comes in when its post is ``maturity_days`` old. The models are those of the
pipeline, fitted before.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from popcast.blend.blending import Blend, gather
from popcast.blend.drift import model_age
from popcast.blend.segments import blend_segments, history_length
from popcast.blend.widths.held_out_posts import wide_features
from popcast.blend.widths.spread import Spread
from popcast.core import tables
from popcast.serving.tracking.adaptive_widths import ALL, AdaptiveWidths, reach_in
from popcast.serving.tracking.post_inputs import authors_of, inputs_of, reference_of
from popcast.serving.tracking.refit_verdict import verdict
from popcast.serving.tracking.stability_index import moved_inputs
from popcast.serving.tracking.track_figures import by_week, drift_of, figures

FILE = "track.json"


@dataclass(frozen=True)
class Played:
    """What is played. posts: joined with ``split`` and ``fold``. predictions: member -> prediction table. features:
    block -> table of all posts, for the widths."""

    dataset: str
    posts: pl.DataFrame
    blend: Blend
    predictions: Mapping[str, pl.DataFrame]
    features: Mapping[str, pl.DataFrame]
    final_fit: str
    allow_posthoc: bool
    zone: str
    seed: int
    maturity_days: float


def write_replay(folder: Path, played: Played) -> None:
    """``track.json``, the same bytes for the same tables."""
    tables.write_json(replay(played), folder / FILE)


def replay(played: Played) -> dict[str, Any]:
    """Keys as :func:`popcast.serving.tracking.tracked_forecasts.tracked` has them; ``test`` is the valid part here,
    ``adapted`` the figures of intervals that follow outcomes, and weeks have their coverage as ``adapted``."""
    rows, spread = forecasts_of(played)
    part = rows["split"].to_numpy()
    valid, test = rows.filter(split="valid"), rows.filter(split="test")
    nominal, learned = played.blend.nominal, played.posts.filter(split="train")
    adapted = None
    if spread is not None and test.height and not test["posted_at"].null_count():
        order = np.flatnonzero(part == "test")
        test = follow(test, _rows_of(spread, order), nominal, played.maturity_days)
        ends = test.with_columns(lower="adapted_lower", upper="adapted_upper")
        whole = figures(ends, nominal, played.seed)
        adapted = {name: whole[name] for name in ADAPTED}
    numbers = figures(test, nominal, played.seed) if test.height else None
    before = figures(valid, nominal, played.seed) if valid.height else {}
    drift = drift_of(test)
    reference = reference_of(inputs_of(learned, played.zone), authors_of(learned["user_id"]))
    asked = played.posts.join(test.select("post_id"), on="post_id", how="semi")
    moved = (
        moved_inputs(reference, inputs_of(asked, played.zone), authors_of(asked["user_id"])) if test.height else None
    )
    return {
        "dataset": played.dataset, "kept": test.height, "against": "valid part",
        "counts": {"compared": test.height, "waiting": 0}, "figures": numbers, "test": before,
        "weeks": by_week(test, played.zone), "drift": drift, "inputs": moved, "adapted": adapted,
        "verdict": verdict(numbers or {}, before, drift, moved, "valid part"), "notes": [],
    }  # fmt: skip


ADAPTED = ("coverage", "coverage_low", "coverage_high", "half_width", "interval_score")


def forecasts_of(played: Played) -> tuple[pl.DataFrame, Spread | None]:
    """Labelled posts of the valid and the test part in the order of time, with ``prediction``, ``lower``, ``upper`` and
    ``warm``, and their spread, by the blend of the bundle."""
    blend, posts = played.blend, played.posts
    keys, x = gather({name: played.predictions[name] for name in blend.members})
    facts = (
        keys.join(blend_segments(posts, played.final_fit, played.allow_posthoc), on="post_id", how="left")
        .join(model_age(posts, played.final_fit), on="post_id", how="left")
        .join(history_length(posts, played.final_fit), on="post_id", how="left")
        .join(posts.select("post_id", "user_id", "posted_at", "popularity"), on="post_id", how="left")
        .with_columns(warm=pl.col("history_length").fill_null(0) > 0)
        .sort("post_id")
        .with_row_index("place")
    )
    wanted = facts.filter(pl.col("split").is_in(["valid", "test"]) & pl.col("popularity").is_not_null())
    wanted = wanted.sort("posted_at", "post_id")
    place, x = wanted["place"].to_numpy(), x[wanted["place"].to_numpy()]
    prediction = blend.predict(x, wanted["segment"].to_numpy(), wanted["age"].to_numpy().astype(np.float64))
    prediction = np.round(prediction, 6)
    spread = None
    if blend.widths is not None and len(place):
        shown = {name: played.features[name] for name in blend.widths.blocks}
        wide = wide_features(shown, wanted["post_id"])
        spread = blend.spread(prediction, x, wide, wanted["warm"].to_numpy())
    none = pl.lit(None, pl.Float64)
    ends = {"lower": none, "upper": none} if spread is None else {
        "lower": pl.Series(spread.lower.round(6)), "upper": pl.Series(spread.upper.round(6))}  # fmt: skip
    columns = ("post_id", "split", "user_id", "posted_at", "popularity", "warm")
    return wanted.select(columns).with_columns(prediction=pl.Series(prediction), **ends), spread


def follow(rows: pl.DataFrame, spread: Spread, coverage: float, maturity_days: float) -> pl.DataFrame:
    """``rows`` (in the order of time) with ``adapted_lower``, ``adapted_upper`` and ``adapted`` (was the outcome
    inside?) of intervals that follow the outcomes which were old enough by then."""
    state, warm = AdaptiveWidths.start(coverage), rows["warm"].to_numpy()
    reach = reach_in(spread, rows["popularity"].to_numpy())
    times, delay = rows["posted_at"].to_list(), timedelta(days=maturity_days)
    lower, upper, taken = [], [], 0
    for place, moment in enumerate(times):
        while times[taken] + delay <= moment and taken < place:
            state = state.after([(bool(warm[taken]), float(reach[taken]))])
            taken += 1
        one = _rows_of(spread, np.array([place]))
        one = state.applied(one, warm[place : place + 1]) if state.states[ALL].seen else one
        lower.append(round(float(one.lower[0]), 6))
        upper.append(round(float(one.upper[0]), 6))
    found = rows.with_columns(adapted_lower=pl.Series(lower), adapted_upper=pl.Series(upper))
    return found.with_columns(adapted=pl.col("popularity").is_between("adapted_lower", "adapted_upper"))


def _rows_of(spread: Spread, rows: np.ndarray) -> Spread:
    return Spread(spread.levels, spread.quantiles[rows], spread.lower[rows], spread.upper[rows])

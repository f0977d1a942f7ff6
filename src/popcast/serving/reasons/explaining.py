"""Contributions of groups of inputs to a forecast: exact Shapley values of the whole blend against a background.

The game: what the forecast would be on average if only these groups were the post's own, the others those of a post of
the background. All coalitions are played through the members, the blend's segments and its floor, so contributions
add up to the forecast whatever the members are. The trees' own SHAP values would be exact for each ensemble only: not
for networks, text scores, clipped stackers, weights that differ by segment, or the floor.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl

from popcast.serving.reasons.background import POSTS, background
from popcast.serving.reasons.explanation import Contribution, Explanation, WordEffect, factor_of
from popcast.serving.reasons.left_out_words import words_of
from popcast.serving.reasons.mixed_posts import Forecasting, Seen, predicted, seen, stacked
from popcast.serving.reasons.mixed_predictions import predicted_mixed
from popcast.serving.reasons.reason_groups import GROUPS
from popcast.serving.reasons.shapley import coalitions, shapley_values
from popcast.serving.reasons.similar_posts import similar_to


def explained(
    forecast: Forecasting, posts: pl.DataFrame, media: Path | None = None, against: int = POSTS, words: bool = True
) -> list[Explanation]:
    """One explanation per post, in their order; it depends on that post alone.

    posts: columns of the ``posts`` table. media: folder of the files that ``media`` names. against: posts of the
    background, fewer are faster. words: whether words are left out one by one. BadInput, one line: the bundle has no
    background.
    """
    if not posts.height:
        background(forecast, against)
        return []
    prepared = forecast.prepared(posts)
    asked = seen(forecast, prepared, media)
    effects = words_of(forecast, prepared, media) if words else None
    found = explained_rows(forecast, asked, against, effects)
    return [replace(one, id=name) for one, name in zip(found, posts["post_id"], strict=True)]


def explained_rows(
    forecast: Forecasting, asked: Seen, against: int = POSTS, effects: list[list[WordEffect]] | None = None
) -> list[Explanation]:
    """As :func:`explained`, of posts whose features are known. effects: of the words of each post [n], None: none."""
    some = background(forecast, against)
    nothing = float(predicted(forecast, some).mean())
    similar = similar_to(forecast, asked.posts, asked.features)
    said = _said(forecast)
    whole = predicted(forecast, asked)
    effects = effects or [[] for _ in whole]
    found = []
    for row, name in enumerate(asked.posts["post_id"]):
        rows = stacked(asked.row(row), some)
        groups = rows.groups()
        values = coalition_values(forecast, rows, groups)
        values[0], values[-1] = nothing, whole[row]
        shares = contributions(shapley_values(values), groups, forecast.contents.transform)
        prediction = float(whole[row])
        found.append(Explanation(name, prediction, nothing, shares, effects[row], similar[row], said))
    return found


def coalition_values(forecast: Forecasting, rows: Seen, groups: list[str]) -> np.ndarray:
    """Mean forecast [2**groups] with the groups of each coalition from the first of ``rows``, the others from each of
    the rest."""
    own, count = coalitions(len(groups)), len(rows.segment) - 1
    others = np.tile(np.arange(1, count + 1), len(own))
    taken = {group: np.where(np.repeat(own[:, i], count), 0, others) for i, group in enumerate(groups)}
    found = predicted_mixed(forecast, rows, np.zeros_like(others), taken)
    return found.reshape(len(own), count).mean(axis=1)


def contributions(values: np.ndarray, groups: list[str], transform: str) -> list[Contribution]:
    """The groups with their values, the largest first."""
    order = sorted(range(len(groups)), key=lambda i: (-abs(values[i]), i))
    return [
        Contribution(groups[i], GROUPS[groups[i]], float(values[i]), factor_of(float(values[i]), transform))
        for i in order
    ]


def _said(forecast: Forecasting) -> list[str]:
    if "text" not in {one.block for one in forecast.contents.blocks}:
        return ["no similar posts: nothing of this bundle compares texts"]
    return []

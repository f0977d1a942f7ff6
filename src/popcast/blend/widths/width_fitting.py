"""Learn widths from held-out residuals, and choose among methods by what their intervals cost on posts held out again.

The posts are cut into folds of whole authors. The valid posts of a fold are predicted by a shape that learned from the
other folds, as a new author's would be; the conformal offsets come from these scores (cross-conformal, Vovk 2015). A
method is judged on each fold with offsets of the other folds. No label of the test part takes part anywhere.
"""

from __future__ import annotations

import numpy as np
import polars as pl

from popcast.blend.widths import conformal_levels
from popcast.blend.widths.conformal_levels import COLD, WARM, levels_for, offset_rows, offsets
from popcast.blend.widths.held_out_posts import HeldOut, held_out_posts
from popcast.blend.widths.params import Widths
from popcast.blend.widths.width_model import WidthModel, ends_of
from popcast.blend.widths.width_shapes import Shape, fit_shape
from popcast.blend.widths.winkler_score import interval_scores

FOLLOWING = ("cqr", "normalised")
"""Methods whose widths follow the post, in the order of precedence where two cost the same."""


def learn_widths(
    posts: pl.DataFrame, predicted: pl.DataFrame, members: np.ndarray, features: dict[str, pl.DataFrame],
    half_width: float, coverage: float, section: Widths, seed: int,
) -> WidthModel:  # fmt: skip
    """The widths of a blend.

    posts: ``posts`` with ``split`` and ``warm``. predicted: ``post_id`` and ``prediction`` of the blend, held out for
    valid posts, row by row as members [n, m]. features: block -> its table of posts. half_width: the one width for all,
    and what is taken where too little is there to learn from: see :func:`fit_widths`.
    """
    labels = posts.select("post_id", label=pl.when(split="valid").then("popularity"))
    valid = predicted.join(labels, on="post_id").select(pl.col("label") - pl.col("prediction")).to_series().drop_nulls()
    if section.method == "constant" or len(valid) < section.least_posts:
        return one_width(valid.to_numpy(), half_width, coverage)
    held = held_out_posts(posts, predicted, members, features, section, seed)
    return fit_widths(held, half_width, coverage, tuple(features), section, seed)


def fit_widths(
    held: HeldOut, half_width: float, coverage: float, blocks: tuple[str, ...], section: Widths, seed: int
) -> WidthModel:
    """Widths from held-out residuals; one width for all with fewer than ``section.least_posts`` valid posts, with
    columns or residuals that are all the same, and where nothing else costs less. blocks: what the columns come from.
    """
    constant = one_width(held.residual[held.calibrates], half_width, coverage)
    levels = levels_for(coverage)
    if section.method == "constant" or held.calibrates.sum() < section.least_posts or len(np.unique(held.fold)) < 2:
        return constant
    methods = FOLLOWING if section.method == "auto" else (section.method,)
    kept = _drawn(held, section, seed)
    found = {name: _cross_fitted(name, levels, held, kept, section, seed) for name in methods}
    found["constant"] = np.zeros((len(held.fold), len(levels))), np.ones(len(held.fold))
    costs = {name: _cost(held, levels, coverage, *of, section) for name, of in found.items()}
    costs = {name: round(cost, 6) for name, cost in costs.items() if cost is not None}
    best = min(methods, key=lambda name: costs.get(name, np.inf))
    if best not in costs or (section.method == "auto" and costs[best] >= costs.get("constant", np.inf)):
        return one_width(held.residual[held.calibrates], half_width, coverage, costs)
    rows = held.part(kept)
    shape = fit_shape(best, levels, rows.columns, rows.residual, section, seed)
    if not shape.boosters:
        return constant
    scores = _scores(held, *found[best])
    warm = held.warm[held.calibrates]
    moved = offsets(scores[held.calibrates], warm, levels, section.least_segment)
    counts = {"learned": len(kept), COLD: int((~warm).sum()), WARM: int(warm.sum())}
    return WidthModel(coverage, levels, blocks, shape, moved, costs, counts)


def one_width(
    residual: np.ndarray, half_width: float, coverage: float, costs: dict[str, float] | None = None
) -> WidthModel:
    """The same width for all posts: ``half_width`` to both sides at the nominal ends, and between them quantiles of the
    residuals [n], as far as there are enough of them."""
    tail = round((1 - coverage) / 2, 9)
    found = {level: conformal_levels.conformal_quantile(residual, level) for level in levels_for(coverage)}
    found |= {tail: -half_width, round(1 - tail, 9): half_width}
    found = {level: round(value, 6) for level, value in found.items() if value is not None}
    # The ends may lie anywhere between skewed quantiles: what is further out stays further out.
    inner = {
        level: min(max(value, -half_width), half_width) if tail < level < 1 - tail
        else (min(value, -half_width) if level <= tail else max(value, half_width))
        for level, value in found.items()
    }  # fmt: skip
    levels = tuple(sorted(inner))
    moved = [inner[level] for level in levels]
    counts = {"learned": 0, COLD: 0, WARM: 0, "all": len(residual)}
    return WidthModel(coverage, levels, (), Shape("constant", levels), {COLD: moved, WARM: moved}, costs or {}, counts)


def _drawn(held: HeldOut, section: Widths, seed: int) -> np.ndarray:
    """Row numbers that shapes learn from: all, or ``section.most_posts`` of them."""
    count = len(held.residual)
    if count <= section.most_posts:
        return np.arange(count)
    return np.sort(np.random.default_rng(seed).permutation(count)[: section.most_posts])


def _cross_fitted(
    method: str, levels: tuple[float, ...], held: HeldOut, kept: np.ndarray, section: Widths, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """base [n, k] and scale [n] of the valid posts by shapes that learned from the other folds; else NaN."""
    fold = held.fold
    base, scale = np.full((len(fold), len(levels)), np.nan), np.full(len(fold), np.nan)
    for number in np.unique(fold[held.calibrates]):
        rows = held.part(kept[fold[kept] != number])
        asked = held.calibrates & (fold == number)
        shape = fit_shape(method, levels, rows.columns, rows.residual, section, seed)
        base[asked], scale[asked] = shape(held.columns.filter(pl.Series(asked)))
    return base, scale


def _scores(held: HeldOut, base: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """Conformity scores [n, k]: how far a residual lies above the shape's quantile, in units of the post's scale."""
    return (held.residual[:, None] - base) / scale[:, None]


def _cost(
    held: HeldOut, levels: tuple[float, ...], coverage: float, base: np.ndarray, scale: np.ndarray, section: Widths
) -> float | None:
    """Mean interval score of the valid posts, each fold with offsets of the others; None: a fold is too small."""
    scores, low, high = _scores(held, base, scale), *ends_of(levels, coverage)
    costs, fold = [], held.fold
    for number in np.unique(fold[held.calibrates]):
        asked, others = held.calibrates & (fold == number), held.calibrates & (fold != number)
        moved = offsets(scores[others], held.warm[others], levels, section.least_segment)
        if moved is None:
            return None
        found = np.sort(base[asked] + offset_rows(moved, held.warm[asked]) * scale[asked, None], axis=1)
        costs.append(interval_scores(held.residual[asked], found[:, low], found[:, high], coverage))
    return float(np.concatenate(costs).mean())

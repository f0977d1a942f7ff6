"""Learn widths from held-out residuals, and choose among methods by what their intervals cost on posts held out again.

The valid posts are cut into folds of time, or of authors. Those of a fold are predicted by a shape that learned from
the other folds and from the training part, which holds older posts of their authors as it will of posts to come. The
conformal offsets come from these scores (cross-conformal, Vovk 2015). A method is judged on each fold with offsets of
the other folds. No label of the test part takes part anywhere.
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
"""Methods whose widths follow the post. The first is taken unless the other costs less by more than a standard error:
quantiles learned as such stay within what was seen, a scale is multiplied on and may run away where posts drift."""


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
    costs = {name: _costs(held, levels, coverage, *of, section) for name, of in found.items()}
    costs = {name: cost for name, cost in costs.items() if cost is not None}
    means = {name: round(float(cost.mean()), 6) for name, cost in costs.items()}
    best = _best({name: costs[name] for name in methods if name in costs}, held)
    if best is None or (section.method == "auto" and means[best] >= means.get("constant", np.inf)):
        return one_width(held.residual[held.calibrates], half_width, coverage, means)
    rows = held.part(kept)
    shape = fit_shape(best, levels, rows.columns, rows.residual, section, seed)
    if not shape.boosters:
        return constant
    scores = _scores(held, *found[best])
    warm = held.warm[held.calibrates]
    author = held.author[held.calibrates]
    moved = offsets(scores[held.calibrates], warm, author, levels, section.least_segment)
    counts = {"learned": len(kept), COLD: int((~warm).sum()), WARM: int(warm.sum())}
    return WidthModel(coverage, levels, blocks, shape, moved, means, counts)


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
    """base [n, k] and scale [n] of the valid posts by shapes that learned none of their fold; else NaN."""
    fold = held.fold
    base, scale = np.full((len(fold), len(levels)), np.nan), np.full(len(fold), np.nan)
    for number in np.unique(fold[held.calibrates]):
        rows = held.part(kept[(fold[kept] != number) | ~held.calibrates[kept]])
        asked = held.calibrates & (fold == number)
        shape = fit_shape(method, levels, rows.columns, rows.residual, section, seed)
        base[asked], scale[asked] = shape(held.columns.filter(pl.Series(asked)))
    return base, scale


def _scores(held: HeldOut, base: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """Conformity scores [n, k]: how far a residual lies above the shape's quantile, in units of the post's scale."""
    return (held.residual[:, None] - base) / scale[:, None]


def _costs(
    held: HeldOut, levels: tuple[float, ...], coverage: float, base: np.ndarray, scale: np.ndarray, section: Widths
) -> np.ndarray | None:
    """Interval score of each valid post, each fold with offsets of the others; None: a fold is too small."""
    scores, low, high = _scores(held, base, scale), *ends_of(levels, coverage)
    costs, fold = np.full(len(held.fold), np.nan), held.fold
    for number in np.unique(fold[held.calibrates]):
        asked, others = held.calibrates & (fold == number), held.calibrates & (fold != number)
        moved = offsets(scores[others], held.warm[others], held.author[others], levels, section.least_segment)
        if moved is None:
            return None
        found = np.sort(base[asked] + offset_rows(moved, held.warm[asked]) * scale[asked, None], axis=1)
        costs[asked] = interval_scores(held.residual[asked], found[:, low], found[:, high], coverage)
    return costs[held.calibrates]


def _best(costs: dict[str, np.ndarray], held: HeldOut) -> str | None:
    """The first method, or one that costs less by more than a standard error, which the folds give."""
    if not costs:
        return None
    best, *others = costs
    fold = held.fold[held.calibrates]
    for name in others:
        gains = np.array([(costs[best] - costs[name])[fold == number].mean() for number in np.unique(fold)])
        if gains.mean() > gains.std(ddof=1) / np.sqrt(len(gains)):
            best = name
    return best

"""How near predicted shares come to the real ones, beside reference rows, with intervals over authors (sheet
socialalign.md section 10).

Jensen-Shannon divergence (base 2) is the primary score. Only posts with at least ``least`` reactions are scored: the
shares of three reactions are mostly chance. ``noise`` is the divergence of two random halves of the same reactions, a
floor that no prediction gets far below.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from popcast.response.judging.share_distances import jsd, normalised, total_variation, wasserstein
from popcast.response.shares.params import ShareSettings
from popcast.response.shares.share_items import Items
from popcast.scoring.bootstrap import Clusters, clusters_of, draw_counts, interval, paired_difference

MODEL = "model"
LEAST_SHARE = 1e-6
"""A share that the logarithm takes for 0."""
NOISE_DRAWS = 5
MOST_DRAWN = 1e8
"""Reactions of a post beyond which halves do not differ, and the generator of numpy gives up."""


def share_scores(
    items: Items, rows: Mapping[str, np.ndarray], settings: ShareSettings, seed: int, model: str = MODEL
) -> dict[str, float]:
    """Flat scores of every row of shares on the items with enough reactions.

    rows: name -> shares [n, classes]; ``model`` is compared with all others. A row that is NaN for an item is scored on
    the others only, ``<row>.posts``, and ``model`` is compared with it there. Keys: ``posts``, ``noise.jsd``;
    ``<row>.jsd``, ``.jsd_low``, ``.jsd_high``, ``.jsd_weighted`` (by reactions), ``.tv``, ``.wasserstein`` (ordered
    classes), ``.dominant`` (share of posts whose largest class is right), ``.log_loss`` (nats per reaction);
    ``<model>.vs_<row>.difference``, ``.low``, ``.high``, ``.p`` of the mean divergence, below 0 where the model is
    nearer. No intervals where posts are too few to resample, or nothing
    is to be drawn. Empty but for ``posts`` without any item to score.
    """
    scored = items.totals >= settings.least
    found: dict[str, float] = {"posts": int(scored.sum())}
    if not scored.any():
        return found
    counts = items.counts[scored]
    distances = {}
    for name, shares in rows.items():
        own = shares[scored]
        known = np.isfinite(own).all(axis=1)
        if not known.all():
            found[f"{name}.posts"] = int(known.sum())
        distances[name] = np.full(len(own), np.nan)
        if known.any():
            distances[name][known] = jsd(normalised(counts[known]), own[known])
            values = _means(counts[known], own[known], distances[name][known], settings.ordered)
            found |= {f"{name}.{key}": value for key, value in values.items()}
    found["noise.jsd"] = noise_floor(counts, seed)
    clusters = clusters_of(items.frame.select("post_id", "user_id", "posted_at")[np.flatnonzero(scored)])
    if clusters is not None and settings.resamples:
        found |= _intervals(distances, clusters, settings, seed, model)
    return found


def _means(counts: np.ndarray, shares: np.ndarray, distance: np.ndarray, ordered: bool) -> dict[str, float]:
    real, totals = normalised(counts), counts.sum(axis=1)
    logs = np.log(np.maximum(shares, LEAST_SHARE))
    values = {
        "jsd": distance.mean(),
        "jsd_weighted": np.average(distance, weights=totals),
        "tv": total_variation(real, shares).mean(),
        "dominant": (real.argmax(axis=1) == shares.argmax(axis=1)).mean(),
        "log_loss": -(counts * logs).sum() / totals.sum(),
    }
    if ordered:
        values["wasserstein"] = wasserstein(real, shares).mean()
    return {name: float(value) for name, value in values.items()}


def _intervals(
    distances: Mapping[str, np.ndarray], clusters: Clusters, settings: ShareSettings, seed: int, model: str
) -> dict[str, float]:
    """Intervals of the mean divergence, and its difference between ``model`` and each other row."""
    drawn = np.concatenate(list(draw_counts(clusters.count, settings.resamples, seed)))

    def resampled(values: np.ndarray, known: np.ndarray) -> np.ndarray:
        sums = np.bincount(clusters.codes, np.where(known, values, 0.0), clusters.count)
        sizes = np.bincount(clusters.codes, known.astype(np.float64), clusters.count)
        with np.errstate(invalid="ignore"):
            return (drawn @ sums) / (drawn @ sizes)

    found: dict[str, float] = {}
    for name, values in distances.items():
        known = np.isfinite(values)
        draws = resampled(values, known)
        bounds = interval(draws, settings.confidence)
        if bounds is not None:
            found |= {f"{name}.jsd_low": bounds[0], f"{name}.jsd_high": bounds[1]}
        if name == model or model not in distances or not known.any():
            continue
        own = distances[model]
        compared = paired_difference(resampled(own, known), draws, settings.confidence)
        if compared is not None:
            head = f"{model}.vs_{name}"
            found[f"{head}.difference"] = float((own[known] - values[known]).mean())
            found |= dict(zip((f"{head}.low", f"{head}.high", f"{head}.p"), compared, strict=True))
    return found


def noise_floor(counts: np.ndarray, seed: int) -> float:
    """Mean divergence of two random halves of each row's reactions; counts [n, classes] are rounded to whole ones.

    Halves are smaller than the whole, so two predictions as good as can be lie somewhat nearer than this.
    """
    rng = np.random.default_rng([seed, 7])
    counts = counts * np.minimum(1, MOST_DRAWN / np.maximum(counts.sum(axis=1, keepdims=True), 1))
    whole = np.rint(counts).astype(np.int64)
    whole = whole[whole.sum(axis=1) >= 2]
    if not len(whole):
        return float("nan")
    means = []
    for _ in range(NOISE_DRAWS):
        left, half = whole.sum(axis=1), whole.sum(axis=1) // 2
        first = np.zeros_like(whole)
        for column in range(whole.shape[1]):
            left = left - whole[:, column]
            first[:, column] = rng.hypergeometric(whole[:, column], left, half)
            half = half - first[:, column]
        means.append(jsd(normalised(first), normalised(whole - first)).mean())
    return float(np.mean(means))


def calibration(items: Items, shares: np.ndarray, least: int, bins: int = 10) -> list[dict[str, float | str]]:
    """Rows of a plot, per class and bin of predicted share: ``class``, ``predicted`` and ``real`` (means), ``posts``.

    Bins hold equally many posts.
    """
    scored = items.totals >= least
    real, predicted = normalised(items.counts[scored]), shares[scored]
    rows: list[dict[str, float | str]] = []
    for column, name in enumerate(items.classes if scored.any() else ()):
        order = np.argsort(predicted[:, column], kind="stable")
        for part in np.array_split(order, min(bins, len(order))):
            means = {"predicted": predicted[part, column].mean(), "real": real[part, column].mean()}
            rows.append({"class": name, **{k: float(v) for k, v in means.items()}, "posts": len(part)})
    return rows

"""Bootstrap over authors: how far a metric, or the difference of two models, would move with other authors.

Posts of one author resemble one another, so authors are drawn with replacement, each with all its posts (a cluster
bootstrap); posts without an author are drawn one by one. A resample of fewer than ``LEAST_CLUSTERS`` authors says
little, and with one author it is always the same: there whole days are drawn, hours where there are too few days, or
single posts where there are too few hours or no times. Fewer than ``LEAST_POSTS`` posts are not resampled at all.

All models of a dataset share the same draws, which makes every difference a paired one. Drawing authors k times is a
weight k on their posts: sums per author give MAE, RMSE, nMSE and MAPE of a resample as one matrix product, and weighted
ranks give SRC without sorting again. SRC still costs a pass over all posts per resample, so it takes the first
``SRC_RESAMPLES`` draws only.

Where clusters themselves are judged (topics by the shares of their responses), rows are drawn within drawn clusters:
:func:`two_level_draws`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl

from popcast.scoring.metrics import (
    METRICS,
    batches,
    centered_ranks,
    correlation,
    error_sums,
    from_sums,
    mean_of_defined,
)

SRC_RESAMPLES = 200
SRC_BLOCK = 10  # resamples ranked at a time: one sort serves ten, and the arrays stay small
LEAST_CLUSTERS = 20
LEAST_POSTS = 30
CHUNK_CELLS = 4_000_000  # draws [resamples, authors] made at a time: about 32 MB


@dataclass(frozen=True)
class Clusters:
    """What is drawn. codes: int [n] in 0..count-1. unit: ``authors``, ``days``, ``hours`` or ``posts``."""

    codes: np.ndarray
    unit: str

    @property
    def count(self) -> int:
        return int(self.codes.max()) + 1


def author_codes(authors: list[str | None], post_ids: list[str]) -> np.ndarray:
    """Author of each post, int [n] in 0..authors-1; a post whose author is unknown counts as an author of its own."""
    keys = [
        f"post {post}" if author is None else f"user {author}" for author, post in zip(authors, post_ids, strict=True)
    ]
    return np.unique(np.asarray(keys), return_inverse=True)[1]


def clusters_of(posts: pl.DataFrame, post_id: str = "post_id") -> Clusters | None:
    """What to draw of these posts: ``user_id``, ``posted_at`` and the column ``post_id``; None: there are too few.

    The first of authors, days, hours (both UTC) and posts of which there are at least ``LEAST_CLUSTERS``.
    """
    if posts.height < LEAST_POSTS:
        return None
    authors = author_codes(posts["user_id"].to_list(), posts[post_id].to_list())
    if authors.max() + 1 >= LEAST_CLUSTERS:
        return Clusters(authors, "authors")
    if posts["posted_at"].null_count() == 0:
        for unit, every in (("days", "1d"), ("hours", "1h")):
            moments = posts["posted_at"].dt.truncate(every).dt.epoch("us").to_numpy()
            codes = np.unique(moments, return_inverse=True)[1]
            if codes.max() + 1 >= LEAST_CLUSTERS:
                return Clusters(codes, unit)
    return Clusters(np.arange(posts.height), "posts")


def draw_counts(clusters: int, resamples: int, seed: int) -> Iterator[np.ndarray]:
    """How often each cluster was drawn, float64 [chunk, clusters], ``resamples`` rows in all."""
    generator = np.random.default_rng([seed, clusters])
    rows = max(1, CHUNK_CELLS // clusters)
    for start in range(0, resamples, rows):
        size = min(rows, resamples - start)
        drawn = generator.integers(0, clusters, size=(size, clusters))
        drawn += np.arange(size)[:, None] * clusters
        yield np.bincount(drawn.ravel(), minlength=size * clusters).reshape(size, clusters).astype(np.float64)


def two_level_draws(
    codes: np.ndarray, resamples: int, seed: int, outer: bool = True
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Clusters drawn with replacement, then rows within each drawn cluster: (rows, starts), once per resample.

    codes: cluster of each row, int [n] in 0..clusters-1, none of them empty. rows: int [m], the rows of the first
    drawn cluster first; starts: int [clusters], where those of each begin in ``rows``, fit for ``np.add.reduceat``. A
    cluster drawn twice has its rows drawn twice, independently. outer False: every cluster stays once, in the order of
    its code, and only rows are drawn. One resample is held at a time.

    >>> rows, starts = next(two_level_draws(np.array([0, 0, 1]), 1, seed=0, outer=False))
    >>> starts.tolist(), rows[2].item(), set(rows[:2].tolist()) <= {0, 1}
    ([0, 2], 2, True)
    """
    sizes = np.bincount(codes)
    order, firsts = np.argsort(codes, kind="stable"), np.cumsum(sizes) - sizes
    generator = np.random.default_rng([seed, len(codes), len(sizes)])
    for _ in range(resamples):
        drawn = generator.integers(0, len(sizes), size=len(sizes)) if outer else np.arange(len(sizes))
        each = sizes[drawn]
        within = (generator.random(each.sum()) * np.repeat(each, each)).astype(np.int64)
        yield order[np.repeat(firsts[drawn], each) + within], np.cumsum(each) - each


def bootstrap(
    y: np.ndarray,
    predictions: Mapping[str, np.ndarray],
    codes: np.ndarray,
    resamples: int,
    seed: int,
    mode: str = "full",
) -> dict[str, dict[str, np.ndarray]]:
    """Metrics of every model on the same resamples of authors.

    y: labels [n]; predictions: model -> [n]; codes: of :func:`clusters_of`. Returns model -> metric -> [resamples],
    ``src`` -> [min(resamples, SRC_RESAMPLES)]. NaN where a resample does not define the metric. mode: see
    ``popcast.scoring.metrics.score_in``; a post keeps its batch in every resample.
    """
    parts = [_draws(y, predictions, codes, rows, resamples, seed) for rows in batches(len(y), mode)]
    if len(parts) == 1:
        return parts[0]
    return {
        name: {metric: mean_of_defined(np.array([part[name][metric] for part in parts])) for metric in METRICS}
        for name in predictions
    }


def _draws(
    y: np.ndarray, predictions: Mapping[str, np.ndarray], codes: np.ndarray, rows: slice, resamples: int, seed: int
) -> dict[str, dict[str, np.ndarray]]:
    """Draws of the metrics of the posts ``rows``. Authors are drawn from all posts, so every batch sees the same."""
    clusters = int(codes.max()) + 1
    y, codes, predictions = y[rows], codes[rows], {name: p[rows] for name, p in predictions.items()}
    per_cluster = {}
    for name, p in predictions.items():
        sums = error_sums(y, p)
        per_cluster[name] = np.column_stack(
            [np.bincount(codes, weights=column, minlength=clusters) for column in sums.T]
        )
    draws: dict[str, dict[str, list[np.ndarray]]] = {name: {} for name in predictions}
    done = 0
    for counts in draw_counts(clusters, resamples, seed):
        for name in predictions:
            for metric, array in from_sums(counts @ per_cluster[name]).items():
                draws[name].setdefault(metric, []).append(array)
        for start in range(0, min(len(counts), SRC_RESAMPLES - done), SRC_BLOCK):
            stop = min(start + SRC_BLOCK, SRC_RESAMPLES - done)
            weights = counts[start:stop, codes]
            ranks_y = centered_ranks(y, weights)
            for name, p in predictions.items():
                array = correlation(ranks_y, centered_ranks(p, weights), weights)
                draws[name].setdefault("src", []).append(array)
        done += len(counts)
    return {name: {metric: np.concatenate(parts) for metric, parts in of.items()} for name, of in draws.items()}


def interval(draws: np.ndarray, confidence: float) -> tuple[float, float] | None:
    """Percentile interval of bootstrap draws; None where no resample defines the metric."""
    draws = draws[~np.isnan(draws)]
    if not len(draws):
        return None
    low, high = np.quantile(draws, [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(low), float(high)


def paired_difference(first: np.ndarray, second: np.ndarray, confidence: float) -> tuple[float, float, float] | None:
    """Interval and two-sided p-value of ``first - second`` over the same resamples: (low, high, p).

    p is twice the smaller share of resamples on the wrong side of zero, with one added to count and total so that it
    is never 0 (Davison and Hinkley, 1997, section 4.2). Identical models give p = 1.
    """
    difference = first - second
    difference = difference[~np.isnan(difference)]
    bounds = interval(difference, confidence)
    if bounds is None:
        return None
    tail = min(int((difference <= 0).sum()), int((difference >= 0).sum()))
    return (*bounds, min(1.0, 2 * (tail + 1) / (len(difference) + 1)))

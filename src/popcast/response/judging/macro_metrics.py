"""Macro metrics: shares of sentiment per topic, real against predicted, and what they come to across topics.

Both kinds of prediction are scored alike: counts of labelled generated responses, and shares that a model predicts
(:func:`of_shares`).
All functions take leading axes. Classes are in the order of ``SENTIMENTS`` where polarity matters (Wasserstein, net).
"""

from __future__ import annotations

import hashlib

import numpy as np
from scipy.stats import rankdata

from popcast.response.judging import share_distances
from popcast.response.judging.share_distances import normalised

PER_TOPIC = ("jsd", "kl", "tv", "wasserstein", "rmse", "dominant_hit", "net_error")
"""Distances of a topic; ``jsd`` is the primary one. dominant_hit: both sides have the same largest class."""
ACROSS = (*PER_TOPIC, *(f"{name}_weighted" for name in PER_TOPIC), "net_pearson", "net_spearman")

LEAST_TOPICS = 3
"""For correlations over topics."""


def of_shares(shares: np.ndarray, real: np.ndarray) -> np.ndarray:
    """Predicted shares as counts: as many responses as the topic really has. All [..., topics, classes]."""
    return normalised(shares) * real.sum(-1, keepdims=True)


def per_topic(real: np.ndarray, predicted: np.ndarray) -> dict[str, np.ndarray]:
    """``PER_TOPIC`` of real and predicted counts, both [..., topics, classes]; each [..., topics].

    NaN where one side has none. ``kl`` adds half a response to every count. Ties of the largest class go to the first.
    """
    p, q = normalised(real), normalised(predicted)
    known = ~np.isnan(p).any(-1) & ~np.isnan(q).any(-1)
    p, q = (np.where(known[..., None], side, 1.0 / real.shape[-1]) for side in (p, q))
    found = {
        "jsd": share_distances.jsd(p, q),
        "kl": share_distances.kl(np.nan_to_num(real), np.nan_to_num(predicted)),
        "tv": share_distances.total_variation(p, q),
        "wasserstein": share_distances.wasserstein(p, q),
        "rmse": np.sqrt(((p - q) ** 2).mean(-1)),
        "dominant_hit": (p.argmax(-1) == q.argmax(-1)).astype(np.float64),
        "net_error": np.abs(share_distances.net(p) - share_distances.net(q)),
    }
    return {name: np.where(known, values, np.nan) for name, values in found.items()}


def across(real: np.ndarray, predicted: np.ndarray) -> dict[str, np.ndarray]:
    """``ACROSS`` of counts as in :func:`per_topic`; each [...]. NaN where undefined.

    Means over topics count each topic once; ``_weighted`` ones count it by its real responses. ``net_pearson`` and
    ``net_spearman``: of positive minus negative share over at least ``LEAST_TOPICS`` topics, neither side constant.
    """
    found = per_topic(real, predicted)
    known = ~np.isnan(found["jsd"])
    sizes = real.sum(-1) * known
    result = {name: _mean(values, known.astype(np.float64)) for name, values in found.items()}
    result |= {f"{name}_weighted": _mean(values, sizes) for name, values in found.items()}
    nets = [np.where(known, share_distances.net(normalised(side)), np.nan) for side in (real, predicted)]
    return result | {"net_pearson": correlation(*nets), "net_spearman": correlation(*map(_ranks, nets))}


def correlation(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Pearson's over the last axis, pairs with NaN left out; NaN for fewer than ``LEAST_TOPICS`` or a constant side."""
    known = ~np.isnan(x) & ~np.isnan(y)
    n = known.sum(-1)
    x, y = (_centred(side, known) for side in (x, y))
    spread = np.sqrt((x**2).sum(-1) * (y**2).sum(-1))
    enough = (n >= LEAST_TOPICS) & ((x**2).sum(-1) > 1e-18) & ((y**2).sum(-1) > 1e-18)
    return np.divide((x * y).sum(-1), spread, out=np.full(np.shape(spread), np.nan), where=enough)


def noise_floor(real: np.ndarray, names: list[str], draws: int, seed: int) -> dict[str, float | None]:
    """Mean ``jsd``, ``tv``, ``wasserstein`` and ``net_error`` between two random halves of the real responses.

    real: whole counts [topics, classes]; names: of the topics, whose halves depend on nothing else. Halves hold half
    of the responses, so they differ by more than the whole would from its like: a floor that is a little high.
    """
    wanted = ("jsd", "tv", "wasserstein", "net_error")
    found: dict[str, list[float]] = {name: [] for name in wanted}
    for counts, name in zip(np.rint(real).astype(np.int64), names, strict=True):
        if counts.sum() < 2:
            continue
        key = int.from_bytes(hashlib.sha256(f"{seed}\x1fhalves\x1f{name}".encode()).digest()[:8], "big")
        first = np.random.default_rng(key).multivariate_hypergeometric(
            counts, int(counts.sum()) // 2, size=draws, method="marginals"
        )
        distances = per_topic(first.astype(np.float64), (counts - first).astype(np.float64))
        for one in wanted:
            found[one].append(float(distances[one].mean()))
    return {name: float(np.mean(values)) if values else None for name, values in found.items()}


def trend(real: np.ndarray, predicted: np.ndarray, codes: np.ndarray, buckets: np.ndarray, least: int) -> float | None:
    """Mean over topics of Pearson's correlation, over time buckets, of real and predicted net.

    real, predicted: class weights of each case [n, classes]; codes: its topic [n]; buckets: its time bucket, whole
    numbers [n]. A bucket needs ``least`` real responses and a predicted one. None: no topic has ``LEAST_TOPICS``
    buckets with moving nets on both sides.
    """
    found = []
    for topic in np.unique(codes):
        own = codes == topic
        _, places = np.unique(buckets[own], return_inverse=True)
        sides = [np.stack([np.bincount(places, column) for column in side[own].T], -1) for side in (real, predicted)]
        kept = (sides[0].sum(-1) >= least) & (sides[1].sum(-1) > 0)
        nets = [share_distances.net(normalised(side[kept])) for side in sides]
        found.append(float(correlation(*nets)))
    known = [value for value in found if not np.isnan(value)]
    return float(np.mean(known)) if known else None


def _mean(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    total = weights.sum(-1)
    over = (np.nan_to_num(values) * weights).sum(-1)
    return np.divide(over, total, out=np.full(np.shape(total), np.nan), where=total > 0)


def _centred(side: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Values minus their mean, 0 where unknown."""
    n = np.maximum(known.sum(-1, keepdims=True), 1)
    side = np.where(known, side, 0.0)
    return np.where(known, side - side.sum(-1, keepdims=True) / n, 0.0)


def _ranks(values: np.ndarray) -> np.ndarray:
    """Average ranks over the last axis; NaN stays NaN."""
    return rankdata(values, axis=-1, nan_policy="omit")

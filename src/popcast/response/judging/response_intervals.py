"""Bootstrap intervals of responses: topics are drawn, then cases within each; all systems share the draws.

Fewer than ``LEAST_CLUSTERS`` topics say little when drawn: then all topics stay and only cases are drawn within them.
Fewer than ``LEAST_POSTS`` cases are not resampled at all. Both limits are those of ``popcast.scoring.bootstrap``.

Resampled shares scatter more than the shares that they are drawn from, so distances of resamples are too large, and
the more so for a system whose own responses are resampled than for one that predicts shares: a plain percentile
interval need not hold the distance itself. Draws of macro metrics are therefore moved to have their mean at the figure
(:func:`centred`); then percentiles and paired differences are taken as everywhere.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from popcast.response.judging import macro_metrics
from popcast.response.judging.micro_metrics import SENTIMENT, from_confusion
from popcast.response.judging.system_answers import Answers, Scored
from popcast.scoring.bootstrap import CHUNK_CELLS, LEAST_CLUSTERS, LEAST_POSTS, two_level_draws

TEXT = ("bleu_4", "rouge_l", "chrf")
MACRO = ("jsd", "tv", "wasserstein", "net_error")
"""What is resampled, besides ``SENTIMENT``."""

Draws = dict[str, dict[str, np.ndarray]]
"""System -> ``micro.<metric>`` or ``macro.<metric>`` -> [resamples]."""


def unit(scored: Scored) -> str | None:
    """What is drawn: ``topics`` (and cases within), ``cases`` within fixed topics, or None: there are too few."""
    if len(scored.labels) < LEAST_POSTS:
        return None
    return "topics" if len(scored.names) >= LEAST_CLUSTERS else "cases"


def draws(
    scored: Scored, systems: Mapping[str, Answers], real: np.ndarray, own_counts: bool, resamples: int, seed: int
) -> Draws:
    """Metrics of every system on the same resamples; {} where nothing is drawn.

    real: counts of the topics whose shares are judged, zeros for the others [topics, 3]. own_counts: they are counts
    of the topics themselves, drawn anew by their shares; else they are the labels of the cases and drawn with them.
    """
    drawn = unit(scored)
    if drawn is None or not resamples:
        return {}
    columns = np.concatenate([scored.real, *(_columns(scored, one) for one in systems.values())], axis=1)
    generator = np.random.default_rng([seed, 2])
    judged = real.sum(1) > 0
    chunk = max(1, CHUNK_CELLS // (len(scored.names) * columns.shape[1]))
    sums, reals, parts = [], [], []
    for rows, starts in two_level_draws(scored.topics, resamples, seed, outer=drawn == "topics"):
        slots = np.add.reduceat(columns[rows], starts, axis=0)
        topics = scored.topics[rows[starts]]
        found = _redrawn(real[topics], generator) if own_counts else slots[:, :3] * judged[topics, None]
        sums.append(slots)
        reals.append(found)
        if len(sums) == chunk:
            parts.append(_metrics(np.array(sums), np.array(reals), list(systems)))
            sums, reals = [], []
    if sums:
        parts.append(_metrics(np.array(sums), np.array(reals), list(systems)))
    return {
        name: {key: np.concatenate([part[name][key] for part in parts]) for key in parts[0][name]} for name in systems
    }


def centred(draws: np.ndarray, point: float | None) -> np.ndarray:
    """Draws [resamples] moved so that their mean is ``point``; NaN stays NaN, and so do all without a point."""
    known = draws[~np.isnan(draws)]
    return draws if point is None or not len(known) else draws - known.mean() + point


WIDTH = 3 + 9 + 2 * len(TEXT)
"""Columns of a system: votes, real x predicted, sums and counts of the text measures."""


def _columns(scored: Scored, answers: Answers) -> np.ndarray:
    cells = (scored.real[:, :, None] * answers.votes[:, None, :]).reshape(-1, 9)
    texts = []
    for name in TEXT:
        values = answers.measures.get(name, np.full(len(scored.labels), np.nan))
        texts += [np.nan_to_num(values)[:, None], (~np.isnan(values)).astype(np.float64)[:, None]]
    return np.concatenate([answers.votes, cells, *texts], axis=1)


def _metrics(sums: np.ndarray, real: np.ndarray, systems: list[str]) -> Draws:
    """Metrics of a chunk of resamples. sums: [resamples, topics, columns]; real: [resamples, topics, 3]."""
    found: Draws = {}
    for place, name in enumerate(systems):
        own = sums[:, :, 3 + place * WIDTH : 3 + (place + 1) * WIDTH]
        macro = macro_metrics.per_topic(real, own[:, :, :3])
        figures = {f"macro.{key}": _mean(macro[key]) for key in MACRO}
        total = own.sum(1)
        sentiment = from_confusion(total[:, 3:12].reshape(-1, 3, 3))
        figures |= {f"micro.{key}": sentiment[key] for key in SENTIMENT}
        for column, key in enumerate(TEXT):
            over, under = total[:, 12 + 2 * column], total[:, 13 + 2 * column]
            figures[f"micro.{key}"] = np.divide(over, under, out=np.full(len(over), np.nan), where=under > 0)
        found[name] = figures
    return found


def _redrawn(real: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Counts [topics, 3] drawn anew, as many per topic as it has."""
    total = np.rint(real.sum(1)).astype(np.int64)
    shares = real / np.maximum(real.sum(1, keepdims=True), 1e-12)
    shares[total == 0] = 1 / 3
    return generator.multinomial(total, shares / shares.sum(1, keepdims=True)).astype(np.float64)


def _mean(values: np.ndarray) -> np.ndarray:
    known = ~np.isnan(values)
    n = known.sum(1)
    return np.divide(np.where(known, values, 0).sum(1), n, out=np.full(len(n), np.nan), where=n > 0)

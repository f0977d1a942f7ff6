"""Generated SMPD: users, bursts, texts and labels (recipe: datasets.md 1.9); ``smpd_files`` writes the layouts.

A post's score is a standardised sum: level of its user (constant, plus a slow drift of its own), burst, concept, theme,
mood words, looks of the picture, number of tags, hour, the measured drift of the year, noise. A monotone map gives it
the measured quantiles of the label, and rounding 2 ** score to an integer gives the lattice log2(n).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from scipy.special import ndtri

from popcast.datasets.sample import Smpd, invented_words, smpd_files, smpd_texts
from popcast.datasets.sample.random_draws import mixed, quantile_map, standardised, stream, zipf_weights
from popcast.datasets.sample.smpd_world import World

TRAIN_START = 1425139200
"""2015-03-01 00:00 UTC+8."""
DAY = 86400
LABELLED_DAYS = 366
UNLABELLED_DAYS = (369, 381, 403, 428, 438, 451, 459, 466)
"""Days after TRAIN_START: eight of the official test days, 2016-03-04 .. 2016-06-09."""

SHARES = {
    "user": 0.20, "user_drift": 0.05, "burst": 0.01, "concept": 0.06, "theme": 0.06, "words": 0.12, "looks": 0.10,
    "tags": 0.01, "hour": 0.01, "drift": 0.01, "noise": 0.37,
}  # fmt: skip
"""Shares of the variance of the score."""

YEAR = (6.86, 6.70, 6.74, 6.55, 6.38, 6.52, 6.63, 6.25, 5.86, 6.13,
        6.52, 6.20, 6.28, 6.26, 6.12, 6.42, 6.40, 6.49, 6.49, 6.33)  # fmt: skip
"""Label means of 20 equal time blocks (datasets.md 1.8)."""

QUANTILES = np.array(
    [(1e-6, 0.5), (0.01341, np.log2(2.5)), (0.02499, np.log2(3.5)), (0.03555, np.log2(4.5)), (0.04599, np.log2(5.5)),
     (0.05729, np.log2(6.5)), (0.06891, np.log2(7.5)), (0.07997, np.log2(8.5)), (0.10, 3.32), (0.20, 4.32),
     (0.25, 4.70), (0.30, 5.04), (0.40, 5.61), (0.50, 6.23), (0.60, 6.87), (0.70, 7.58), (0.75, 7.98), (0.80, 8.43),
     (0.90, 9.72), (0.95, 10.73), (0.99, 12.79), (0.999, 15.25), (1 - 1e-6, 16.56)]
)  # fmt: skip
"""(share, label) of the measured distribution; below 3 between the lattice points (datasets.md 1.8)."""


def write(params: Smpd, seed: int, dataset: str, raw: Path) -> dict[str, float]:
    """Write the raw folder; return the withheld labels of the unlabelled posts by Pid."""
    world = draw(params, seed, dataset)
    smpd_files.write_metadata(world, params, seed, dataset, raw)
    smpd_files.write_profiles(world, seed, dataset, raw)
    if params.media:
        smpd_files.write_images(world, params, seed, dataset, raw)
    later = np.flatnonzero(~world.labelled)
    return {str(world.pid[row]): float(world.label[row]) for row in later}


def draw(params: Smpd, seed: int, dataset: str) -> World:
    """Draw users, bursts, times, texts and labels."""
    run_length, run_labelled = draw_runs(params, seed, dataset)
    run = np.repeat(np.arange(len(run_length)), run_length)
    place = np.arange(len(run)) - np.repeat(np.cumsum(run_length) - run_length, run_length)
    run_user = draw_run_users(run_length, params.users, seed, dataset)
    run_concept = draw_run_concepts(run_user, params.users, seed, dataset)
    seconds = draw_times(run, place, run_length, run_labelled, seed, dataset)
    labelled = run_labelled[run]
    user, concept = run_user[run], run_concept[run]

    rng = stream(seed, dataset, "levels")
    level = rng.standard_normal(params.users)
    looks = standardised(
        0.4 * rng.standard_normal(len(run_length))[run] + 0.9 * rng.standard_normal(len(run)), labelled
    )
    texts = smpd_texts.draw(run, run_user, run_concept, level, seed, dataset)
    day = (seconds - TRAIN_START) / DAY
    period, phase = rng.uniform(300, 900, params.users), rng.uniform(0, 2 * np.pi, params.users)
    parts = {
        "user": level[user],
        "user_drift": np.sin(2 * np.pi * day / period[user] + phase[user]),
        "burst": rng.standard_normal(len(run_length))[run],
        "concept": rng.standard_normal(len(invented_words.CONCEPTS))[concept],
        "theme": rng.standard_normal((len(invented_words.CONCEPTS), invented_words.THEMES))[concept, texts.theme[run]],
        "words": texts.weight,
        "looks": looks,
        "tags": texts.count.astype(float),
        "hour": np.cos(2 * np.pi * (day % 1 - 20 / 24)),
        "drift": np.interp(day, (np.arange(20) + 0.5) * LABELLED_DAYS / 20, YEAR),
        "noise": rng.standard_normal(len(run)),
    }
    score = mixed(parts, SHARES, labelled)
    late = (day - LABELLED_DAYS) / 100
    score = score - np.where(labelled, 0.0, 0.15 + 0.65 * late)
    views = np.maximum(2, np.round(2 ** quantile_map(score, QUANTILES[:, 0], QUANTILES[:, 1])))
    label = np.round(np.log2(views), 2)

    pid, order = draw_pids(run, run_length, seconds, score, seed, dataset)
    counts = np.bincount(user, minlength=params.users)
    with np.errstate(invalid="ignore"):
        outcome = np.bincount(user, weights=label, minlength=params.users) / counts
    return World(
        pid=pid, user=user[order], seconds=seconds[order], labelled=labelled[order], concept=concept[order],
        looks=looks[order], titles=[texts.titles[row] for row in order], tags=[texts.tags[row] for row in order],
        label=label[order], level=level, outcome=outcome,
    )  # fmt: skip


def draw_runs(params: Smpd, seed: int, dataset: str) -> tuple[np.ndarray, np.ndarray]:
    """Lengths of the bursts [r] (median 1, mean 4, 90 % 8, max 219) and whether their posts have labels [r]."""
    rng = stream(seed, dataset, "runs")
    lengths, labelled = [], []
    for posts, known in ((params.posts, True), (params.unlabelled, False)):
        longest = max(10, min(219, posts // 40))
        drawn = np.clip(np.floor(np.exp(rng.normal(-0.02, 1.72, posts))), 1, longest).astype(int)
        until = int(np.searchsorted(np.cumsum(drawn), posts)) + 1 if posts else 0
        drawn = drawn[:until]
        if until:
            drawn[-1] -= drawn.sum() - posts
        lengths.append(drawn)
        labelled.append(np.full(until, known))
    return np.concatenate(lengths), np.concatenate(labelled)


def draw_run_users(run_length: np.ndarray, users: int, seed: int, dataset: str) -> np.ndarray:
    """User of each burst [r]: each user has one, mostly a short one; the others go to few users (Zipf)."""
    rng = stream(seed, dataset, "users")
    order = np.argsort(np.log(run_length) + 0.6 * rng.standard_normal(len(run_length)), kind="stable")
    names = rng.permutation(users)
    chosen = names[rng.choice(users, len(run_length), p=zipf_weights(users, 0.6))]
    once = min(users, len(run_length) * 3 // 5)
    run_user = chosen.copy()
    run_user[order[:once]] = rng.permutation(users)[:once]
    return run_user


def draw_run_concepts(run_user: np.ndarray, users: int, seed: int, dataset: str) -> np.ndarray:
    """Concept of each burst [r]: three in four from the user's own two concepts."""
    rng = stream(seed, dataset, "concepts")
    weights = invented_words.concept_weights()
    own = rng.choice(len(weights), (users, 2), p=weights)[run_user, rng.integers(0, 2, len(run_user))]
    other = rng.choice(len(weights), len(run_user), p=weights)
    return np.where(rng.random(len(run_user)) < 0.75, own, other)


def draw_times(
    run: np.ndarray, place: np.ndarray, run_length: np.ndarray, run_labelled: np.ndarray, seed: int, dataset: str
) -> np.ndarray:
    """Unix seconds of each post [n]: uneven days, more in the evening, posts of a burst seconds apart."""
    rng = stream(seed, dataset, "times")
    weights = np.exp(0.5 * rng.standard_normal(LABELLED_DAYS))
    day = rng.choice(LABELLED_DAYS, len(run_length), p=weights / weights.sum())
    late = np.array(UNLABELLED_DAYS)[rng.integers(0, len(UNLABELLED_DAYS), len(run_length))]
    day = np.where(run_labelled, day, late)
    hours = 1.2 + np.cos(2 * np.pi * (np.arange(24) - 20) / 24)
    hour = rng.choice(24, len(run_length), p=hours / hours.sum())
    start = hour * 3600 + rng.integers(0, 3600, len(run_length))
    step = np.where(place == 0, 0, rng.integers(1, 60, len(run)))
    passed = np.cumsum(step)
    passed = passed - passed[np.searchsorted(run, np.arange(len(run_length)))][run]
    length = np.zeros(len(run_length), dtype=np.int64)
    np.maximum.at(length, run, passed)
    start = np.minimum(start, DAY - 1 - length)
    return TRAIN_START + (day * DAY + start)[run] + passed


def draw_pids(
    run: np.ndarray, run_length: np.ndarray, seconds: np.ndarray, score: np.ndarray, seed: int, dataset: str
) -> tuple[np.ndarray, np.ndarray]:
    """Pids [n] ascending, and the rows in that order [n].

    A burst has consecutive Pids. The order of the bursts follows time loosely and the label a little, as in the real
    files (Spearman .49 and -.27): a model that is fed the Pid would cheat.
    """
    rng = stream(seed, dataset, "pids")
    first = np.cumsum(run_length) - run_length
    mean_score = np.bincount(run, weights=score) / run_length
    rank = np.empty(len(run_length))
    rank[np.argsort(seconds[first], kind="stable")] = (np.arange(len(run_length)) + 0.5) / len(run_length)
    key = 0.6 * ndtri(rank) - 0.3 * standardised(mean_score) + 0.75 * rng.standard_normal(len(run_length))
    position = np.empty(len(run_length), dtype=np.int64)
    position[np.argsort(key, kind="stable")] = np.arange(len(run_length))
    order = np.argsort(position[run], kind="stable")
    new_run = np.diff(run[order], prepend=-1) != 0
    step = np.where(new_run, 1 + rng.geometric(0.18, len(run)), 1)
    return 775 + np.cumsum(step), order

"""How far what the members say about a lever is borne out by posts that they had not learned.

On valid and test posts, by the members that learned neither: e, what a lever adds to a post's forecast, is the forecast
minus its mean over posts that are the same but for that lever (those of a fixed background, the same ones for all: a
lever that means nothing then has slope 0, however much the members made of it). r is the outcome minus that mean. Both
are taken as differences from the author's own mean where authors have several posts. The slope of r on e is 1 where the
members are right, 0 where a lever holds nothing. Its interval is a bootstrap over authors, or stretches of time where
there are few. ``spread`` is how much r still varies around the line between e's tenths (DerSimonian and Laird 1986).
The data are observed, not an experiment: a slope says what goes together, not what makes what.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import polars as pl

LEAST_POSTS, LEAST_AUTHORS, STRETCHES, DRAWS, BINS = 50, 20, 30, 2000, 10
STRICT = 0.99
"""Confidence below which a lever counts as none: with six levers, a false one in some thirty data sets."""


@dataclass(frozen=True)
class Slope:
    """``lower`` and ``upper``: 95 %; ``least``: lower end at ``STRICT``. None of them where e does not vary."""

    slope: float
    lower: float
    upper: float
    least: float
    spread: float
    posts: int
    clusters: int
    within_authors: bool

    @property
    def found(self) -> bool:
        """Whether the data hold anything about this lever."""
        return self.least > 0

    def as_dict(self) -> dict[str, Any]:
        return {name: round(v, 6) if isinstance(v, float) else v for name, v in asdict(self).items()}


def slope_of(added: np.ndarray, rest: np.ndarray, posts: pl.DataFrame, seed: int) -> Slope | None:
    """The slope of ``rest`` on ``added`` (float [n]) of held-out posts with ``user_id`` and ``posted_at``; None where
    there are fewer than ``LEAST_POSTS``, or nothing varies."""
    author = posts["user_id"].rank("dense").fill_null(0).to_numpy().astype(np.int64)
    several = (np.bincount(author)[author] > 1) & (author > 0)
    within = several.sum() >= LEAST_POSTS
    group, kept = (author, several) if within else (np.zeros_like(author), np.ones(len(author), bool))
    e, r = _centred(added[kept], group[kept]), _centred(rest[kept], group[kept])
    if len(e) < LEAST_POSTS or e.std() < 1e-5:
        return None
    cluster = _clusters(posts.filter(pl.Series(kept)), author[kept])
    products, squares = np.bincount(cluster, e * r), np.bincount(cluster, e * e)
    count = len(squares)
    picked = np.random.default_rng(seed).multinomial(count, np.full(count, 1 / count), DRAWS)
    drawn = (picked @ products) / np.maximum(picked @ squares, 1e-12)
    slope = float(products.sum() / squares.sum())
    lower, upper, least = np.quantile(drawn, [0.025, 0.975, (1 - STRICT) / 2])
    spread = _spread(e, r - slope * e)
    return Slope(slope, float(lower), float(upper), float(least), spread, len(e), count, bool(within))


def _centred(values: np.ndarray, group: np.ndarray) -> np.ndarray:
    return values - (np.bincount(group, values) / np.maximum(np.bincount(group), 1))[group]


def _clusters(posts: pl.DataFrame, author: np.ndarray) -> np.ndarray:
    """What is drawn as a whole: authors, or where they are few stretches of time, each as a code from 0."""
    codes = np.unique(author, return_inverse=True)[1]
    if codes.max() + 1 >= LEAST_AUTHORS and (author > 0).all():
        return codes
    if posts["posted_at"].null_count():
        return np.arange(len(author))
    order = np.argsort(posts["posted_at"].dt.epoch("us").to_numpy(), kind="stable")
    found = np.empty(len(author), np.int64)
    found[order] = np.arange(len(author)) * min(STRETCHES, len(author)) // len(author)
    return found


def _spread(e: np.ndarray, left: np.ndarray) -> float:
    """Standard deviation between the means of what is left in the tenths of e, beyond chance."""
    tenth = np.argsort(np.argsort(e, kind="stable"), kind="stable") * BINS // len(e)
    posts = np.bincount(tenth, minlength=BINS).astype(np.float64)
    means = np.bincount(tenth, left, BINS) / posts
    noise = float(np.mean((left - means[tenth]) ** 2)) * len(e) / max(1, len(e) - BINS)
    excess = float(posts @ (means - left.mean()) ** 2) - (BINS - 1) * noise
    return float(np.sqrt(max(0.0, excess / (posts.sum() - (posts @ posts) / posts.sum()))))

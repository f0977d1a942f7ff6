"""Causal drift correction of a blend: how far labels have moved away from what the models learned, by the models' age.

Winning entries of the SMP Challenge subtracted a hand-made slope tuned on the leaderboard (smp2025 sheet, 8.2). Here
the slope comes from labelled posts that are older than every post it is applied to: mean residual per week of age, a
weighted straight line, and both its coefficients shrunk by how well the data support them. Off by default.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np
import polars as pl

WEEK = 7 * 24 * 3600.0
LEAST_WEEKS = 4


@dataclass(frozen=True)
class Drift:
    """Correction = level + slope * (age - middle), age in weeks since the newest label that the model learned."""

    level: float
    slope: float
    middle: float
    oldest: float

    def correction(self, age: np.ndarray) -> np.ndarray:
        """What to add to predictions of posts with ``age`` [n] in weeks; 0 where the age is NaN.

        Before age 0, which no model was measured at, and beyond twice the oldest age that was, the line stays flat.
        """
        line = self.level + self.slope * (np.clip(age, 0, 2 * self.oldest) - self.middle)
        return np.where(np.isnan(age), 0.0, line)

    def as_dict(self) -> dict[str, float]:
        return asdict(self)


def model_age(posts: pl.DataFrame, final_fit: str) -> pl.DataFrame:
    """Weeks between the newest label that the model of a post had learned and the post.

    posts: ``posts`` joined with ``split`` and ``fold``. Training posts of fold k are predicted by a model of the folds
    before k, valid and test posts by one of the training part, unlabelled posts by one of all labelled posts where
    ``final_fit`` is ``labelled``. Returns ``post_id`` and ``age`` (null where unknown), sorted by ``post_id``.
    """
    train = posts.filter(pl.col("split") == "train")
    newest_train = train["posted_at"].max()
    newest = posts.filter(pl.col("popularity").is_not_null())["posted_at"].max() if final_fit == "labelled" else None
    # A training fold has learned until just before it began.
    begins = train.group_by("fold").agg(begin=pl.col("posted_at").min())
    learned = (
        pl.when(pl.col("split") == "train")
        .then(pl.col("begin"))
        .when(pl.col("split") == "unlabelled")
        .then(pl.lit(newest if newest is not None else newest_train, dtype=posts.schema["posted_at"]))
        .otherwise(pl.lit(newest_train, dtype=posts.schema["posted_at"]))
    )
    age = (pl.col("posted_at") - learned).dt.total_seconds().cast(pl.Float64) / WEEK
    return posts.join(begins, on="fold", how="left").select("post_id", age=age).sort("post_id")


def fit_drift(age: np.ndarray, residual: np.ndarray) -> Drift | None:
    """Learn from residuals (label minus blend) [n] of held-out posts; None with fewer than four weeks of them.

    The line is fitted to weekly means, each weighted by its posts. A coefficient c with standard error s is multiplied
    by max(0, 1 - s^2 / c^2): what the weeks do not support becomes no correction, not a noisy one.
    """
    known = ~np.isnan(age) & (age >= 0)
    week = np.floor(age[known]).astype(np.int64)
    weeks, index = np.unique(week, return_inverse=True)
    if len(weeks) < LEAST_WEEKS:
        return None
    posts = np.bincount(index).astype(np.float64)
    mean = np.bincount(index, weights=residual[known]) / posts
    center = weeks + 0.5
    middle = float(np.average(center, weights=posts))
    level = float(np.average(mean, weights=posts))
    spread = float(posts @ (center - middle) ** 2)
    slope = float(posts @ ((center - middle) * mean)) / spread
    noise = float(posts @ (mean - level - slope * (center - middle)) ** 2) / (len(weeks) - 2)
    return Drift(
        level=round(_supported(level, noise / posts.sum()), 6),
        slope=round(_supported(slope, noise / spread), 6),
        middle=round(middle, 6),
        oldest=float(weeks[-1] + 1),
    )


def _supported(value: float, variance: float) -> float:
    return float(value * max(0.0, 1 - variance / value**2)) if value else 0.0

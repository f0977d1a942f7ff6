"""Statistics of the labels that a post may see: per author, per group within an author, and over all authors.

Every running statistic is computed once per label (the state after it) and read at the newest visible label, so the
work grows with n log n and a later label cannot change what an earlier post gets, not even in the last bit.
"""

from __future__ import annotations

from bisect import insort
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from popcast.features.common.timelines import (
    DAY,
    Timeline,
    counts_and_means,
    label_sums,
    microseconds,
    shrunk,
    timeline,
)

if TYPE_CHECKING:
    from popcast.features.history.params import Params

HOURS_PER_BUCKET = 4
OUTCOME_WINDOW = 5
SLOPE_DAYS = 30.0
"""Unit of the slope; it is shrunk as if ``smoothing`` more labels, this far from the mean time, showed no trend."""


class PastLabels:
    """Labels of one visibility class (the training part, or all labelled posts), ready for look-ups.

    labels: from ``visibility.label_bank``, time order. kinds: columns that split an author's posts. targets: columns
    (or ``tags``) with a mean per value over all authors.
    """

    def __init__(self, labels: pl.DataFrame, params: Params, kinds: list[str], targets: list[str], zone: str) -> None:
        self.params = params
        self.zone = zone
        labels = self._with_hour_bucket(labels)
        self.author = timeline(labels, ("user_id",), ("user_id", "posted_at", "popularity", *params.outcomes))
        self.states = author_states(self.author, params)
        self.everybody = _summed(labels, ())
        self.level = self.everybody[0].rows.select(
            level=pl.col("popularity").rolling_mean(params.level_window, min_samples=1)
        )
        self.kinds = {kind: _summed(labels, ("user_id", kind)) for kind in [*kinds, "hour_bucket"]}
        self.targets = {
            name: _summed(_per_tag(labels.select("tags", "posted_at", "popularity")), (name,))
            if name == "tags"
            else _summed(labels, (name,))
            for name in targets
        }

    def _with_hour_bucket(self, posts: pl.DataFrame) -> pl.DataFrame:
        hour = pl.col("posted_at").dt.convert_time_zone(self.zone).dt.hour()
        return posts.with_columns(hour_bucket=hour // HOURS_PER_BUCKET)

    def columns(self, queries: pl.DataFrame) -> dict[str, np.ndarray]:
        """Columns [n] of queries with ``posted_at``, ``sees_before`` and the group columns; NaN where unknown."""
        queries = self._with_hour_bucket(queries)
        moments = microseconds(queries["sees_before"])
        _, overall = counts_and_means(*self.everybody, queries, moments)
        start, stop = self.everybody[0].before(queries, moments)
        columns = self._author(queries, moments)
        columns["level"] = _read(self.level, start, stop)["level"]
        strength = self.params.smoothing
        own = shrunk(np.nan_to_num(columns["count"]), columns["mean"], overall, strength)
        columns["smoothed_mean"] = own
        for kind, summed in self.kinds.items():
            count, mean = counts_and_means(*summed, queries, moments)
            unknown = _any_null(queries, summed[0].by)
            name = "author_" + kind.removeprefix("post_")
            columns[f"{name}_mean"] = np.where(unknown, np.nan, shrunk(count, mean, own, strength))
            columns[f"{name}_count"] = np.where(unknown, np.nan, count)
        for target, summed in self.targets.items():
            if target == "tags":
                columns["tags_mean"] = self._tags(summed, queries, moments, overall)
                continue
            count, mean = counts_and_means(*summed, queries, moments)
            unknown = _any_null(queries, summed[0].by)
            columns[f"{target}_mean"] = np.where(unknown, np.nan, shrunk(count, mean, overall, strength))
            columns[f"{target}_count"] = np.where(unknown, np.nan, count)
        return columns

    def _author(self, queries: pl.DataFrame, moments: np.ndarray) -> dict[str, np.ndarray]:
        start, stop = self.author.before(queries, moments)
        columns = _read(self.states, start, stop)
        now = microseconds(queries["posted_at"])
        columns["days_since_last"] = (now - columns.pop("last_at")) / DAY
        columns["days_since_first"] = (now - columns.pop("first_at")) / DAY
        unknown = _any_null(queries, ("user_id",))
        columns["count"] = np.where(unknown, np.nan, stop - start)
        return columns

    def _tags(
        self, summed: tuple[Timeline, np.ndarray], queries: pl.DataFrame, moments: np.ndarray, overall: np.ndarray
    ) -> np.ndarray:
        """Mean over a post's tags of the shrunk mean per tag; NaN for a post without tags."""
        pairs = _per_tag(queries.select("tags", query=pl.int_range(pl.len(), dtype=pl.Int64)))
        query = pairs["query"].to_numpy()
        count, mean = counts_and_means(*summed, pairs, moments[query])
        means = shrunk(count, mean, overall[query], self.params.smoothing)
        with np.errstate(invalid="ignore"):
            return np.bincount(query, means, queries.height) / np.bincount(query, minlength=queries.height)


def author_states(line: Timeline, params: Params) -> pl.DataFrame:
    """What an author's labels say after each of them: one row per row of ``line`` (grouped by ``user_id``).

    ``first_at`` and ``last_at`` are microseconds. Sums run within the author, relative to his first label and time.
    """
    y, user = pl.col("popularity"), "user_id"
    days = (pl.col("posted_at") - pl.col("posted_at").first().over(user)).dt.total_microseconds() / DAY
    rows = line.rows.with_columns(
        n=pl.int_range(1, pl.len() + 1).over(user),
        d=y - y.first().over(user),
        t=days,
        at=pl.col("posted_at").dt.timestamp(),
    )
    running = {"sd": "d", "st": "t", "sdd": pl.col("d") ** 2, "stt": pl.col("t") ** 2, "std": pl.col("d") * pl.col("t")}
    rows = rows.with_columns(
        (pl.col(what) if isinstance(what, str) else what).cum_sum().over(user).alias(name)
        for name, what in running.items()
    )
    n, sd, st = pl.col("n"), pl.col("sd"), pl.col("st")
    spread = pl.max_horizontal(pl.col("stt") - st**2 / n, 0.0) + params.smoothing * SLOPE_DAYS**2
    return rows.select(
        mean=y.first().over(user) + sd / n,
        median=pl.Series(running_medians(rows["popularity"].to_list(), rows["n"].to_list()), dtype=pl.Float64),
        std=pl.when(n > 1).then((pl.max_horizontal(pl.col("sdd") - sd**2 / n, 0.0) / (n - 1)).sqrt()),
        min=y.cum_min().over(user),
        max=y.cum_max().over(user),
        last=y,
        **{f"mean_last_{k}": y.rolling_mean(k, min_samples=1).over(user) for k in params.windows},
        ewm=y.ewm_mean(half_life=params.half_life).over(user),
        trend=y.rolling_mean(3, min_samples=1).over(user) - y.first().over(user) - sd / n,
        slope=pl.when(spread > 0).then((pl.col("std") - st * sd / n) / spread * SLOPE_DAYS),
        first_at=pl.col("at").first().over(user),
        last_at=pl.col("at"),
        **_outcomes(params.outcomes, user),
    )


def _outcomes(names: list[str], user: str) -> dict[str, pl.Expr]:
    """Means over the last posts of log1p of what was measured, and of its distance to the popularity."""
    found = {}
    for name in names:
        value = pl.when(pl.col(name) >= 0).then(pl.col(name).cast(pl.Float64).log1p())
        gap = value - pl.col("popularity")
        short = "outcome_" + name.removeprefix("posthoc_")
        found[short] = value.rolling_mean(OUTCOME_WINDOW, min_samples=1).over(user)
        found[f"{short}_gap"] = gap.rolling_mean(OUTCOME_WINDOW, min_samples=1).over(user)
    return found


def running_medians(labels: list[float], position: list[int]) -> list[float]:
    """Median of each author's labels so far; ``position`` counts from 1 within the author."""
    medians, ordered = [], []
    for label, n in zip(labels, position, strict=True):
        if n == 1:
            ordered = []
        insort(ordered, label)
        medians.append((ordered[(n - 1) // 2] + ordered[n // 2]) / 2)
    return medians


def _summed(labels: pl.DataFrame, by: tuple[str, ...]) -> tuple[Timeline, np.ndarray]:
    line = timeline(labels, by, ("popularity",))
    return line, label_sums(line)


def _per_tag(posts: pl.DataFrame) -> pl.DataFrame:
    """One row per post and distinct tag."""
    return posts.with_columns(pl.col("tags").list.unique(maintain_order=True)).explode("tags").drop_nulls("tags")


def _any_null(queries: pl.DataFrame, columns: tuple[str, ...]) -> np.ndarray:
    return queries.select(pl.any_horizontal(pl.col(columns).is_null())).to_series().to_numpy()


def _read(states: pl.DataFrame, start: np.ndarray, stop: np.ndarray) -> dict[str, np.ndarray]:
    """State after the newest row of each range, NaN where the range is empty."""
    newest = pl.Series(np.where(stop > start, stop - 1, -1))
    picked = states.select(pl.all().gather(newest.replace(-1, None)))
    return {name: picked[name].cast(pl.Float64).fill_null(np.nan).to_numpy() for name in picked.columns}

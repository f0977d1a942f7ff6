"""What an author's older posts say about the shares of a post: causal, and as stale as it will be when it counts.

A label reaches a feature only if its post is strictly older than what the asking post may see and is of a known part
(``popcast.features.common.visibility``); even the prior that everything is shrunk to is made of visible labels only.
Sums run in whole units, so that no later label comes through by rounding.
"""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import polars as pl

from popcast.features.common.timelines import DAY, Timeline, microseconds, timeline
from popcast.features.common.visibility import bank_parts, horizon
from popcast.response.shares.params import ShareHistory
from popcast.response.shares.share_items import Items

UNITS = 1 << 24
"""Units of a post's weighted share: whole numbers, whose sums are exact below some 10^11 posts."""
PRIOR_POSTS = 1.0
"""Posts' worth of equal shares in the prior."""
BLOCK = "shares"
FAMILIES = {"author": ("user_id",), "kind": ("user_id", "category")}


def weights_of(totals: np.ndarray, half: float) -> np.ndarray:
    """Weight n / (n + half) of posts with n reactions [n]: 0 without any, 1/2 at ``half``, never above 1."""
    return totals / (totals + half)


def seen_before(items: Items, known: Collection[str], settings: ShareHistory, seed: int) -> np.ndarray:
    """Newest moment (exclusive) of labels that each item may see, int64 microseconds [n]; the lowest without a time.

    known: the parts whose labels are known. Items of these parts are learned from, so with ``as_of: lag`` their news is
    as stale as decision 004 says; all others see every label of the known parts that is older.
    """
    learned = pl.col("split").is_in(list(known))
    posts = items.frame.select(
        "post_id",
        "posted_at",
        split=pl.when(learned).then(pl.lit("train")).otherwise(pl.lit("unlabelled")),
        fold=pl.lit(0, pl.Int8),
    )
    before = horizon(posts, bank_parts(posts), settings.as_of, "labelled", settings.lag_days, seed)["sees_before"]
    return before.dt.timestamp("us").fill_null(np.iinfo(np.int64).min).to_numpy()


def share_history(items: Items, known: Collection[str], settings: ShareHistory, seed: int = 0) -> pl.DataFrame:
    """Features ``shares.*`` (Float64) of every item, in its order.

    known: parts whose labels are known (``train`` for the model that predicts valid and test; every labelled part for
    the one that predicts unlabelled items). With K classes, of labels that the item may see:

    - ``base_<class>``: log of the author's smoothed share: post shares weighted by :func:`weights_of`, ``smoothing``
      posts at the prior, which is the same mean over all authors. Where no label is visible: the prior. The prior of
      an item without a time is that of all other labels: nothing says which are older;
    - ``last_<k>_<class>``: as base, of the author's last k posts, shrunk to base; minus base;
    - ``kind_<class>``: as base, of the author's posts of the same category, shrunk to base; minus base;
    - ``mood_<class>``: as prior, of the newest labels of all authors; minus the prior;
    - ``pooled_<class>``: as base, of pooled counts, where a post weighs as much as its reactions; minus base;
    - ``count``, ``kind_count`` (labels, at most the longest window: what grows for ever is no guide to later posts),
      ``days_since_last``, ``reactions`` (mean log2(1 + n) of the author's visible posts).
    """
    past = _Past(items, known, settings)
    moments = seen_before(items, known, settings, seed)
    found = past.columns(items.frame, moments)
    return pl.DataFrame({f"{BLOCK}.{name}": pl.Series(values).fill_nan(None) for name, values in found.items()})


def base_of(features: pl.DataFrame, classes: Collection[str]) -> np.ndarray:
    """Log of the author's smoothed shares [n, classes] among the columns of :func:`share_history`."""
    return features.select(f"{BLOCK}.base_{name}" for name in classes).to_numpy()


class _Past:
    """Labels of the known parts as time lines of one author, of an author's category and of everybody.

    own: what the label of each item adds, 0 where it is not known, int64 [n, classes + 1].
    """

    def __init__(self, items: Items, known: Collection[str], settings: ShareHistory) -> None:
        self.classes, self.settings = items.classes, settings
        usable = items.frame["split"].is_in(list(known)).to_numpy() & (items.totals > 0)
        counts, totals = items.counts[usable], items.totals[usable]
        weights = weights_of(totals, settings.half)
        shares = counts / totals[:, None]
        self.values = np.rint(np.column_stack([shares * weights[:, None], weights]) * UNITS).astype(np.int64)
        self.own = np.zeros((len(usable), self.values.shape[1]), np.int64)
        self.own[usable] = self.values
        self.extra = np.rint(np.column_stack([counts, np.log2(1 + totals) * UNITS])).astype(np.int64)
        labels = items.frame.select("user_id", "posted_at", "category").filter(usable)
        labels = labels.with_columns(row=pl.int_range(pl.len(), dtype=pl.Int64))
        self.lines = {name: timeline(labels, by, ("row", "posted_at")) for name, by in FAMILIES.items()}
        self.lines["everybody"] = timeline(labels, (), ("row", "posted_at"))
        self.sums = {name: _prefix_sums(self.values, line) for name, line in self.lines.items()}
        self.extra_sums = _prefix_sums(self.extra, self.lines["author"])

    def columns(self, queries: pl.DataFrame, moments: np.ndarray) -> dict[str, np.ndarray]:
        s, strength = self.settings, self.settings.smoothing
        start, stop = self.lines["everybody"].before(queries, moments)
        equal = np.full((queries.height, len(self.classes)), 1 / len(self.classes))
        prior = self._smoothed("everybody", start, stop, equal, PRIOR_POSTS)
        untimed = queries["posted_at"].is_null().to_numpy()
        others = (self.values.sum(0) - self.own[untimed]) / UNITS
        prior[untimed] = (others[:, :-1] + PRIOR_POSTS * equal[untimed]) / (others[:, -1:] + PRIOR_POSTS)
        mood = self._smoothed("everybody", np.maximum(start, stop - s.level_window), stop, prior, strength)
        start, stop = self.lines["author"].before(queries, moments)
        base = self._smoothed("author", start, stop, prior, strength)
        found = self._named("base", np.log(base)) | self._named("mood", np.log(mood / prior))
        for window in s.windows:
            recent = self._smoothed("author", np.maximum(start, stop - window), stop, base, strength)
            found |= self._named(f"last_{window}", np.log(recent / base))
        extra = self.extra_sums[stop] - self.extra_sums[start]
        pooled = (extra[:, :-1] + s.half * strength * prior) / (extra[:, :-1].sum(1, keepdims=True) + s.half * strength)
        found |= self._named("pooled", np.log(pooled / base))
        count = (stop - start).astype(np.float64)
        found["count"] = np.minimum(count, max(s.windows, default=1))
        with np.errstate(invalid="ignore"):
            found["reactions"] = extra[:, -1] / UNITS / np.where(count > 0, count, np.nan)
        found["days_since_last"] = self._days(queries, start, stop)
        if queries["category"].null_count() < queries.height:
            start, stop = self.lines["kind"].before(queries, moments)
            found |= self._named("kind", np.log(self._smoothed("kind", start, stop, base, strength) / base))
            found["kind_count"] = np.minimum(stop - start, max(s.windows, default=1)).astype(np.float64)
        return found

    def _smoothed(self, name: str, start: np.ndarray, stop: np.ndarray, prior: np.ndarray, strength: float):
        """Mean share [n, classes] of a range of labels and ``strength`` posts at ``prior``; all above 0."""
        sums = (self.sums[name][stop] - self.sums[name][start]) / UNITS
        return (sums[:, :-1] + strength * prior) / (sums[:, -1:] + strength)

    def _named(self, head: str, values: np.ndarray) -> dict[str, np.ndarray]:
        return {f"{head}_{name}": column for name, column in zip(self.classes, values.T, strict=True)}

    def _days(self, queries: pl.DataFrame, start: np.ndarray, stop: np.ndarray) -> np.ndarray:
        """Days since the author's newest visible post; NaN without one."""
        if not len(self.values) or not self.lines["author"].rows.height:
            return np.full(queries.height, np.nan)
        now = queries["posted_at"].dt.timestamp("us").fill_null(0).to_numpy()
        newest = microseconds(self.lines["author"].rows["posted_at"])[np.maximum(stop - 1, 0)]
        return np.where(stop > start, (now - newest) / DAY, np.nan)


def _prefix_sums(values: np.ndarray, line: Timeline) -> np.ndarray:
    """Sums [rows + 1, columns] of the values of a line's rows before each row."""
    rows = values[line.rows["row"].to_numpy()]
    return np.concatenate([np.zeros((1, values.shape[1]), np.int64), np.cumsum(rows, axis=0)])

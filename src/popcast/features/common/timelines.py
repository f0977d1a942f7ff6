"""Look-ups in time: what was there, in a group of posts, strictly before a moment.

A :class:`Timeline` holds rows (labels, or posts) sorted by group and time. A query names a group and a moment
and gets the range of rows before it. Everything that is a running statistic of a group is then computed once per row
and read at the last row of the range. Rows at the very moment are never in the range, so that the posts of one burst
with the same time stamp do not see each other.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

DAY = 86_400_000_000
HOUR = DAY // 24
"""Microseconds, the unit of all moments here."""
LABEL_UNITS = 1_000_000
"""Labels carry 6 decimal places. Sums in integer units are exact: no label can reach a feature by rounding noise."""


def microseconds(times: pl.Series) -> np.ndarray:
    """Datetime column [n] without nulls as int64 microseconds."""
    return times.dt.timestamp("us").to_numpy()


@dataclass(frozen=True)
class Timeline:
    """Rows sorted by group, then time. Build it with :func:`timeline`."""

    rows: pl.DataFrame
    by: tuple[str, ...]
    groups: pl.DataFrame
    times: np.ndarray
    keys: np.ndarray
    starts: np.ndarray

    def before(self, queries: pl.DataFrame, moments: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Range of rows of each query's group strictly older than its moment.

        queries: the columns ``by`` [n]; moments: int64 [n], microseconds. Returns first row and last row + 1, int64
        [n]; an unknown group has the empty range (0, 0).
        """
        return self.before_in(self.group(queries), moments)

    def group(self, queries: pl.DataFrame) -> np.ndarray:
        """Number of each query's group, int64 [n], -1 where it is unknown."""
        return codes(queries, self.groups, self.by)

    def before_in(self, code: np.ndarray, moments: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """As :meth:`before`, for groups that :meth:`group` has already found."""
        rank = np.searchsorted(self.times, moments, side="left")
        stop = np.searchsorted(self.keys, code * (len(self.times) + 1) + rank, side="left")
        start = self.starts[code]
        known = code >= 0
        return np.where(known, start, 0), np.where(known, stop, 0)


def codes(queries: pl.DataFrame, groups: pl.DataFrame, by: tuple[str, ...]) -> np.ndarray:
    """Row number of each query's group in ``groups``, -1 where it is unknown or a part of it is null."""
    if not by:
        return np.zeros(queries.height, np.int64)
    known = groups.with_columns(code=pl.int_range(pl.len(), dtype=pl.Int64))
    return queries.select(by).join(known, on=by, how="left", maintain_order="left")["code"].fill_null(-1).to_numpy()


def timeline(rows: pl.DataFrame, by: tuple[str, ...], keep: tuple[str, ...]) -> Timeline:
    """Index ``rows`` by the columns ``by`` and ``posted_at``; the timeline's rows have the columns ``keep``.

    Rows with a null group or time are left out. Rows of one group with the same time keep the order in which they come.
    """
    rows = rows.drop_nulls([*by, "posted_at"])
    groups = rows.select(by).unique(maintain_order=True) if by else pl.DataFrame()
    code = codes(rows, groups, by)
    when = microseconds(rows["posted_at"])
    times, rank = np.unique(when, return_inverse=True)
    keys = code * (len(times) + 1) + rank
    order = np.argsort(keys, kind="stable")
    starts = np.searchsorted(code[order], np.arange(max(len(groups), 1)), side="left")
    return Timeline(rows.select(keep)[order], by, groups, times, keys[order], starts)


def label_sums(line: Timeline) -> np.ndarray:
    """Prefix sums [rows + 1] of ``popularity`` in integer units: the sum over a range is a difference of two."""
    units = np.rint(line.rows["popularity"].to_numpy() * LABEL_UNITS).astype(np.int64)
    return np.concatenate([[0], np.cumsum(units)])


def counts_and_means(
    line: Timeline, sums: np.ndarray, queries: pl.DataFrame, moments: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Number [n] and mean [n] of the labels of each query's group before its moment; the mean is NaN without any."""
    start, stop = line.before(queries, moments)
    count = stop - start
    with np.errstate(invalid="ignore"):
        return count, (sums[stop] - sums[start]) / LABEL_UNITS / np.where(count > 0, count, np.nan)


def shrunk(count: np.ndarray, mean: np.ndarray, prior: np.ndarray, strength: float) -> np.ndarray:
    """Mean of ``count`` labels and ``strength`` labels at ``prior``; the prior itself where there is no label."""
    total = np.where(count > 0, count * np.nan_to_num(mean), 0.0)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(count + strength > 0, (total + strength * prior) / (count + strength), prior)

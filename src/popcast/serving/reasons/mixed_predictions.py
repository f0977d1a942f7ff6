"""Forecasts of mixed posts. A member is asked once about rows that it cannot tell apart.

A member sees the groups of its own blocks and of the fields that predictors read. Where two mixed posts differ only in
other groups, or where a group's content is the same in both, it says the same of them. What comes out is what
``predicted(forecast, mixed(...))`` gives, to the bit.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import polars as pl

from popcast.serving.reasons.mixed_posts import CHUNK, READ, Forecasting, Seen, as_told, mixed
from popcast.serving.reasons.reason_groups import PAST, TIME, group_of_column, group_of_field


def predicted_mixed(forecast: Forecasting, rows: Seen, base: np.ndarray, taken: Mapping[str, np.ndarray]) -> np.ndarray:
    """Forecasts [n] of ``mixed(rows, base, taken)`` on the log2 scale, rounded as ``Forecast.predict`` rounds them."""
    x = np.zeros((len(base), len(forecast.blend.members)))
    same = _same(rows)
    for groups, names in _alike(forecast, rows).items():
        own = {group: same[group][of] for group, of in taken.items() if group in groups}
        first, place = _distinct(len(rows.segment), base, *own.values())
        blocks = {block for name in names for block in forecast.contents.members[name].blocks}
        features = {block: table for block, table in rows.features.items() if block in blocks}
        shown = replace(rows, features=features)
        for start in range(0, len(first), CHUNK):
            part = first[start : start + CHUNK]
            some = mixed(shown, base[part], {group: of[part] for group, of in own.items()})
            asked = (start <= place) & (place < start + CHUNK)
            for name, said in forecast.by_member(some.posts, some.features, names).items():
                x[asked, forecast.blend.members.index(name)] = said[place[asked] - start]
    segment, age = rows.segment[taken.get(PAST, base)], rows.age[taken.get(TIME, base)]
    return as_told(forecast.blend.predict(x, segment, age))


def _alike(forecast: Forecasting, rows: Seen) -> dict[frozenset[str], list[str]]:
    """Groups -> the members that see just these."""
    found: dict[frozenset[str], list[str]] = {}
    read = {group_of_field(name) for name in READ if name in rows.posts.columns}
    for name in forecast.members:
        told = forecast.contents.members[name]
        columns = (column for block in told.blocks if block in rows.features for column in rows.features[block].columns)
        seen = frozenset(read | {group_of_column(column) for column in columns if column != "post_id"})
        found.setdefault(seen, []).append(name)
    return found


def _same(rows: Seen) -> dict[str, np.ndarray]:
    """Group -> for each row (int [n]) the first one that has the same in all of the group: most posts have no place."""
    read = rows.posts.select(name for name in ("post_id", *READ) if name in rows.posts.columns)
    content: dict[str, list] = {PAST: [rows.segment.tolist()], TIME: [rows.age.tolist()]}
    for column in read.get_columns():
        content.setdefault(group_of_field(column.name), []).append(_cells(column))
    for table in rows.features.values():
        for column in table.drop("post_id").get_columns():
            content.setdefault(group_of_column(column.name), []).append(_cells(column))
    found = {}
    for group, columns in content.items():
        first: dict[tuple, int] = {}
        found[group] = np.array([first.setdefault(key, row) for row, key in enumerate(zip(*columns, strict=True))])
    return found


def _cells(column: pl.Series) -> list:
    return [tuple(one) if isinstance(one, list) else one for one in column.to_list()]


def _distinct(count: int, *columns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows [m] of ``columns`` (int [n] each, below ``count``) that differ, and which of the m each of the n is."""
    code = np.zeros(len(columns[0]), np.int64)
    for column in columns:
        code = np.unique(code * count + column, return_inverse=True)[1]
    _, first, place = np.unique(code, return_index=True, return_inverse=True)
    return first, place

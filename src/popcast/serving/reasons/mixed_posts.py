"""Posts of which each group of columns comes from another post: what a forecast would be, were only the text another.

A post here is what the members and the blend see of it: fields, features, segment and age. Rows of several posts are
stacked once; a mixed row is one row number per group.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import polars as pl

from popcast.blend.blending import Blend
from popcast.core import tables
from popcast.serving.bundle import Contents
from popcast.serving.reasons.reason_groups import GROUPS, PAST, TIME, group_of_column, group_of_field

READ = ("user_id", "posted_at", "title", "tags", "category", "subcategory", "concept")
"""Fields that members read by themselves, besides features."""
CHUNK = 4096
"""Rows that are predicted at once: a frame of them takes some 30 MB."""


class Forecasting(Protocol):
    """What reasons need of ``popcast.serving.forecast.Forecast``."""

    contents: Contents
    blend: Blend
    members: Mapping[str, object]
    known: pl.DataFrame
    files: Mapping[str, bytes]

    def once(self, name: str, of: tuple, make: Callable[[], Any]) -> Any: ...
    def prepared(self, posts: pl.DataFrame) -> pl.DataFrame: ...
    def complete(self, posts: pl.DataFrame) -> pl.DataFrame: ...
    def features(self, posts: pl.DataFrame, media: Path | None = None) -> dict[str, pl.DataFrame]: ...
    def by_member(
        self, posts: pl.DataFrame, features: Mapping[str, pl.DataFrame], names: Collection[str] | None = None
    ) -> dict[str, np.ndarray]: ...
    def segments(self, posts: pl.DataFrame) -> tuple[np.ndarray, np.ndarray]: ...
    def blended(
        self, posts: pl.DataFrame, features: Mapping[str, pl.DataFrame], segment: np.ndarray, age: np.ndarray
    ) -> np.ndarray: ...


@dataclass(frozen=True)
class Seen:
    """What a forecast depends on, row by row: ``posts`` (fields), ``features`` (block -> table), and segment and age
    of the blend [n]."""

    posts: pl.DataFrame
    features: dict[str, pl.DataFrame]
    segment: np.ndarray
    age: np.ndarray

    def groups(self) -> list[str]:
        """Groups in which any two rows differ, in the order of ``GROUPS``: the others cannot be a reason."""
        found = {PAST} if len(set(self.segment)) > 1 else set()
        found |= {TIME} if len(set(np.nan_to_num(self.age, nan=-1.0))) > 1 else set()
        read = self.posts.select(name for name in READ if name in self.posts.columns)
        tables = [
            (read, group_of_field),
            *((table.drop("post_id"), group_of_column) for table in self.features.values()),
        ]
        for table, group_of in tables:
            found |= {group_of(name) for name in table.columns if group_of(name) not in found and _differ(table[name])}
        return [name for name in GROUPS if name in found]

    def row(self, number: int) -> Seen:
        """One of the rows."""
        part = slice(number, number + 1)
        features = {name: table[part] for name, table in self.features.items()}
        return Seen(self.posts[part], features, self.segment[part], self.age[part])


def _differ(column: pl.Series) -> bool:
    if isinstance(column.dtype, pl.Array | pl.List):
        return len(set(map(repr, column.to_list()))) > 1
    return column.n_unique() > 1


def seen(forecast: Forecasting, prepared: pl.DataFrame, media: Path | None = None) -> Seen:
    """What the members see of posts that ``Forecast.prepared`` returned."""
    return with_features(forecast, prepared, forecast.features(prepared, media))


def with_features(forecast: Forecasting, prepared: pl.DataFrame, features: Mapping[str, pl.DataFrame]) -> Seen:
    """As :func:`seen`, of posts whose features [n] are known already."""
    return Seen(prepared, dict(features), *forecast.segments(prepared))


def stacked(*parts: Seen) -> Seen:
    """The rows of all parts, one after the other; they have the same columns."""
    features = {
        name: pl.concat([part.features[name] for part in parts], how="vertical_relaxed") for name in parts[0].features
    }
    posts = pl.concat([part.posts.select(parts[0].posts.columns) for part in parts], how="vertical_relaxed")
    segment = np.concatenate([part.segment for part in parts])
    return Seen(posts, features, segment, np.concatenate([part.age for part in parts]))


def mixed(rows: Seen, base: np.ndarray, taken: Mapping[str, np.ndarray]) -> Seen:
    """Rows [n] as ``base`` (int [n]) names them, where column groups in ``taken`` come from other rows (int [n])."""
    return Seen(
        _mixed_table(rows.posts, base, taken, group_of_field),
        {name: _mixed_table(table, base, taken, group_of_column) for name, table in rows.features.items()},
        rows.segment[taken.get(PAST, base)],
        rows.age[taken.get(TIME, base)],
    )


def _mixed_table(table: pl.DataFrame, base: np.ndarray, taken: Mapping[str, np.ndarray], group_of) -> pl.DataFrame:
    parts: dict[str | None, list[str]] = {}
    for name in table.columns:
        group = group_of_field(name) if name == "post_id" else group_of(name)
        parts.setdefault(group if group in taken else None, []).append(name)
    found = [table.select(names)[taken.get(group, base)] for group, names in parts.items()]
    return pl.concat(found, how="horizontal").select(table.columns) if found else table[base]


def predicted(forecast: Forecasting, rows: Seen) -> np.ndarray:
    """Forecasts [n] on the log2 scale, rounded as ``Forecast.predict`` rounds them."""
    found = []
    for start in range(0, rows.posts.height, CHUNK):
        part = slice(start, start + CHUNK)
        posts = rows.posts[part]
        features = {name: table[part] for name, table in rows.features.items()}
        found.append(forecast.blended(posts, features, rows.segment[part], rows.age[part]))
    return as_told(np.concatenate(found) if found else np.empty(0))


def as_told(values: np.ndarray) -> np.ndarray:
    """Forecasts [n] rounded as ``Forecast.predict`` rounds them."""
    table = pl.DataFrame({"prediction": pl.Series(values, dtype=pl.Float64)})
    return tables.rounded(table)["prediction"].to_numpy()

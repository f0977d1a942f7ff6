"""What a post may still change, and which of its columns change with it: never its author, never the past.

Two levers of one kind of thing are kept apart where their columns are: the hour moves no count of days, the length no
word. ``history.author_*`` stays as it is even where it is about the hour or category: that is the author's past.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl

from popcast.serving.reasons.mixed_posts import Seen
from popcast.serving.reasons.reason_groups import (
    CATEGORY,
    PICTURE,
    SIMILAR,
    TAGS,
    TEXT,
    group_of_column,
    group_of_field,
)

SLOT = ("metadata.hour", "metadata.weekday", "metadata.hour_of_week")
LENGTH = ("metadata.title_length", "metadata.title_words")


@dataclass(frozen=True)
class Lever:
    """``columns``: features that it moves; ``groups``: groups of features and fields that it moves as wholes."""

    name: str
    groups: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()

    def moves(self, column: str) -> bool:
        return column in self.columns or group_of_column(column) in self.groups

    def moves_field(self, name: str) -> bool:
        return group_of_field(name) in self.groups


LEVERS: dict[str, Lever] = {
    "time": Lever("hour and weekday", columns=SLOT),
    "title": Lever("title", groups=(TEXT, SIMILAR)),
    "length": Lever("length of the text", columns=LENGTH),
    "tags": Lever("tags", groups=(TAGS,)),
    "category": Lever("category", groups=(CATEGORY,)),
    "picture": Lever("picture or video", groups=(PICTURE,)),
}


def moved(lever: Lever, rows: Seen, base: np.ndarray, other: np.ndarray) -> Seen:
    """Rows [n] that are those of ``base`` (int [n]) but for what the lever moves, which is that of rows ``other``."""
    features = {name: _moved(table, base, other, lever.moves) for name, table in rows.features.items()}
    posts = _moved(rows.posts, base, other, lever.moves_field)
    return Seen(posts, features, rows.segment[base], rows.age[base])


def _moved(table: pl.DataFrame, base: np.ndarray, other: np.ndarray, moves) -> pl.DataFrame:
    own = table[base]
    names = [name for name in table.columns if name != "post_id" and moves(name)]
    return own.with_columns(table.select(names)[other]) if names else own


def with_columns(rows: Seen, values: Mapping[str, list[float | None] | np.ndarray]) -> Seen:
    """Rows [n] with other values [n] in numeric feature columns, those that there are."""
    features = {}
    for block, table in rows.features.items():
        own = {name: of for name, of in values.items() if name in table.columns}
        features[block] = table.with_columns(
            pl.Series(k, v, dtype=table.schema[k], strict=False) for k, v in own.items()
        )
    return Seen(rows.posts, features, rows.segment, rows.age)

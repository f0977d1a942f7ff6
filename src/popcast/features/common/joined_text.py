"""What a post says as one text: its fields with a separator between them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import polars as pl

SEPARATOR = " | "
TextField = Literal["title", "tags", "category", "subcategory", "concept"]
"""Columns of posts that say something in words; ``tags`` is a list of them."""
AnyTextField = TextField | Literal["post_caption"]
"""With the words of whoever described the picture (``datasets.<key>.captions``)."""


def joined_text(posts: pl.DataFrame, fields: Sequence[str]) -> pl.Series:
    """One text per post: ``fields`` with " | " between them, missing and blank ones left out; null where all are."""
    parts = [part.str.strip_chars() for part in _parts(fields)]
    text = _joined([pl.when(part != "").then(part) for part in parts])
    return posts.select(text=pl.when(text != "").then(text)).to_series()


def verbatim_text(posts: pl.DataFrame, fields: Sequence[str]) -> list[str]:
    """One text per post: ``fields`` as they stand, blank ones too, missing ones left out; "" where all are missing."""
    return posts.select(text=_joined(_parts(fields)).fill_null("")).to_series().to_list()


def with_fields(posts: pl.DataFrame, fields: Sequence[str]) -> pl.DataFrame:
    """``posts`` with a column of nulls for every field that they lack."""
    return posts.with_columns(pl.lit(None, pl.String).alias(name) for name in fields if name not in posts.columns)


def _parts(fields: Sequence[str]) -> list[pl.Expr]:
    return [pl.col(field).list.join(" ") if field == "tags" else pl.col(field) for field in fields]


def _joined(parts: list[pl.Expr]) -> pl.Expr:
    return pl.concat_str(parts, separator=SEPARATOR, ignore_nulls=True)

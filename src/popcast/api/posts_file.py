"""``popcast.read_posts``: any export of posts as popcast's own table, without fitting anything."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from popcast.api.columns_read import read_table
from popcast.api.posts_given import given_rows
from popcast.api.refusal import one_line


@one_line
def read_posts(
    posts: Any,
    *,
    zone: str = "UTC",
    folder: str | os.PathLike | None = None,
    table: Mapping[str, Any] | None = None,
    **columns: str | Sequence[str],
) -> pl.DataFrame:
    """The table ``posts`` of popcast: post_id, user_id, posted_at (UTC), title, tags, category and so on, popularity
    on the log2 scale (null where there is no label), ``post_*``, ``user_*`` and ``posthoc_*`` numbers; sorted by id.

    posts: a path, pattern or list of paths, a DataFrame of polars or pandas, or a list of dictionaries. columns, zone,
    folder, table: as the parameters of :class:`popcast.Forecaster`. Raises BadPosts, one line.
    """
    names = {"numbers": "number", "author_numbers": "author_number"}
    given = {names.get(role, role): value for role, value in columns.items() if value is not None}
    rows = given_rows(posts, None if folder is None else Path(folder))
    return read_table(rows, given, table or {}, zone).posts

"""Captions of images, made by whatever describes images: a csv ``post_id,caption`` beside the raw files.

They become the column ``post_caption``, known at posting time because the image is. No captioner is ever called.
"""

from __future__ import annotations

from pathlib import Path

import polars as pl

from popcast.core.errors import bad_input
from popcast.datasets.loading import blank_to_null, filled, refuse, unique
from popcast.datasets.raw_files import csv

COLUMNS = ("post_id", "caption")


def add_captions(posts: pl.DataFrame, path: Path) -> pl.DataFrame:
    """``posts`` with ``post_caption`` (string, null where the csv has no row or a blank caption).

    path: csv with a header and the columns ``post_id`` and ``caption``. Raises BadInput for a missing file or column,
    a blank or repeated id, and an id that is no post's.
    """
    table = csv(path)
    for name in COLUMNS:
        if name not in table.columns:
            raise bad_input("no such column", file=path, field=name, expected=f"columns {', '.join(COLUMNS)}")
    where = {"file": path, "field": "post_id", "first_row": 2}
    ids = unique(filled(table["post_id"], **where), **where)
    refuse(~ids.is_in(posts["post_id"].implode()), ids, "no post has this id", **where)
    captions = pl.DataFrame({"post_id": ids, "post_caption": blank_to_null(table["caption"])})
    return posts.join(captions, on="post_id", how="left", maintain_order="left")

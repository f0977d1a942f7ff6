"""Which test posts a reader is shown: those that were told best, as well as most, and worst.

Whoever sees only tables of errors learns nothing of what goes wrong. Of one author each kind shows one post.
"""

from __future__ import annotations

import polars as pl

KINDS = ("best", "typical", "worst")
EACH = 2
"""Posts of each kind; of fewer test posts than three times as many, fewer."""


def chosen_examples(table: pl.DataFrame, each: int = EACH) -> pl.DataFrame:
    """Rows of ``table`` (post_id, user_id, prediction, popularity) with ``kind``, no post twice; sorted by kind.

    best: the least absolute errors. worst: the largest. typical: the nearest to the median one. Ties go by id.
    """
    each = min(each, table.height // len(KINDS))
    off = table.with_columns(off=(pl.col("prediction") - pl.col("popularity")).abs())
    off = off.with_columns(usual=(pl.col("off") - pl.col("off").median()).abs())
    left, found = off, []
    for kind, by, falling in (("best", "off", False), ("worst", "off", True), ("typical", "usual", False)):
        rows = left.sort(by, "post_id", descending=[falling, False])
        known, unknown = rows.filter(pl.col("user_id").is_not_null()), rows.filter(pl.col("user_id").is_null())
        once = pl.concat([known.unique("user_id", keep="first", maintain_order=True), unknown])
        taken = once.sort(by, "post_id", descending=[falling, False])[:each]
        found.append(taken.with_columns(kind=pl.lit(kind)))
        left = left.join(taken, on="post_id", how="anti")
    order = {kind: place for place, kind in enumerate(KINDS)}
    rows = pl.concat(found).with_columns(place=pl.col("kind").replace_strict(order, return_dtype=pl.Int64))
    return rows.sort("place", "off", "post_id").drop("usual", "place")

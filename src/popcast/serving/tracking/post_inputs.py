"""Facts of posts whose distribution is followed: what a forecast was asked about, beside what models learned from.

Numbers: hour, how many characters and tags, the numbers of post and author. Words: weekday, category, whether there is
a picture. They are read from the ``posts`` table alone, so that a draft costs nothing more, and a name means the same
in every bundle. ``inputs.json`` in a bundle holds how they lie in the posts that its models learned from.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import orjson
import polars as pl

from popcast.core import tables

FILE = "inputs.json"
BINS = 10
MOST_WORDS = 20
"""Words with a bin of their own; the rarer ones share one."""
OTHER, NONE = "(other)", "(none)"


class Inputs(NamedTuple):
    """Of posts [n], row by row the same: ``numbers`` Float64 columns, ``words`` String columns."""

    numbers: pl.DataFrame
    words: pl.DataFrame

    def filter(self, rows: pl.Series) -> Inputs:
        """Those of ``rows`` (bool [n])."""
        return Inputs(*(part.filter(rows) if part.width else part for part in self))


def inputs_of(posts: pl.DataFrame, zone: str) -> Inputs:
    """posts: columns of the ``posts`` table. zone: of the hour and the weekday."""
    clock = pl.col("posted_at").dt.convert_time_zone(zone)
    further = [
        pl.col(name).cast(pl.Float64)
        for name, dtype in posts.schema.items()
        if dtype.is_numeric() and name.startswith(("post_", "user_"))
    ]
    numbers = posts.select(
        clock.dt.hour().cast(pl.Float64).alias("hour"),
        pl.col("title").str.len_chars().cast(pl.Float64).alias("characters"),
        pl.col("tags").list.len().fill_null(0).cast(pl.Float64).alias("tags"),
        *further,
    )
    words = posts.select(
        clock.dt.strftime("%a").alias("weekday"),
        pl.col("category").alias("category"),
        pl.when(pl.col("media").list.len().fill_null(0) > 0).then(pl.lit("yes")).otherwise(pl.lit("no")).alias("media"),
    )
    return Inputs(tables.rounded(numbers), words)


def reference_of(inputs: Inputs, authors: int) -> dict[str, dict[str, Any]]:
    """How inputs lie: name -> bins and the share of posts in each. Numbers: ``BINS`` bins between quantiles, fewer
    where values repeat, and one for those not known. Words: the ``MOST_WORDS`` most used ones, others, none. One that
    is the same in every post is left out."""
    found: dict[str, dict[str, Any]] = {}
    for name in inputs.numbers.columns:
        values = inputs.numbers[name].drop_nulls().to_numpy()
        if len(values):
            inner = np.quantile(values, np.linspace(0, 1, BINS + 1)[1:-1], method="inverted_cdf")
            edges = sorted({round(float(edge), 6) for edge in inner if edge < values.max()})
            found[name] = {"kind": "number", "edges": edges}
    for name in inputs.words.columns:
        most = inputs.words[name].drop_nulls().value_counts().sort(["count", name], descending=[True, False])
        found[name] = {"kind": "word", "words": most[name][:MOST_WORDS].to_list()}
    for name, of in found.items():
        counts = counts_in(of, inputs, name)
        of |= {"posts": int(counts.sum()), "authors": authors, "counts": counts.tolist()}
    return {name: of for name, of in found.items() if sum(count > 0 for count in of["counts"]) > 1}


def counts_in(of: Mapping[str, Any], inputs: Inputs, name: str) -> np.ndarray:
    """How many of the posts lie in each bin of the reference ``of``; a value that is not known has the last bin.

    A number lies in the bin whose upper edge it does not exceed.
    """
    if of["kind"] == "number":
        values = inputs.numbers[name].to_numpy().astype(np.float64)
        place = np.searchsorted(of["edges"], values, side="left")
        place[np.isnan(values)] = len(of["edges"]) + 1
        return np.bincount(place, minlength=len(of["edges"]) + 2)
    order = {word: at for at, word in enumerate(of["words"])}
    last = len(order) + 1
    places = [last if word is None else order.get(word, last - 1) for word in inputs.words[name]]
    return np.bincount(places, minlength=last + 1)


def authors_of(users: pl.Series) -> int:
    """How many authors; a post whose author is not known has one of its own."""
    return users.drop_nulls().n_unique() + users.null_count()


def write_inputs(folder: Path, learned: pl.DataFrame, zone: str) -> None:
    """``inputs.json`` of the posts that models learned from."""
    tables.write_json(reference_of(inputs_of(learned, zone), authors_of(learned["user_id"])), folder / FILE)


def read_inputs(content: bytes | None) -> dict[str, dict[str, Any]] | None:
    """What the file holds; None: an older bundle without it."""
    return None if content is None else orjson.loads(content)

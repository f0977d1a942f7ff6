"""The posts that widths are learned from: valid posts, out-of-fold posts of the training part, stand-ins for the rest.

Valid posts are judged in folds of time, as the blend's own residuals are made (``intervals.blocks``), without times in
folds of whole authors. Stand-ins are fitted across whole authors.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from popcast.blend.widths.params import Widths
from popcast.blend.widths.stand_ins import stand_in_predictions
from popcast.blend.widths.width_columns import width_columns

FOLDS = 5
LEAST_AUTHORS = 10
STRETCHES = 20
"""Groups of posts of about equal size, by time and id, in the place of authors."""


@dataclass(frozen=True)
class HeldOut:
    """Posts with residuals that nothing had learned from, in the order of ids, the valid part first.

    columns: see ``width_columns``. residual: label minus blend [n]. warm: bool [n]. author: whole numbers [n], see
    :func:`authors`. fold: [n], see :func:`judged_in`. calibrates: bool [n], posts of the valid part; the others only
    help to learn the shape.
    """

    columns: pl.DataFrame
    residual: np.ndarray
    warm: np.ndarray
    author: np.ndarray
    fold: np.ndarray
    calibrates: np.ndarray

    def part(self, chosen: np.ndarray) -> HeldOut:
        """Some rows, by their numbers."""
        kept = (getattr(self, name)[chosen] for name in ("columns", "residual", "warm", "author", "fold", "calibrates"))
        return HeldOut(*kept)


def wide_features(features: dict[str, pl.DataFrame], ids: pl.Series) -> pl.DataFrame:
    """Columns ``<block>.<column>`` of the posts ``ids`` [n], in their order. features: block -> table of posts."""
    found = pl.DataFrame({"post_id": ids})
    for table in features.values():
        found = found.join(table, on="post_id", how="left", maintain_order="left")
    return found.drop("post_id")


def held_out_posts(
    posts: pl.DataFrame, predicted: pl.DataFrame, members: np.ndarray, features: dict[str, pl.DataFrame],
    section: Widths, seed: int,
) -> HeldOut:  # fmt: skip
    """What a blend has to learn its widths from; no label outside the valid and the training part is read.

    posts: with ``split`` and ``warm``. predicted: ``post_id`` and ``prediction`` of the blend, held out for valid posts
    (null: none), row by row as members [n, m].
    """
    facts = posts.select("post_id", "user_id", "posted_at", "split", "warm", "popularity")
    place = pl.int_range(pl.len()).alias("place")
    rows = predicted.select("post_id", "prediction").with_columns(place).join(facts, on="post_id", how="left")
    wanted = pl.col("split").is_in(["valid", "train"]) & pl.col("popularity").is_not_null()
    rows = rows.filter(wanted & pl.col("prediction").is_not_null())
    rows = rows.sort(pl.col("split") != "valid", "post_id")
    shown = wide_features(features, rows["post_id"])
    columns = width_columns(
        shown, rows["prediction"].to_numpy(), members[rows["place"].to_numpy()], rows["warm"].to_numpy()
    )
    parts = [(rows, columns)]
    room = section.most_posts - rows.height
    if features and room > 0:
        others = facts.filter(split="train").drop_nulls("popularity").join(rows, on="post_id", how="anti")
        parts += _stand_ins(others.sort("post_id"), features, room, seed)
    keys = pl.concat([part.select("post_id", "user_id", "posted_at", "split", "warm", residual=pl.col("popularity")
                                  - pl.col("prediction")) for part, _ in parts])  # fmt: skip
    return HeldOut(
        pl.concat([of for _, of in parts], how="diagonal"),
        keys["residual"].to_numpy(),
        keys["warm"].to_numpy(),
        authors(keys),
        judged_in(keys),
        (keys["split"] == "valid").to_numpy(),
    )


def _stand_ins(
    others: pl.DataFrame, features: dict[str, pl.DataFrame], room: int, seed: int
) -> list[tuple[pl.DataFrame, pl.DataFrame]]:
    """At most ``room`` of the training posts ``others`` with the prediction of a stand-in; none if there is no such."""
    if others.height > room:
        others = others[np.sort(np.random.default_rng(seed).permutation(others.height)[:room])]
    if others.height < FOLDS:
        return []
    shown = wide_features(features, others["post_id"])
    predicted = stand_in_predictions(shown, others["popularity"].to_numpy(), folds(others), seed)
    if predicted is None:
        return []
    rows = others.with_columns(prediction=pl.Series(predicted))
    return [(rows, width_columns(shown, predicted, np.empty((len(predicted), 0)), rows["warm"].to_numpy()))]


def authors(rows: pl.DataFrame) -> np.ndarray:
    """A number [n] per author; a post without one has its own."""
    own = pl.coalesce(pl.lit("user ") + pl.col("user_id"), pl.lit("post ") + pl.col("post_id"))
    return rows.select(own.rank("dense")).to_series().to_numpy().astype(np.int64)


def judged_in(rows: pl.DataFrame) -> np.ndarray:
    """Fold [n] in which the posts of the valid part are judged: stretches of time where all of them have one, for posts
    to come are of another time; else whole authors. Other posts get folds of their own, which mean nothing."""
    found = np.empty(rows.height, np.int64)
    valid = (rows["split"] == "valid").to_numpy()
    for part in (valid, ~valid):
        of = rows.filter(pl.Series(part))
        found[part] = folds(of) if of["posted_at"].null_count() else _stretches(of, FOLDS)
    return found


def _stretches(rows: pl.DataFrame, count: int) -> np.ndarray:
    """Number [n] of the stretch of time that each post lies in, ``count`` of about equal size, by time and id."""
    order = rows.select(pl.arg_sort_by("posted_at", "post_id", nulls_last=True)).to_series().to_numpy()
    found = np.empty(rows.height, np.int64)
    found[order] = np.arange(rows.height) * count // max(rows.height, 1)
    return found


def folds(rows: pl.DataFrame) -> np.ndarray:
    """Fold [n] of each post, about as many posts in each: whole authors; with hardly any of them stretches of time."""
    groups = authors(rows)
    if len(np.unique(groups)) < LEAST_AUTHORS:
        groups = _stretches(rows, STRETCHES)
    _, place, counts = np.unique(groups, return_inverse=True, return_counts=True)
    load, of = np.zeros(FOLDS, np.int64), np.empty(len(counts), np.int64)
    for group in np.argsort(-counts, kind="stable"):
        of[group] = np.argmin(load)
        load[of[group]] += counts[group]
    return of[place]

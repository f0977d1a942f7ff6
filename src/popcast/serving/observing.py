"""What happened after a bundle was fitted: posts that came out, and outcomes that were counted.

Of each post its first account counts, and of its outcomes the newest one that was mature: counted at least
``maturity_days`` after posting, for an hour's likes are not what models learned to forecast. A post without such an
outcome is known to exist and no more.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from popcast.core.errors import bad_input
from popcast.core.tables import TIME
from popcast.features.common.embeddings import embedding
from popcast.serving import known_posts

WHEN = "counted_at"
"""Column of a batch: when the outcome was counted."""
Embeddings = dict[str, pl.DataFrame]
"""Block -> ``post_id`` and ``embedding`` of posts."""


@dataclass(frozen=True)
class Observed:
    """What is known of the observed posts. ``posts``: columns of the ``posts`` table with ``popularity`` where there is
    a mature one. ``embeddings``: of these posts."""

    posts: pl.DataFrame
    embeddings: Embeddings


@dataclass(frozen=True)
class Told:
    """What a batch says that was not known: posts with ``split`` and ``fold``, ready for ``FeatureBlock.grown``."""

    posts: pl.DataFrame
    embeddings: Embeddings


def batch_of(rows: pl.DataFrame, embeddings: Embeddings, reach: pl.DataFrame | None = None) -> dict[str, Any]:
    """A batch as a journal has it. rows: posts with ``popularity`` and ``counted_at``. reach: what a forecast said of
    their outcomes, see ``popcast.serving.tracking.adaptive_widths``."""
    plain = rows.with_columns(pl.selectors.datetime().dt.epoch("us"))
    vectors = {block: _packed(rows, table) for block, table in embeddings.items()}
    said = {} if reach is None else reach.to_dict(as_series=False)
    return {"rows": plain.to_dicts(), "embeddings": vectors} | said


def rows_of(batches: list[dict[str, Any]], schema: dict[str, pl.DataType]) -> tuple[pl.DataFrame, Embeddings]:
    """Rows of all batches in their order, and the first embedding of each post. schema: of the ``posts`` table."""
    schema = schema | {"popularity": pl.Float64(), WHEN: TIME}
    plain = {name: pl.Int64() if dtype == TIME else dtype for name, dtype in schema.items()}
    found = [pl.DataFrame(batch["rows"], schema=plain) for batch in batches]
    times = [pl.from_epoch(name, "us").dt.replace_time_zone("UTC") for name, dtype in schema.items() if dtype == TIME]
    rows = pl.concat(found) if found else pl.DataFrame(schema=plain)
    vectors: dict[str, list[pl.DataFrame]] = {}
    for batch, table in zip(batches, found, strict=True):
        for block, packed in batch["embeddings"].items():
            vectors.setdefault(block, []).append(_unpacked(table, packed))
    joined = {block: pl.concat(parts).unique("post_id", keep="first") for block, parts in vectors.items()}
    return rows.with_columns(times), joined


def _packed(rows: pl.DataFrame, table: pl.DataFrame) -> dict[str, Any]:
    """Vectors [n, width] of the rows, NaN where there is none, as text that holds every bit."""
    values = embedding(rows.select("post_id").join(table, on="post_id", how="left", maintain_order="left")["embedding"])
    return {"width": values.shape[1], "float32": base64.b64encode(values.tobytes()).decode()}


def _unpacked(rows: pl.DataFrame, packed: dict[str, Any]) -> pl.DataFrame:
    values = np.frombuffer(base64.b64decode(packed["float32"]), np.float32).reshape(rows.height, packed["width"])
    column = pl.Series("embedding", values, dtype=pl.Array(pl.Float32, packed["width"]))
    there = pl.Series(~np.isnan(values[:, 0])) if values.size else pl.Series([], dtype=pl.Boolean)
    return rows.select("post_id").with_columns(column).with_columns(pl.when(there).then("embedding").alias("embedding"))


def check_identity(rows: pl.DataFrame, known: pl.DataFrame) -> None:
    """Raise BadInput where an id is missing, stands twice, or is that of another author's or another time's post."""
    ids = rows["post_id"]
    if ids.null_count():
        raise bad_input("a post without id", row=ids.is_null().arg_max() + 1, expected="the id that it is known by")
    if not ids.is_first_distinct().all():
        row = (~ids.is_first_distinct()).arg_max()
        raise bad_input("two rows of one id", row=row + 1, field="id", value=ids[row], expected="one row per post")
    columns = ("post_id", "user_id", "posted_at")
    of_id = known.select(columns)
    both = rows.select(columns).join(of_id, on="post_id", how="left", maintain_order="left", suffix="_known")
    for name, what in (("user_id", "author"), ("posted_at", "time")):
        wrong = (both[name] != both[f"{name}_known"]).fill_null(False)
        if wrong.any():
            row = wrong.arg_max()
            raise bad_input(
                f"the post {both['post_id'][row]} is known with another {what}", row=row + 1, field=what,
                value=str(both[name][row]), expected=f"{both[f'{name}_known'][row]}, or another id",
            )  # fmt: skip


def news(
    rows: pl.DataFrame, embeddings: Embeddings, before: Observed, known: pl.DataFrame, maturity_days: float
) -> tuple[Observed, Told]:
    """All that is observed after ``rows``, and what of it is new. known: the posts of the bundle, observed ones too."""
    columns = before.posts.columns
    first = rows.unique("post_id", keep="first", maintain_order=True)
    first = first.with_columns(popularity=pl.lit(None, pl.Float64)).select(columns)
    first = first.join(before.posts.select("post_id"), on="post_id", how="anti", maintain_order="left")
    place = known.select("post_id", at=pl.col("posted_at"), by=pl.col("user_id"))
    first = first.join(place, on="post_id", how="left", maintain_order="left").with_columns(
        posted_at=pl.coalesce("posted_at", "at"), user_id=pl.coalesce("user_id", "by")
    )
    posts = pl.concat([before.posts, first.select(columns)])
    labels = _mature(rows, posts, maturity_days)
    posts = posts.join(labels, on="post_id", how="left", maintain_order="left")
    touched = posts["post_id"].is_in(first["post_id"].implode()) | posts["told_label"].is_not_null()
    posts = posts.with_columns(popularity=pl.coalesce("told_label", "popularity")).drop("told_label")
    vectors = dict(before.embeddings)
    for block, table in embeddings.items():
        older = [vectors[block]] if block in vectors else []
        vectors[block] = pl.concat([*older, table]).unique("post_id", keep="first", maintain_order=True)
    return Observed(posts, vectors), Told(_parted(posts.filter(touched), known), vectors)


def _mature(rows: pl.DataFrame, posts: pl.DataFrame, maturity_days: float) -> pl.DataFrame:
    """``post_id`` and ``told_label``: the newest outcome of each post that was counted late enough."""
    found = ripe(rows, posts, maturity_days).unique("post_id", keep="last", maintain_order=True)
    return found.select("post_id", told_label="popularity")


def ripe(rows: pl.DataFrame, posts: pl.DataFrame, maturity_days: float) -> pl.DataFrame:
    """Those of ``rows`` whose outcome was counted late enough, with the time of their post in ``posts``."""
    told = rows.drop_nulls("popularity").drop("posted_at")
    told = told.join(posts.select("post_id", "posted_at"), on="post_id", how="left", maintain_order="left")
    age = (pl.col(WHEN) - pl.col("posted_at")).dt.total_seconds() / 86400
    return told.filter((age >= maturity_days).fill_null(True))  # where posts have no time nobody can say


def _parted(posts: pl.DataFrame, known: pl.DataFrame) -> pl.DataFrame:
    """``posts`` with ``split`` and ``fold``. Posts that models learned from keep theirs; others with a label are
    ``test``: seen by new posts alone."""
    fitted = known.filter(~pl.col("observed") & pl.col("labelled") & (pl.col("split") != "unlabelled"))
    posts = posts.join(fitted.select("post_id", "split", "fold"), on="post_id", how="left", maintain_order="left")
    other = pl.when(pl.col("popularity").is_not_null()).then(pl.lit("test")).otherwise(pl.lit("unlabelled"))
    return posts.with_columns(split=pl.coalesce("split", other))


def with_news(known: pl.DataFrame, told: pl.DataFrame) -> pl.DataFrame:
    """``known`` with the posts of :class:`Told` as observed ones; those that it had stay, with a label if it came."""
    rows = known_posts.known_posts(told).with_columns(observed=pl.lit(True))
    labelled = rows.filter("labelled").select("post_id", now=pl.lit(True))
    stay = known.join(labelled, on="post_id", how="left", maintain_order="left")
    late = pl.col("now").fill_null(False) & ~pl.col("labelled")
    stay = stay.with_columns(
        split=pl.when(late).then(pl.lit("test")).otherwise("split"),
        observed=pl.col("observed") | late,
        labelled=pl.col("labelled") | late,
    ).drop("now")
    fresh = rows.join(known.select("post_id"), on="post_id", how="anti", maintain_order="left")
    return pl.concat([stay, fresh.select(stay.columns).cast(dict(stay.schema))])

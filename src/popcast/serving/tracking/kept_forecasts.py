"""Forecasts that are kept, to be compared with what became of their posts: ``forecasts.jsonl`` in a bundle's folder.

A kept forecast has an id of its own, for drafts often have none, or one that the next file has too. It remembers what
was said, who was asked about, and the few facts of the post that :mod:`popcast.serving.tracking.post_inputs` follows.
"""

from __future__ import annotations

import secrets
from datetime import UTC, datetime
from typing import Any, Protocol

import polars as pl

from popcast.core.tables import TIME
from popcast.serving import known_posts
from popcast.serving.bundle import Contents
from popcast.serving.tracking.bundle_journal import BundleJournal
from popcast.serving.tracking.post_inputs import Inputs, inputs_of

FILE = "forecasts.jsonl"
FORMAT = "popcast forecasts"

SCHEMA = {
    "kept": pl.String(), "post_id": pl.String(), "user_id": pl.String(), "posted_at": pl.Int64(),
    "prediction": pl.Float64(), "lower": pl.Float64(), "upper": pl.Float64(),
    "warm": pl.Boolean(), "settled": pl.Boolean(),
}  # fmt: skip
"""Of the rows of a batch; ``posted_at`` in microseconds. ``settled``: its outcome was known when it was kept."""


class Keeping(Protocol):
    """What is needed of ``popcast.serving.forecast.Forecast``."""

    contents: Contents
    known: pl.DataFrame
    kept: BundleJournal


def keep(
    forecast: Keeping,
    prepared: pl.DataFrame,
    found: pl.DataFrame,
    ids: pl.Series | None = None,
    at: datetime | None = None,
) -> list[str]:
    """Write forecasts down. Returns the id of each; when it does, the disk has them.

    prepared: from ``Forecast.prepared``. found: from ``Forecast.predict_prepared`` of it. ids [n]: what the drafts were
    told to be called, null where they were not; None: as ``prepared`` has them. at: now.
    """
    if not prepared.height:
        return []
    names = [secrets.token_hex(6) for _ in range(prepared.height)]
    known = forecast.known.filter("labelled")["post_id"]
    told = prepared["post_id"].str.replace_all(known_posts.AGAIN, "", literal=True) if ids is None else ids
    rows = prepared.select(
        kept=pl.Series(names, dtype=pl.String),
        post_id=told.cast(pl.String),
        user_id="user_id",
        posted_at=pl.col("posted_at").dt.epoch("us"),
        prediction=found["prediction"],
        lower=found["lower"],
        upper=found["upper"],
        warm=known_posts.warm_authors(prepared, forecast.known, forecast.contents.final_fit),
        settled=pl.col("post_id").is_in(known.implode()),
    )
    inputs = inputs_of(prepared, forecast.contents.zone)
    moment = (at or datetime.now(UTC)).astimezone(UTC)
    forecast.kept.append({
        "kept_at": int(moment.timestamp() * 1e6), "rows": rows.to_dicts(),
        "numbers": inputs.numbers.to_dict(as_series=False), "words": inputs.words.to_dict(as_series=False),
    })  # fmt: skip
    return names


def kept_rows(batches: list[dict[str, Any]]) -> tuple[pl.DataFrame, Inputs]:
    """All kept forecasts in their order, columns ``SCHEMA`` and ``kept_at``, and the inputs of their posts [n]."""
    parts = [
        pl.DataFrame(batch["rows"], schema=SCHEMA).with_columns(kept_at=pl.lit(batch["kept_at"], pl.Int64))
        for batch in batches
    ]
    rows = pl.concat(parts) if parts else pl.DataFrame(schema=SCHEMA | {"kept_at": pl.Int64()})
    times = [pl.from_epoch(name, "us").dt.replace_time_zone("UTC").cast(TIME) for name in ("posted_at", "kept_at")]
    numbers = [pl.DataFrame(batch["numbers"]).cast(pl.Float64) for batch in batches]
    words = [pl.DataFrame(batch["words"]).cast(pl.String) for batch in batches]
    return rows.with_columns(times), Inputs(_stacked(numbers), _stacked(words))


def _stacked(parts: list[pl.DataFrame]) -> pl.DataFrame:
    return pl.concat(parts, how="diagonal") if parts else pl.DataFrame()

"""The known posts whose texts are most like a draft's, with what they got: older ones only.

``past_posts.parquet`` holds the newest ``KEPT`` labelled posts with the vector of their texts, unit length in bytes.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import polars as pl

from popcast.blend.count_scale import as_counts
from popcast.core.errors import cut
from popcast.core.pretrained.saved_files import putting_together
from popcast.features.common.embeddings import embedding
from popcast.serving.reasons.explanation import SimilarPost
from popcast.serving.reasons.mixed_posts import Forecasting

FILE = "past_posts.parquet"
KEPT, SHOWN, TITLE = 20_000, 5, 280
VECTORS = ("text.embedding", "text.pca_embedding", "text.svd_embedding")
"""Which vector is compared: the first that the text block makes."""


def write_past(folder: Path, posts: pl.DataFrame, features: Mapping[str, pl.DataFrame]) -> None:
    """Keep labelled posts that have a text; nothing where no block has read texts."""
    column = _vector(features)
    if column is None:
        return
    table = posts.filter(pl.col("popularity").is_not_null()).sort("posted_at", "post_id", nulls_last=False)[-KEPT:]
    table = table.select("post_id", "user_id", "posted_at", "title", "popularity")
    table = table.join(features["text"].select("post_id", column), on="post_id", how="inner", maintain_order="left")
    table = table.filter(pl.col(column).is_not_null())
    small = np.rint(_unit(embedding(table[column])) * 127).astype(np.int8)
    titles = pl.Series("title", [None if one is None else cut(one, TITLE) for one in table["title"]], dtype=pl.String)
    vectors = pl.Series(column, small, dtype=pl.Array(pl.Int8, small.shape[1]))
    table.with_columns(titles, vectors).write_parquet(folder / FILE, compression="zstd", statistics=False)


def _vector(features: Mapping[str, pl.DataFrame]) -> str | None:
    if "text" not in features:
        return None
    return next((name for name in VECTORS if name in features["text"].columns), None)


def _unit(vectors: np.ndarray) -> np.ndarray:
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors / np.where(length > 0, length, 1.0)


def past_texts(forecast: Forecasting) -> tuple[pl.DataFrame, np.ndarray] | None:
    """The past posts and the vectors [n, width] of their texts; None: the bundle has none."""
    content = forecast.files.get(FILE)
    return None if content is None else forecast.once("past texts", (content,), lambda: _read(content))


def _read(content: bytes) -> tuple[pl.DataFrame, np.ndarray]:
    with putting_together(Path(FILE)):
        past = pl.read_parquet(io.BytesIO(content))
        column = next(name for name in VECTORS if name in past.columns)
        return past.drop(column), past[column].to_numpy().astype(np.float32) / 127


def similar_to(
    forecast: Forecasting, prepared: pl.DataFrame, features: Mapping[str, pl.DataFrame]
) -> list[list[SimilarPost]]:
    """Per post the ``SHOWN`` most similar older ones, nearest first; of a post without a time all are older."""
    column, kept = _vector(features), past_texts(forecast)
    if kept is None or column is None:
        return [[] for _ in range(prepared.height)]
    past, bank = kept
    own = _unit(np.nan_to_num(embedding(features["text"][column]).astype(np.float32)))
    times = past["posted_at"].dt.epoch("us").fill_null(np.iinfo(np.int64).min).to_numpy()
    asked = prepared["posted_at"].dt.epoch("us").fill_null(np.iinfo(np.int64).max).to_numpy()
    found = []
    for post_id, vector, moment in zip(prepared["post_id"], own, asked, strict=True):
        older = times < moment
        likeness = np.where(older & (past["post_id"] != post_id).to_numpy(), (bank * vector).sum(axis=1), -np.inf)
        best = np.argsort(-likeness, kind="stable")[:SHOWN]
        rows = [place for place in best.tolist() if likeness[place] > 0]
        found.append(_told(past, rows, likeness, forecast.contents.transform))
    return found


def _told(past: pl.DataFrame, rows: list[int], likeness: np.ndarray, transform: str) -> list[SimilarPost]:
    chosen = past[rows]
    counts = [None] * len(rows) if transform == "none" else as_counts(chosen["popularity"], transform).to_list()
    columns = zip(*(chosen[name] for name in ("post_id", "user_id", "posted_at", "title", "popularity")), strict=True)
    return [
        SimilarPost(one, author, moment, title, min(1.0, round(float(likeness[row]), 4)), popularity, count)
        for row, (one, author, moment, title, popularity), count in zip(rows, columns, counts, strict=True)
    ]

"""The background of a bundle: a fixed sample of known posts that stands for "some post" when a reason is taken away.

``background.parquet`` holds columns of ``posts``, and ``<block>.<column>`` of each block of the bundle as the members
learned from them, so that nothing is computed again and no media file is needed.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterable, Mapping
from pathlib import Path

import polars as pl

from popcast.core.errors import bad_input
from popcast.core.pretrained.saved_files import putting_together
from popcast.serving.reasons.mixed_posts import Forecasting, Seen, with_features

FILE = "background.parquet"
POSTS = 64


def drawn(ids: Iterable[str], count: int, seed: int) -> list[str]:
    """``count`` of the ids, by a hash of each: neither their order nor the others decide, sorted by it."""
    return sorted(ids, key=lambda one: hashlib.sha256(f"{seed}\n{one}".encode()).digest())[:count]


def write_background(folder: Path, posts: pl.DataFrame, features: Mapping[str, pl.DataFrame], seed: int) -> None:
    """Keep ``POSTS`` of the labelled posts. posts: the ``posts`` table. features: of the blocks of the bundle."""
    labelled = posts.filter(pl.col("popularity").is_not_null())
    table = pl.DataFrame({"post_id": drawn(labelled["post_id"], POSTS, seed)})
    kept = posts.drop("popularity", "split", "fold", pl.selectors.starts_with("posthoc_"), strict=False)
    table = table.join(kept, on="post_id", how="left", maintain_order="left")
    for block in sorted(features):
        table = table.join(features[block], on="post_id", how="left", maintain_order="left")
    table.write_parquet(folder / FILE, compression="zstd", statistics=False)


def background(forecast: Forecasting, posts: int = POSTS) -> Seen:
    """The first ``posts`` of the background. BadInput, one line: the bundle has none."""
    content = forecast.files.get(FILE)
    if content is None:
        problem = "the bundle has no background to explain against"
        raise bad_input(problem, file=FILE, expected="a bundle that was fitted or exported by this version")
    of = content, forecast.known, forecast.blend
    return forecast.once(f"background {posts}", of, lambda: _read(forecast, content, posts))


def _read(forecast: Forecasting, content: bytes, posts: int) -> Seen:
    with putting_together(Path(FILE)):
        table = pl.read_parquet(io.BytesIO(content))[:posts]
        features = {
            one.block: table.select("post_id", pl.selectors.starts_with(f"{one.block}."))
            for one in forecast.contents.blocks
        }
        prepared = forecast.complete(table.select(~pl.selectors.contains(".")))
        return with_features(forecast, prepared, features)

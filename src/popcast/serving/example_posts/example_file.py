"""``examples.json`` of a bundle: test posts that were told best, typically and worst, each with its reasons.

The forecasts are those of the bundle's blend with members that learned the training part only, so they are what the
scores of the test part are about; only posts with a label of the training part count as known.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from popcast.blend.count_scale import as_counts
from popcast.blend.widths.held_out_posts import wide_features
from popcast.core import paths, tables
from popcast.core.errors import cut
from popcast.serving import known_posts
from popcast.serving.example_posts.chosen_examples import chosen_examples
from popcast.serving.forecast import Forecast
from popcast.serving.reasons.explaining import explained_rows
from popcast.serving.reasons.mixed_posts import Seen, predicted, with_features

VERSION = 1
TITLE, TAGS = 280, 12
"""Characters of a title and tags of a post that the file keeps."""
AGAINST = 16
"""Posts of the background: the stage fits models, and six posts against all of it would take as long."""
VALUES = ("prediction", "lower", "upper", "outcome")


def write_examples(folder: Path, forecast: Forecast, posts: pl.DataFrame, features: Mapping[str, pl.DataFrame]) -> None:
    """Add the file to the bundle in ``folder``; of a dataset without a test part it holds no post.

    forecast: the bundle with members that learned the training part only. posts: joined with ``split``. features:
    block -> its table of all these posts, as the members see them.
    """
    asked = posts.filter(pl.col("split") == "test", pl.col("popularity").is_not_null()).sort("post_id")
    content: dict[str, Any] = {"version": VERSION, "part": "test", "posts": asked.height, "examples": []}
    if asked.height:
        then = replace(forecast, known=_known_then(forecast.known))
        rows = _rows(then, asked, features)
        table = asked.with_columns(_forecasts(then, rows))
        chosen = chosen_examples(table)
        content["examples"] = [] if chosen.is_empty() else _told(then, chosen, features)
    tables.write_json(content, folder / paths.example_posts("").name)


def _known_then(known: pl.DataFrame) -> pl.DataFrame:
    """What was known when the test part was forecast: the labels of the training part."""
    return known.with_columns(labelled=pl.col("labelled") & (pl.col("split") == "train"))


def _rows(forecast: Forecast, asked: pl.DataFrame, features: Mapping[str, pl.DataFrame]) -> Seen:
    kept = asked.select("post_id")
    own = {name: kept.join(table, on="post_id", how="left", maintain_order="left") for name, table in features.items()}
    given = asked.drop("popularity", "split", "fold", "off", "kind", *VALUES, strict=False)
    return with_features(forecast, forecast.complete(given), own)


def _forecasts(forecast: Forecast, rows: Seen) -> list[pl.Series]:
    """Prediction and interval [n] on the log2 scale; null ends where there is no interval."""
    values = predicted(forecast, rows)
    lower = upper = np.full(len(values), np.nan)
    if forecast.blend.widths is not None:
        said, none = forecast.by_member(rows.posts, rows.features), np.zeros(len(values))
        x = np.column_stack([said.get(name, none) for name in forecast.blend.members])
        wide = wide_features(
            {name: rows.features[name] for name in forecast.blend.widths.blocks}, rows.posts["post_id"]
        )
        warm = known_posts.warm_authors(rows.posts, forecast.known, "train").to_numpy()
        spread = forecast.blend.spread(values, x, wide, warm)
        lower, upper = spread.lower, spread.upper
    made = {"prediction": values, "lower": lower, "upper": upper}
    table = pl.DataFrame({name: pl.Series(name, one, dtype=pl.Float64).fill_nan(None) for name, one in made.items()})
    return tables.rounded(table).get_columns()


def _told(forecast: Forecast, chosen: pl.DataFrame, features: Mapping[str, pl.DataFrame]) -> list[dict[str, Any]]:
    reasons = explained_rows(forecast, _rows(forecast, chosen, features), AGAINST)
    chosen = chosen.rename({"popularity": "outcome"})
    transform = forecast.contents.transform
    if transform != "none":
        chosen = chosen.with_columns(as_counts(chosen[name], transform).alias(f"{name}_count") for name in VALUES)
    numbers = [name for name in (*VALUES, *(f"{one}_count" for one in VALUES)) if name in chosen.columns]
    found = []
    for row, reason in zip(tables.rounded(chosen).iter_rows(named=True), reasons, strict=True):
        found.append(
            {
                "kind": row["kind"],
                "id": row["post_id"],
                "author": row["user_id"],
                "posted_at": None if row["posted_at"] is None else row["posted_at"].isoformat(),
                "title": None if row["title"] is None else cut(row["title"], TITLE),
                "tags": (row["tags"] or [])[:TAGS],
                "category": row["category"],
                **{name: row[name] for name in numbers},
                "reasons": _rounded(reason.as_dict()),
            }
        )
    return found


def _rounded(value: Any) -> Any:
    """Floats to the places that tables keep."""
    if isinstance(value, float):
        return round(value, 6)
    if isinstance(value, dict):
        return {name: _rounded(one) for name, one in value.items()}
    return [_rounded(one) for one in value] if isinstance(value, list) else value

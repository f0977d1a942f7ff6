"""The numbers behind the pictures, as small tables: DVC draws them across branches, popcast.scoring.plots as PNG.

Errors are predicted minus real, in the unit of the labels (log2 of popularity).
"""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import orjson
import polars as pl

from popcast.blend.blending import Blend
from popcast.scoring.evaluation import PARTS
from popcast.scoring.interval_scoring import coverage_by_level

SAMPLE = 1000
TOP_COLUMNS = 15
HISTORY_EDGES = (0, 1, 2, 4, 8, 16, 32)
"""First number of older posts of each bin; the last bin is open."""


def read_importances(folders: dict[str, Path]) -> dict[str, dict[str, float]]:
    """Model -> column -> importance, for the models whose folder holds a non-empty ``importances.json``."""
    found = {}
    for name, folder in folders.items():
        path = folder / "importances.json"
        content = orjson.loads(path.read_bytes()) if path.exists() else {}
        if content:
            found[name] = content
    return found


def read_histories(folders: dict[str, Path]) -> dict[str, list[dict[str, float | None]]]:
    """Model -> rows of ``evaluation/history.json`` (seed, epoch, loss, monitor), for models made of networks."""
    found = {}
    for name, folder in folders.items():
        path = folder / "evaluation" / "history.json"
        content = orjson.loads(path.read_bytes()) if path.exists() else []
        if content:
            found[name] = content
    return found


def tables_of(
    posts: pl.DataFrame,
    predictions: dict[str, pl.DataFrame],
    shown: list[str],
    blend: Blend,
    importances: dict[str, dict[str, float]],
    seed: int,
    histories: dict[str, list[dict[str, float | None]]] | None = None,
) -> dict[str, pl.DataFrame]:
    """All tables of one dataset by name; a table that the dataset cannot have (no times, no authors) is left out.

    posts: from :func:`popcast.scoring.evaluation.scored_posts`. shown: the models, blend first, that some pictures
    compare.
    """
    blended = _scored(posts, predictions["blend"])
    test = blended.filter(pl.col("split") == "test")
    found = {
        "predicted_vs_real": predicted_vs_real(test, seed),
        "residual_by_time": residual_by_time(blended),
        "calibration": calibration(test),
        "coverage_by_level": coverage_by_level(
            posts.filter(pl.col("split") == "test"), predictions["blend"], blend.levels
        ),
        "error_by_history_length": error_by_history_length(
            {name: _scored(posts, predictions[name]).filter(pl.col("split") == "test") for name in shown}
        ),
        "importances": top_importances(importances, blend),
        "training_curves": training_curves(histories or {}),
        "blend_weights": blend_weights(blend),
    }
    return {name: table for name, table in found.items() if table.height}


def _scored(posts: pl.DataFrame, table: pl.DataFrame) -> pl.DataFrame:
    joined = posts.drop("split").join(table.select("post_id", "split", "prediction"), on="post_id")
    return joined.with_columns(error=pl.col("prediction") - pl.col("popularity")).sort("post_id")


def predicted_vs_real(test: pl.DataFrame, seed: int) -> pl.DataFrame:
    """``real`` and ``predicted`` of at most 1,000 test posts, drawn with ``seed``."""
    rows = np.sort(np.random.default_rng(seed).permutation(test.height)[:SAMPLE])
    return test[rows].select(real="popularity", predicted="prediction")


def residual_by_time(scored: pl.DataFrame) -> pl.DataFrame:
    """Mean error, MAE and posts per day, week or month (whichever gives at most about 60 periods) and part."""
    timed = scored.filter(pl.col("posted_at").is_not_null())
    if not timed.height:
        return timed
    days = (timed["posted_at"].max() - timed["posted_at"].min()).days
    every = "1d" if days <= 45 else "1w" if days <= 420 else "1mo"
    return (
        timed.group_by(
            period=pl.col("posted_at").dt.truncate(every).dt.date(), part=pl.col("split").replace_strict(PARTS)
        )
        .agg(mean_error=pl.col("error").mean(), mae=pl.col("error").abs().mean(), posts=pl.len())
        .sort("period", "part")
    )


def calibration(test: pl.DataFrame) -> pl.DataFrame:
    """Tenths of the test posts by prediction: mean prediction, mean label, and the middle 80 % of labels."""
    tenth = (pl.col("prediction").rank("ordinal") * 10 - 1).floordiv(pl.len()).clip(0, 9) + 1
    label = pl.col("popularity")
    return (
        test.group_by(tenth=tenth.cast(pl.Int64))
        .agg(
            predicted=pl.col("prediction").mean(),
            real=label.mean(),
            real_low=label.quantile(0.1, "linear"),
            real_high=label.quantile(0.9, "linear"),
            posts=pl.len(),
        )
        .sort("tenth")
    )


def error_by_history_length(scored: dict[str, pl.DataFrame]) -> pl.DataFrame:
    """MAE and posts per model and number of the author's older training posts; posts without an author are left out."""
    labels = [f"{low}" if high == low + 1 else f"{low}-{high - 1}" for low, high in pairwise(HISTORY_EDGES)] + [
        f"{HISTORY_EDGES[-1]}+"
    ]
    parts = []
    for name, table in scored.items():
        known = table.drop_nulls("history_length")
        bins = np.searchsorted(HISTORY_EDGES, known["history_length"].to_numpy(), side="right") - 1
        parts.append(
            known.with_columns(bin=pl.Series(bins, dtype=pl.Int64))
            .group_by("bin")
            .agg(mae=pl.col("error").abs().mean(), posts=pl.len())
            .sort("bin")
            .select(
                model=pl.lit(name),
                older_posts=pl.col("bin").replace_strict(dict(enumerate(labels)), return_dtype=pl.String),
                mae="mae",
                posts="posts",
            )
        )
    return pl.concat(parts)


def top_importances(importances: dict[str, dict[str, float]], blend: Blend) -> pl.DataFrame:
    """Share of the summed importance of each model's 15 strongest columns, models by their weight in the blend."""
    weight = dict(zip(blend.members, blend.weights["all"], strict=True))
    rows = []
    for name in sorted(importances, key=lambda name: (-weight.get(name, 0.0), name)):
        total = sum(abs(value) for value in importances[name].values())
        ranked = sorted(importances[name].items(), key=lambda pair: (-abs(pair[1]), pair[0]))
        rows += [(name, column, abs(value) / total) for column, value in ranked[:TOP_COLUMNS] if total > 0]
    return pl.DataFrame(rows, schema={"model": pl.String, "column": pl.String, "share": pl.Float64}, orient="row")


def blend_weights(blend: Blend) -> pl.DataFrame:
    """``segment``, ``model``, ``weight``: members in the order of their overall weight."""
    order = sorted(range(len(blend.members)), key=lambda i: (-blend.weights["all"][i], blend.members[i]))
    rows = [(name, blend.members[i], weights[i]) for name, weights in blend.weights.items() for i in order]
    return pl.DataFrame(rows, schema={"segment": pl.String, "model": pl.String, "weight": pl.Float64}, orient="row")


def contribution_table(gains: list[dict[str, object]]) -> pl.DataFrame:
    """``left_out``, ``members`` and per part ``<part>_gain``, ``_low``, ``_high``, ``_p``, the largest gain first."""
    table = pl.DataFrame(gains, infer_schema_length=None).with_columns(pl.col("members").list.join(" "))
    table = table.rename(lambda name: name.replace(".", "_"))
    return table.sort("valid_gain", "left_out", descending=[True, False], nulls_last=True)


def training_curves(histories: dict[str, list[dict[str, float | None]]]) -> pl.DataFrame:
    """``model``, ``seed``, ``epoch``, ``loss``, ``monitor``, ``best``: the epoch whose weights were kept.

    The monitor is the error on the stopping window; a network without one has no best epoch.
    """
    schema = {"model": pl.String, "seed": pl.Int64, "epoch": pl.Int64, "loss": pl.Float64, "monitor": pl.Float64}
    rows = [
        (name, row["seed"], row["epoch"], row["loss"], row.get("monitor"))
        for name, of in histories.items()
        for row in of
    ]
    table = pl.DataFrame(rows, schema=schema, orient="row")
    first_best = pl.col("epoch").sort_by("monitor", "epoch", nulls_last=True).first().over("model", "seed")
    return table.with_columns(best=pl.col("monitor").is_not_null() & (pl.col("epoch") == first_best))

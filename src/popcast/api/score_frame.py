"""The leaderboard as a table: every model on the same test posts, and how it does beside the blend."""

from __future__ import annotations

import polars as pl

from popcast.scoring.metrics import METRICS


def leaderboard(scores: dict[str, dict], metric: str, weights: dict[str, float]) -> pl.DataFrame:
    """One row per model, the best by ``metric`` on the test part first; the blend before its equals.

    ``value`` is ``metric`` with its bootstrap interval ``lower`` to ``upper``; then all metrics. ``vs_blend``: the
    model's error minus the blend's (above 0: the blend is better) with the interval and the p-value of a paired
    bootstrap. Null where there are too few posts to resample. weight: in the blend. scores: of the scorer.
    """
    rows = [
        {
            "model": name,
            "weight": 1.0 if name == "blend" else float(weights.get(name, 0.0)),
            "metric": metric,
            "value": of.get(f"test.{metric}"),
            "lower": of.get(f"test.{metric}_low"),
            "upper": of.get(f"test.{metric}_high"),
            **{one: of.get(f"test.{one}") for one in METRICS},
            "vs_blend": of.get("test.vs_blend.difference"),
            "vs_blend_lower": of.get("test.vs_blend.low"),
            "vs_blend_upper": of.get("test.vs_blend.high"),
            "p": of.get("test.vs_blend.p"),
            "posts": of.get("test.posts"),
        }
        for name, of in scores.items()
    ]
    texts, whole = {"model": pl.String, "metric": pl.String}, {"posts": pl.Int64}
    schema = {name: (texts | whole).get(name, pl.Float64) for name in rows[0]}
    table = pl.DataFrame(rows, schema=schema)
    blend_first = (pl.col("model") != "blend").alias("single")
    return table.with_columns(blend_first).sort("value", "single", "model", nulls_last=True).drop("single")

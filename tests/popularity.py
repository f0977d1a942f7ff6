"""A small world of posts with members' predictions, shared by the tests of blend, evaluation, plots and report."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path

import numpy as np
import polars as pl

from popcast.core import paths, tables

DAY_ONE = dt.datetime(2016, 1, 1, tzinfo=dt.UTC)
SKILL = {"good": 0.5, "fair": 0.7, "posthoc": 0.2}
"""Standard deviation of each member's own error; ``median`` has no skill at all."""

PARAMS = """
base: {{seed: 7}}
datasets:
  tiny: {{kind: smpd, raw: {raw}, zone: Asia/Shanghai, metric: {metric}}}
splits:
  tiny: {{method: chronological, shares: [0.6, 0.2, 0.2]}}
features: {{allow_posthoc: false, metadata: {{}}, profile: {{}}}}
blocks:
  tiny-metadata: {{dataset: tiny, block: metadata}}
  tiny-profile: {{dataset: tiny, block: profile}}
runs:
  tiny-median: {{dataset: tiny, name: median, model: m, features: tiny, blocks: [metadata]}}
  tiny-good: {{dataset: tiny, name: good, model: m, features: tiny, blocks: [metadata]}}
  tiny-fair: {{dataset: tiny, name: fair, model: m, features: tiny, blocks: [metadata]}}
  tiny-posthoc: {{dataset: tiny, name: posthoc, model: m, features: tiny, blocks: [profile], allow_posthoc: true}}
models: {{m: {{}}}}
blend: {{widths: {{blocks: []}}}}
evaluation: {{bootstrap: 200, baselines: [median]}}
"""


def posts(n: int = 600, unlabelled: int = 40, authors: bool = True, times: bool = True, seed: int = 1) -> pl.DataFrame:
    """Posts joined with split and fold: 60 % train in 4 folds, 20 % valid, 20 % test, then unlabelled ones."""
    generator = np.random.default_rng(seed)
    total = n + unlabelled
    newcomer = 40 + np.arange(total) // 10
    user = np.where(generator.random(total) < 0.75, generator.integers(0, 40, total), newcomer)
    label = 5 + generator.normal(0, 1, 1000)[user] + generator.normal(0, 1, total)
    split = np.array(["train"] * (n * 6 // 10) + ["valid"] * (n * 2 // 10) + ["test"] * (n * 2 // 10))
    split = np.append(split, ["unlabelled"] * unlabelled)
    train = np.flatnonzero(split == "train")
    fold = np.full(total, None)
    fold[train] = train * 4 // len(train)
    frame = pl.DataFrame(
        {
            "post_id": [f"p{i:04d}" for i in generator.permutation(total)],
            "user_id": [f"u{i}" if authors else None for i in user],
            "posted_at": [DAY_ONE + dt.timedelta(hours=5 * i) if times else None for i in range(total)],
            "category": [["Food & Drink", "v1.0", None][i % 3] for i in range(total)],
            "posthoc_views": [float(i) if i % 7 == 0 else None for i in range(total)],
            "popularity": [None if s == "unlabelled" else float(v) for s, v in zip(split, label, strict=True)],
            "split": split.tolist(),
            "fold": fold.tolist(),
        },
        schema_overrides={"user_id": pl.String, "posted_at": tables.TIME, "fold": pl.Int8},
    )
    empty = {name: pl.lit(None, kind) for name, kind in tables.POSTS_COLUMNS.items() if name not in frame.columns}
    return frame.with_columns(**empty)


def truth(world: pl.DataFrame, seed: int = 2) -> np.ndarray:
    """Labels, with made-up ones for unlabelled posts, so that members can predict these too."""
    fill = np.random.default_rng(seed).normal(5, 1.4, world.height)
    label = world["popularity"].to_numpy().astype(np.float64)
    return np.where(np.isnan(label), fill, label)


def predictions(world: pl.DataFrame, seed: int = 3) -> dict[str, pl.DataFrame]:
    """Members' tables: the label plus noise of its own for each; fold 0 of the training part has no row."""
    generator = np.random.default_rng(seed)
    middle = world.filter(pl.col("split") == "train")["popularity"].median()
    rows = (world["split"] != "train") | (world["fold"] > 0)
    found = {"median": np.full(world.height, middle)}
    for name, spread in SKILL.items():
        found[name] = truth(world) + generator.normal(0, spread, world.height)
    keys = world.select("post_id", "split", "fold")
    return {name: keys.with_columns(prediction=pl.Series(value)).filter(rows) for name, value in found.items()}


def project(folder: Path, world: pl.DataFrame, metric: str = "mae", raw: str = "data/raw/tiny") -> None:
    """Lay out what the stages before ``blend`` leave behind, below the current directory ``folder``."""
    (folder / "params.yaml").write_text(PARAMS.format(metric=metric, raw=raw))
    tables.write(world.drop("split", "fold"), paths.posts("tiny"), tables.POSTS)
    tables.write(world.select("post_id", "split", "fold"), paths.splits("tiny"), tables.SPLIT_TABLE)
    for name, table in predictions(world).items():
        tables.write(table, paths.predictions("tiny", name), tables.PREDICTIONS)
        importances = {} if name == "median" else {"history.mean": 0.6, "metadata.title_length": 0.3}
        path = paths.model("tiny", name) / "importances.json"
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps(importances))
    tables.write_json(
        {"posts": {"all": world.height}, "rejected": {"no date": 2}, "repaired": {}}, paths.quality("tiny")
    )

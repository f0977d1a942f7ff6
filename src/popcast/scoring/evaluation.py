"""Every model of a dataset on the same posts with the same scorer: parts, segments, intervals, paired differences.

The result per model is one flat dictionary: ``<part>.<metric>``, ``<part>.<metric>_low`` and ``_high`` (bootstrap over
``test.drawn_of`` authors, or over what ``test.drawn`` says), ``<part>.<metric>_seed_mean`` and ``_seed_sd`` (over the
single seeds of a predictor that averages several), ``test.<segment>.<metric>``, ``test.vs_<model>.<...>``,
``flags.<...>``. A value that is not defined is null.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import polars as pl

from popcast.blend.segments import history_length
from popcast.core import paths
from popcast.core.errors import bad_input
from popcast.scoring import metrics
from popcast.scoring.bootstrap import bootstrap, clusters_of, interval, paired_difference
from popcast.scoring.interval_scoring import OneWidth, interval_metrics
from popcast.scoring.params import Evaluation, ScoredRun

PARTS = {"train": "oof", "valid": "valid", "test": "test"}
"""Split -> name of its metrics. Scores on training posts are out-of-fold and are called so."""

PAIRED = ("difference", "low", "high", "p")
TOP_CATEGORIES = 12
LEAST_POSTS = 2  # a segment of one post has no variance and no ranks

Scores = dict[str, float | int | bool | str | None]


def scored_posts(posts: pl.DataFrame, zone: str) -> pl.DataFrame:
    """Labelled posts with what segments are made of: ``user_id``, ``category``, ``month``, ``warm`` (null: no author).

    posts: ``posts`` joined with ``split``; zone: IANA name, for months. Sorted by ``post_id``. Labelled posts that the
    split leaves out (outside a rolling origin) are not scored.
    """
    lengths = history_length(posts, "train")
    return (
        posts.filter(pl.col("popularity").is_not_null() & (pl.col("split") != "unlabelled"))
        .join(lengths, on="post_id")
        .select(
            "post_id",
            "split",
            "popularity",
            "user_id",
            "category",
            "posted_at",
            "history_length",
            month=pl.col("posted_at").dt.convert_time_zone(zone).dt.strftime("%Y-%m"),
            warm=pl.col("history_length") > 0,
        )
        .sort("post_id")
    )


def evaluate(
    posts: pl.DataFrame,
    predictions: dict[str, pl.DataFrame],
    metric: str,
    section: Evaluation,
    seed: int,
    singles: list[str],
    one_width: OneWidth | None = None,
) -> dict[str, Scores]:
    """Score all models of one dataset.

    posts: from :func:`scored_posts`. predictions: model -> prediction table, the blend among them as ``blend``.
    metric: the dataset's main metric. singles: models among which the best on the valid part is what the others are
    compared with. one_width: what the blend's intervals are compared with. Returns model -> scores.
    """
    mode = section.metric_mode
    if mode != "full":
        posts = by_number(posts)
    scores = {name: _by_part(posts, table, mode) for name, table in predictions.items()}
    test = posts.filter(pl.col("split") == "test")
    if not test.height:
        raise bad_input("no labelled post in the test part", field="split", expected="posts with split 'test'")
    y = test["popularity"].to_numpy()
    p = {name: _predicted(test, table, name) for name, table in predictions.items()}
    best = best_single(scores, metric, singles)
    for name, of in scores.items():
        of |= _by_segment(test, y, p[name])
        of["flags.best_single"] = name == best
        of["flags.constant"] = bool(np.ptp(p[name]) == 0)
    if "blend" in predictions:
        scores["blend"] |= interval_metrics(test, predictions["blend"], one_width)
    clusters = clusters_of(test) if section.bootstrap else None
    for of in scores.values():
        of["test.drawn"] = None if clusters is None else clusters.unit
        of["test.drawn_of"] = None if clusters is None else clusters.count
    if clusters is not None:
        draws = bootstrap(y, p, clusters.codes, section.bootstrap, seed, mode)
        rivals = {"best": best} | {name: name for name in section.baselines if name in predictions}
        for name, of in scores.items():
            of |= _intervals(draws[name], section.confidence)
            for label, rival in rivals.items():
                found = paired_difference(draws[name][metric], draws[rival][metric], section.confidence)
                if rival != name and found is not None:
                    difference = of[f"test.{metric}"] - scores[rival][f"test.{metric}"]
                    of |= {
                        f"test.vs_{label}.{key}": value for key, value in zip(PAIRED, (difference, *found), strict=True)
                    }
    return scores


def singles_of(runs: dict[str, ScoredRun], allow_posthoc: bool) -> list[str]:
    """Runs among which the best single model is looked for: fair ones, without what was measured after posting unless
    that is allowed; all of them where there are no such."""
    fair = [name for name, run in runs.items() if run.test_fit != "stop_on_valid"]
    return [name for name in fair if allow_posthoc or not runs[name].posthoc] or list(runs)


def best_single(scores: dict[str, Scores], metric: str, singles: list[str]) -> str:
    """The model among ``singles`` that is best on the valid part; the first of equals."""
    values = {name: scores[name].get(f"valid.{metric}") for name in singles}
    return min(singles, key=lambda name: float("inf") if values[name] is None else values[name])


def rounded(scores: Scores) -> Scores:
    """Floats to 6 places, so that noise in the last bit changes no bytes."""
    return {key: round(value, 6) if isinstance(value, float) else value for key, value in scores.items()}


def is_generated(dataset: str, raw: str) -> bool:
    """Whether the raw folder is one that the ``sample`` stage fills: every report of such data says so."""
    return Path(raw).is_relative_to(paths.raw(dataset).parent)


def flags(
    behind: Collection[ScoredRun], generated: bool, rule_audience: bool, facts: Collection[dict[str, Any]]
) -> dict[str, bool | str]:
    """What every report must say about a row. behind: its run, or the members of the blend.

    rule_audience: personas of the dataset's simulation are answered by rules. facts: what predictors behind it say of
    themselves. ``flags.weights`` is there only where a language model's weights are not what was trained, in words.
    """
    simulated = any(run.simulated for run in behind)
    weights = sorted({of["weights"] for of in facts if of.get("weights")})
    return {
        "flags.generated": generated,
        "flags.posthoc": any(run.posthoc for run in behind),
        "flags.learned_valid": any(run.test_fit == "train+valid" for run in behind),
        "flags.stopped_on_valid": any(run.test_fit == "stop_on_valid" for run in behind),
        "flags.pseudo_labels": any(run.pseudo_labels != "none" for run in behind),
        "flags.simulated": simulated,
        "flags.rule_audience": rule_audience and simulated,
        "flags.stand_in": any(bool(of.get("stand_in")) for of in facts),
    } | ({"flags.weights": ", ".join(weights)} if weights else {})


def facts_beside(folder: Path) -> dict[str, Any]:
    """What ``facts.json`` beside a run's saved models says: ``stand_in``, ``weights``. Most predictors say nothing."""
    path = folder / "facts.json"
    return orjson.loads(path.read_bytes()) if path.exists() else {}


def by_number(posts: pl.DataFrame) -> pl.DataFrame:
    """Posts in the ascending order of their ids as integers, where all of them are integers: the order of batches."""
    numbers = posts["post_id"].cast(pl.Int64, strict=False)
    return posts if numbers.null_count() else posts[numbers.arg_sort()]


def _by_part(posts: pl.DataFrame, table: pl.DataFrame, mode: str) -> Scores:
    joined = posts.drop("split").join(table, on="post_id", how="inner", maintain_order="left")
    found = {}
    for split, part in PARTS.items():
        rows = joined.filter(pl.col("split") == split)
        if rows.height:
            y = rows["popularity"].to_numpy()
            values = metrics.score_in(mode, y, rows["prediction"].to_numpy())
            del values["constant"]
            found |= {f"{part}.{name}": value for name, value in values.items()}
            if "seeds" in rows.columns and part != "oof":
                found |= {f"{part}.{name}": value for name, value in _by_seed(y, rows["seeds"], mode).items()}
    return found


def _by_seed(y: np.ndarray, seeds: pl.Series, mode: str) -> Scores:
    """``seeds``: how many; ``<metric>_seed_mean`` and ``_seed_sd`` (n - 1) of the metrics of the single seeds."""
    single = [metrics.score_in(mode, y, p) for p in np.array(seeds.to_list(), dtype=np.float64).T]
    found: Scores = {"seeds": len(single)}
    for name in metrics.METRICS:
        values = [of[name] for of in single if of[name] is not None]
        defined = len(values) == len(single) > 1
        found[f"{name}_seed_mean"] = float(np.mean(values)) if defined else None
        found[f"{name}_seed_sd"] = float(np.std(values, ddof=1)) if defined else None
    return found


def _predicted(test: pl.DataFrame, table: pl.DataFrame, name: str) -> np.ndarray:
    joined = test.select("post_id").join(table, on="post_id", how="left", maintain_order="left")
    if joined["prediction"].null_count():
        missing = joined.filter(pl.col("prediction").is_null())["post_id"][0]
        raise bad_input(f"{name} has no prediction for a test post", field="post_id", value=missing)
    return joined["prediction"].to_numpy()


def segment_rows(test: pl.DataFrame) -> dict[str, np.ndarray]:
    """Rows (bool [n]) of each segment: ``cold``, ``warm``, ``category.<name>`` (largest first), ``month.<YYYY-MM>``.

    Cold: the author has no older training post. Posts without an author are neither.
    """
    rows = {}
    for name, value in (("cold", False), ("warm", True)):
        rows[name] = (test["warm"] == value).fill_null(False).to_numpy()
    sizes = test["category"].drop_nulls().value_counts().sort(["count", "category"], descending=[True, False])
    for category in sizes["category"].head(TOP_CATEGORIES) if sizes.height > 1 else ():
        # A dot would look like one more level of the flat key.
        rows[f"category.{category.replace('.', ' ')}"] = (test["category"] == category).fill_null(False).to_numpy()
    for month in test["month"].drop_nulls().unique().sort():
        rows[f"month.{month}"] = (test["month"] == month).fill_null(False).to_numpy()
    return {name: of for name, of in rows.items() if of.sum() >= LEAST_POSTS}


def _by_segment(test: pl.DataFrame, y: np.ndarray, p: np.ndarray) -> Scores:
    found = {}
    for name, rows in segment_rows(test).items():
        values = metrics.score(y[rows], p[rows])
        found |= {f"test.{name}.{key}": values[key] for key in (*metrics.METRICS, "posts")}
    return found


def _intervals(draws: dict[str, np.ndarray], confidence: float) -> Scores:
    found = {}
    for metric in metrics.METRICS:
        bounds = interval(draws[metric], confidence)
        found[f"test.{metric}_low"], found[f"test.{metric}_high"] = bounds if bounds else (None, None)
    return found

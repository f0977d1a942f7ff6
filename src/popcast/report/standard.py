"""Leaderboard, summary and report page out of the metrics, plots and quality counts of the declared datasets.

Only datasets and runs that params.yaml names are read, so that what was removed there leaves no ghost row.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import orjson
import polars as pl

from popcast.core import paths
from popcast.core.errors import bad_input
from popcast.core.safety.whole_files import write_whole
from popcast.report.params import ReportedDataset
from popcast.report.pictured.dataset_alts import TOLD
from popcast.report.pictured.shown_picture import Picture, pictures
from popcast.scoring.bootstrap import LEAST_CLUSTERS, LEAST_POSTS
from popcast.scoring.metrics import METRICS
from popcast.scoring.params import Evaluation

TRACK = "standard"
NAMES = {"mae": "MAE", "src": "SRC", "nmse": "nMSE", "rmse": "RMSE", "mape": "MAPE"}
CAPTIONS = {
    "predicted_vs_real": "Each point is a post of the test part (at most 1,000, drawn by seed). On the dashed line a "
    "prediction would be exact.",
    "calibration": "Test posts in ten groups of equal size by prediction. A point below the dashed line: predicted too "
    "high on average.",
    "coverage_by_level": "Share of test outcomes at or below each quantile of the blend. On the dashed line the "
    "quantiles keep what they promise; a flatter line: the intervals are too narrow.",
    "residual_by_time": "Mean error per day, week or month. A line that leaves zero is drift that the models did not "
    "follow. Periods with fewer than 3 posts are left out.",
    "error_by_history_length": "Cold authors stand at the left. The more a model lives off an author's past, the more "
    "it gains towards the right.",
    "importances": "The columns that move the strongest explained member of the blend most (mean absolute SHAP value "
    "or weight, as a share).",
    "blend_weights": "Fitted on held-out predictions (out-of-fold and valid part), never on the test part.",
    "contributions": "Blend error without a member (or all members of a suite) minus the error with all of them, with "
    "its interval. A point to the right of zero helps; where the interval holds zero nothing is shown.",
    "ladder": "Adversarial validation: out-of-fold AUC of a classifier that tells training posts from later ones, with "
    "all columns and with fewer. 0.5 would mean that nothing has changed. Folds hold whole authors; where folds of "
    "single posts give more, the classifier knows authors, not the time.",
    "drifting": "The columns that tell the two parts apart: share of the classifier's gain, and how far the values of "
    "the two parts lie apart.",
    "training_curves": "Networks of the evaluation models. Above the loss on the posts learned from, on the scale of "
    "each model's own loss; below the error on the stopping window, the last fold of the training part.",
}

BATCHED = (
    "batch256: mean over consecutive batches of 256 posts in the order of their ids (`evaluation.metric_mode`), as "
    "MMRA's code reports it. Not comparable with figures over the whole set; segments are over the whole set."
)

Scores = dict[str, object]
ADDED = {"left_out": pl.String, "members": pl.String}


@dataclass(frozen=True)
class DatasetResult:
    """What the report knows about one dataset. ``scores``: model -> flat metrics, in the order of the leaderboard."""

    name: str
    metric: str
    kind: str
    split: str
    scores: dict[str, Scores]
    baselines: list[str]
    confidence: float
    metric_mode: str
    quality: dict[str, object]
    weights: list[dict[str, object]]
    contributions: list[dict[str, object]]
    pictures: list[Picture]

    @property
    def generated(self) -> bool:
        return bool(self.scores["blend"]["flags.generated"])

    @property
    def best_single(self) -> str:
        return next(name for name, of in self.scores.items() if of["flags.best_single"])


def collect(datasets: dict[str, ReportedDataset], evaluation: Evaluation) -> list[DatasetResult]:
    """Read the results of every dataset that has runs, in the order of params.yaml."""
    found = []
    for name, data in datasets.items():
        scores = {model: read_json(paths.metrics(name, model)) for model in (*data.models, "blend")}
        order = sorted(
            scores, key=lambda model: (_sortable(scores[model].get(f"test.{data.metric}")), model != "blend")
        )
        plots = paths.plots(name)
        weights, added = plots / "blend_weights.csv", plots / "contributions.csv"
        found.append(
            DatasetResult(
                name=name,
                metric=data.metric,
                kind=data.kind,
                split=data.split,
                scores={model: scores[model] for model in order},
                baselines=[model for model in evaluation.baselines if model in scores],
                confidence=evaluation.confidence,
                metric_mode=evaluation.metric_mode,
                quality=read_json(paths.quality(name)) if paths.quality(name).exists() else {},
                weights=pl.read_csv(weights, schema_overrides={"model": pl.String}).to_dicts()
                if weights.exists()
                else [],
                contributions=pl.read_csv(added, schema_overrides=ADDED).to_dicts() if added.exists() else [],
                pictures=[
                    one
                    for folder in (plots, *([paths.adversarial_plots(name)] if data.adversarial else []))
                    for one in pictures(folder, CAPTIONS, f"dataset {name}", TOLD)
                ],
            )
        )
    return found


def summary(results: list[DatasetResult]) -> dict[str, float]:
    """Flat ``standard.<dataset>.<model>.<metric>`` on the test part; a metric that is not defined has no row."""
    rows = {}
    for result in results:
        wanted = (*METRICS, *(f"{result.metric}_{what}" for what in ("low", "high", "seed_mean", "seed_sd")))
        for model, of in result.scores.items():
            for metric in wanted:
                value = of.get(f"test.{metric}")
                if value is not None:
                    rows[f"{TRACK}.{result.name}.{model}.{metric}"] = value
    return rows


def leaderboard(results: list[DatasetResult]) -> str:
    """One markdown table per dataset: all models on the same test posts, best first by the dataset's metric."""
    lines = ["# Leaderboard", "", "Test part, labels on their log scale. Lower is better but for SRC."]
    lines.append("Intervals: bootstrap over what stands below each table. Against best single: difference to the model")
    lines.append("that is best on the valid part, with the p-value of a paired bootstrap.")
    for result in results:
        title = f"{result.name} (generated data)" if result.generated else result.name
        others = [metric for metric in METRICS if metric != result.metric]
        head = ["model", heading(result, result.metric), f"{result.confidence:.0%} interval"]
        head += [*(heading(result, metric) for metric in others), "against best single", "notes"]
        lines += ["", f"## {title}", "", "| " + " | ".join(head) + " |", "|---|" + "---:|" * (len(head) - 2) + "---|"]
        for model, of in result.scores.items():
            cells = [f"**{model}**" if model == "blend" else model, number(of.get(f"test.{result.metric}"))]
            cells += [interval(of, result.metric), *(number(of.get(f"test.{metric}")) for metric in others)]
            cells += [against_best(of), ", ".join(notes(result, model))]
            lines.append("| " + " | ".join(cells) + " |")
        lines += ["", f"{result.scores['blend']['test.posts']:,} test posts. {drawn(result)} {coverage(result)}"]
        if parted(result):
            lines += ["", parted(result)]
        if result.metric_mode != "full":
            lines += ["", BATCHED]
        lines += _contribution_lines(result)
    return "\n".join(lines) + "\n"


def _contribution_lines(result: DatasetResult) -> list[str]:
    if not result.contributions:
        return []
    parts = [part for part in ("valid", "test") if f"{part}_gain" in result.contributions[0]]
    head = ["left out of the blend"]
    for part in parts:
        head += [f"{NAMES[result.metric]} grows by ({part})", f"{result.confidence:.0%} interval, p"]
    lines = ["", "| " + " | ".join(head) + " |", "|---|" + "---:|" * (len(head) - 1)]
    for row in result.contributions:
        name = row["left_out"] if row["members"] == row["left_out"] else f"{row['left_out']} ({row['members']})"
        cells = [name] + [cell for part in parts for cell in added(row, part)]
        lines.append("| " + " | ".join(cells) + " |")
    return lines


def added(row: dict[str, object], part: str) -> list[str]:
    """What leaving a member out does to the error, and how sure that is: two cells."""
    gain, low, high, p = (row[f"{part}_{name}"] for name in ("gain", "low", "high", "p"))
    grows = "–" if gain is None else f"{gain:+.4f}".replace("-", "−")
    if low is None:
        return [grows, "–"]
    return [grows, f"{low:+.4f} to {high:+.4f}, p {'< 0.01' if p < 0.01 else f'= {p:.2f}'}".replace("-", "−")]


def notes(result: DatasetResult, model: str) -> list[str]:
    """What a reader must know about a row: reference, best single model, post-hoc values, constant, its seeds."""
    of = result.scores[model]
    marks = {
        "best single model": of["flags.best_single"],
        "reference": model in result.baselines,
        "post-hoc values": of["flags.posthoc"],
        "learned train+valid": of["flags.learned_valid"],
        "stopped on valid": of["flags.stopped_on_valid"],
        "stand-in language model": of.get("flags.stand_in", False),
        f"language model of {of.get('flags.weights')}": "flags.weights" in of,
        "simulated audience": of.get("flags.simulated", False),
        "audience by rules (a stand-in)": of.get("flags.rule_audience", False),
        "pseudo-labels": of["flags.pseudo_labels"],
        "constant": of["flags.constant"],
    }
    return [mark for mark, on in marks.items() if on] + over_seeds(of, result.metric)


def over_seeds(of: Scores, metric: str) -> list[str]:
    """Mean and standard deviation of the main metric over the seeds of a row, as papers report it; [] without seeds."""
    mean, sd = of.get(f"test.{metric}_seed_mean"), of.get(f"test.{metric}_seed_sd")
    return [] if sd is None else [f"{number(mean)} ± {number(sd)} over {of['test.seeds']} seeds"]


def heading(result: DatasetResult, metric: str) -> str:
    """Name of a metric at the head of a column; it says how the metric was taken where that is not over all posts."""
    return NAMES[metric] if result.metric_mode == "full" else f"{NAMES[metric]} ({result.metric_mode})"


def segments(result: DatasetResult) -> dict[str, list[dict[str, object]]]:
    """Blend and best single model per segment of the test part: ``authors``, ``categories``, ``months``."""
    groups = {"authors": r"(cold|warm)", "categories": r"category\.(.+)", "months": r"month\.(.+)"}
    blend, best = result.scores["blend"], result.scores[result.best_single]
    found: dict[str, list[dict[str, object]]] = {}
    for group, pattern in groups.items():
        for key, posts in blend.items():
            match = re.fullmatch(rf"test\.{pattern}\.posts", key)
            if match:
                stem = key.removesuffix(".posts")
                row = {"name": match.group(1), "posts": posts, "src": blend[f"{stem}.src"]}
                row |= {"blend": blend[f"{stem}.{result.metric}"], "best": best[f"{stem}.{result.metric}"]}
                found.setdefault(group, []).append(row)
    found.get("categories", []).sort(key=lambda row: (-row["posts"], row["name"]))
    return found


def gain(result: DatasetResult, reference: str) -> float | None:
    """By how many percent the blend's error is below that of ``reference``; negative where it is above."""
    ours, theirs = (result.scores[model].get(f"test.{result.metric}") for model in ("blend", reference))
    return None if not ours or not theirs else 100 * (1 - ours / theirs)


def drawn(result: DatasetResult) -> str:
    """One sentence about what the intervals are drawn over, and why it is not authors."""
    of = result.scores["blend"]
    unit, count = of.get("test.drawn"), of.get("test.drawn_of")
    if unit is None:
        return f"No intervals and no p-values: fewer than {LEAST_POSTS} posts, or no resamples asked for."
    why = "" if unit == "authors" else f", since there are fewer than {LEAST_CLUSTERS} authors"
    return f"Resampled: {count:,} {unit}{why}."


def parted(result: DatasetResult) -> str:
    """What a reader must know of how the test posts were chosen; empty where they are the later ones."""
    if result.split != "random":
        return ""
    return (
        "Split at random, by a hash of author or post, since no time is known: these figures say how well posts of the "
        "same days are told apart. They are no forecast of later posts."
    )


def coverage(result: DatasetResult) -> str:
    """One or two sentences about the blend's intervals."""
    of = result.scores["blend"]
    if of.get("test.coverage") is None:
        return "The valid part is too small for intervals."
    parts = [
        f"{of[f'test.{part}.coverage']:.1%} of {whose} authors"
        for part, whose in (("warm", "known"), ("cold", "new"))
        if of.get(f"test.{part}.coverage") is not None
    ]
    shares = f" ({', '.join(parts)})" if len(parts) == 2 else ""
    width = of["test.half_width"]
    said = f"Intervals of ±{width:.2f} on average hold {of['test.coverage']:.1%} of the test labels{shares}."
    ours, same = of.get("test.interval_score"), of.get("test.interval_score_constant")
    if ours is None or same is None:
        return said
    return f"{said} Interval score {ours:.2f}, with one width for all {same:.2f}."


def number(value: float | None, places: int = 4) -> str:
    return "–" if value is None else f"{value:.{places}f}"


def interval(of: Scores, metric: str) -> str:
    low, high = of.get(f"test.{metric}_low"), of.get(f"test.{metric}_high")
    return "–" if low is None else f"{number(low, 3)} to {number(high, 3)}"


def against_best(of: Scores) -> str:
    """Difference to the best single model and its p-value."""
    difference, p = of.get("test.vs_best.difference"), of.get("test.vs_best.p")
    return "–" if p is None else f"{difference:+.3f}, p {'< 0.01' if p < 0.01 else f'= {p:.2f}'}".replace("-", "−")


def write_text(text: str, path: Path) -> None:
    """Write text atomically."""
    write_whole(text.encode("utf-8"), path)


def read_json(path: Path) -> dict[str, object]:
    """The content of an earlier stage's out."""
    if not path.exists():
        raise bad_input("no such file", file=path, expected="the out of an earlier stage: run `dvc repro` first")
    return orjson.loads(path.read_bytes())


def _sortable(value: object) -> float:
    return float("inf") if value is None else float(value)

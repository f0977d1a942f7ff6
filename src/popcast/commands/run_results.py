"""What ``popcast run`` says at the end: a short leaderboard, the blend against the author's mean, where things lie."""

from __future__ import annotations

from typing import Any

import orjson
from rich.console import Console
from rich.table import Table

from popcast.core import paths
from popcast.planning.project_params import Params
from popcast.splits.params import Split

PLAIN = {"author_mean": "the author's mean", "median": "the median of all posts"}


def print_results(params: Params, console: Console) -> None:
    """For every dataset that has runs."""
    for name, dataset in params.datasets.items():
        rows = [run.name for run in params.runs_of(name)]
        if not rows:
            continue
        scores = {row: orjson.loads(paths.metrics(name, row).read_bytes()) for row in [*rows, "blend"]}
        console.print(board(name, scores, dataset.metric, params.splits[name]))
        console.print(sentence(scores["blend"], dataset.metric), soft_wrap=True)
        console.print(f"predictions: {paths.predictions(name, 'blend')}, or: popcast show {name}", soft_wrap=True)
    console.print(f"report: {paths.REPORT / 'index.html'}, all figures: {paths.LEADERBOARD}", soft_wrap=True)


def board(name: str, scores: dict[str, dict[str, Any]], metric: str, split: Split) -> Table:
    """Rows from best to worst on the test part."""
    how = "split at random: no forecast" if split.method == "random" else "test part"
    table = Table("model", title=f"{name}, {how}", box=None, title_justify="left", pad_edge=False)
    for column in (metric.upper(), "95 % interval", "SRC"):
        table.add_column(column, justify="right")
    for row in sorted(
        scores, key=lambda one: (scores[one].get(f"test.{metric}") is None, scores[one].get(f"test.{metric}"))
    ):
        of = scores[row]
        bounds = [of.get(f"test.{metric}_{end}") for end in ("low", "high")]
        interval = "-" if None in bounds else f"{bounds[0]:.3f} to {bounds[1]:.3f}"
        table.add_row(row, _number(of.get(f"test.{metric}")), interval, _number(of.get("test.src")))
    return table


def sentence(blend: dict[str, Any], metric: str) -> str:
    """The blend against the author's mean, or the median where there is none.

    >>> sentence({"test.mae": 1.2, "test.vs_median.difference": -0.3, "test.vs_median.low": -0.4,
    ...           "test.vs_median.high": -0.2, "test.vs_median.p": 0.001, "test.drawn": "authors"}, "mae")
    'The blend is 0.300 (MAE) better than the median of all posts: 95 % interval 0.200 to 0.400 over authors, p < 0.01.'
    """
    rival = next((one for one in PLAIN if f"test.vs_{one}.difference" in blend), None)
    if rival is None:
        return "There are too few posts in the test part to say whether the blend is better than a reference."
    found = {key: blend[f"test.vs_{rival}.{key}"] for key in ("difference", "low", "high", "p")}
    better = found["difference"] <= 0
    low, high = sorted(-found[key] if better else found[key] for key in ("low", "high"))
    p = "p < 0.01" if found["p"] < 0.01 else f"p = {found['p']:.2f}"
    sure = "" if found["p"] < 0.05 else "; that may be chance"
    return (
        f"The blend is {abs(found['difference']):.3f} ({metric.upper()}) {'better' if better else 'worse'} than "
        f"{PLAIN[rival]}: 95 % interval {low:.3f} to {high:.3f} over {blend.get('test.drawn') or 'posts'}, {p}{sure}."
    )


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"

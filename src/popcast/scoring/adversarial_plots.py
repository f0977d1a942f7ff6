"""Tables and pictures of adversarial validation: the ladder, the drifting columns, the probabilities."""

from __future__ import annotations

import numpy as np
import polars as pl

from popcast.scoring.adversarial import Result
from popcast.scoring.plots import COLORS, SOFT

TOP = 15
BINS = 25


def tables_of(result: Result) -> dict[str, pl.DataFrame]:
    """``ladder``, ``drifting`` (the columns that weigh most or lie furthest apart) and ``probability``."""
    left = [len(step.shares) for step in result.steps]
    ladder = pl.DataFrame(
        {
            "step": list(range(len(left))),
            "columns": left,
            "auc": [step.auc for step in result.steps],
            "auc_by_post": [step.auc_by_post for step in result.steps],
            "dropped": [", ".join(step.dropped) for step in result.steps],
            "base": [number == result.base for number in range(len(left))],
        },
        schema_overrides={"dropped": pl.String},
    )
    order = pl.max_horizontal("share", pl.col("shift").fill_null(0.0))
    strongest = result.columns.sort(order, "column", descending=[True, False]).head(TOP)
    return {"ladder": ladder, "drifting": strongest, "probability": _histogram(result)}


def _histogram(result: Result) -> pl.DataFrame:
    """Share of the posts of either part in each of BINS equal ranges of the probability."""
    against, probability = result.posts["against"].to_numpy(), result.steps[result.base].probability
    edges = np.linspace(0, 1, BINS + 1)
    shares = [np.histogram(probability[part], edges)[0] / part.sum() for part in (~against, against)]
    return pl.DataFrame({"from": edges[:-1], "to": edges[1:], "train": shares[0], "against": shares[1]})


def _ladder(axes, table: pl.DataFrame) -> str:
    step, value, other = (table[name].to_numpy() for name in ("step", "auc", "auc_by_post"))
    axes.axhline(0.5, color=SOFT, linewidth=1, linestyle="--")
    axes.plot(step, value, color=COLORS[0], marker="o", linewidth=1.5, label="folds of whole authors")
    if not np.array_equal(value, other):
        axes.plot(step, other, color=COLORS[1], marker="o", markersize=4, linewidth=1, label="folds of single posts")
        for x, y, below in zip(step, other, other < value, strict=True):
            place = {"xytext": (0, -14 if below else 20), "textcoords": "offset points", "ha": "center", "fontsize": 8}
            axes.annotate(f"{y:.3f}", (x, y), color=COLORS[1], **place)
        axes.legend(loc="lower left", fontsize=8.5)
    for x, y, base in zip(step, value, table["base"], strict=True):
        mark = " (weights)" if base else ""
        axes.annotate(f"{y:.3f}{mark}", (x, y), textcoords="offset points", xytext=(0, 8), ha="center", fontsize=9)
    names = ["all", *("named out" if base else "strongest out" for base in table["base"][1:])]
    axes.set_xticks(step, [f"{count}\n{name}" for count, name in zip(table["columns"], names, strict=True)], fontsize=8)
    axes.set_xlim(-0.4, max(step.max(), 1) + 0.4)
    axes.set_ylim(min(0.45, value.min() - 0.05, other.min() - 0.05), 1.08)
    axes.set(xlabel="columns left", ylabel="AUC, out of fold (0.5: alike)")
    return "Can the two parts be told apart?"


def _drifting(axes, table: pl.DataFrame) -> str:
    y = np.arange(table.height)[::-1]
    for offset, column, color, label in (
        (0.2, "share", COLORS[0], "share of the gain, all columns"),
        (-0.2, "shift", COLORS[1], "distance of the distributions"),
    ):
        axes.barh(y + offset, table[column].fill_null(0.0).to_numpy(), height=0.36, color=color, label=label)
    axes.set_yticks(y, [name if len(name) <= 30 else name[:29] + "…" for name in table["column"]], fontsize=8)
    axes.set_xlim(0, 1)
    axes.grid(visible=False, axis="y")
    axes.legend(loc="lower right", fontsize=8.5)
    return "Columns that drift"


def _probability(axes, table: pl.DataFrame) -> str:
    edges = np.append(table["from"].to_numpy(), 1.0)
    for column, color, label in (("train", COLORS[0], "training posts"), ("against", COLORS[1], "posts to predict")):
        axes.stairs(table[column].to_numpy() * 100, edges, color=color, fill=True, alpha=0.35)
        axes.stairs(table[column].to_numpy() * 100, edges, color=color, linewidth=1.5, label=label)
    axes.set(xlabel="probability of being a post to predict, out of fold", ylabel="share of the posts (%)")
    axes.legend(loc="upper right")
    return "Where the two parts overlap"


DRAW = {"ladder": _ladder, "drifting": _drifting, "probability": _probability}

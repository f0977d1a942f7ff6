"""Pictures of responses: real against predicted mix per topic, sentiment over time, what each ablation costs."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import polars as pl

from popcast.response.params import System
from popcast.response.response_tables import SENTIMENTS
from popcast.scoring.plots import COLORS, SOFT

MOODS = {"negative": "#b42318", "neutral": "#7b8794", "positive": "#2f8f5b"}
MOST_TOPICS, MOST_BUCKETS, LEAST_BUCKET = 12, 40, 5
MAIN = "pac"
"""The system that others are compared with, if there is one of the name; else the first that writes."""

Figures = Mapping[str, object]


def tables_of(
    figures: Figures, found: Mapping[str, pl.DataFrame], systems: Mapping[str, System]
) -> dict[str, pl.DataFrame]:
    """``topic_shares`` and ``over_time`` of the test part, for what is real and the main system; ``costs``."""
    main = MAIN if MAIN in systems else next(iter(systems))
    made = {}
    for name in ("topic_shares", "over_time"):
        table = found.get(name)
        if table is not None:
            made[name] = table.filter(pl.col("split") == "test", pl.col("system").is_in(["real", main]))
    if "over_time" in made:
        made["over_time"] = over_time(made["over_time"])
    made["costs"] = costs(figures, list(systems), main)
    return {name: table for name, table in made.items() if table.height}


def over_time(table: pl.DataFrame) -> pl.DataFrame:
    """system, bucket, n and net (positive minus negative share) of the last buckets, all topics together.

    Empty where there is a single bucket: nothing to see over time.
    """
    sums = table.group_by("system", "bucket").agg(pl.sum("n", *SENTIMENTS)).filter(pl.col("n") >= LEAST_BUCKET)
    kept = sums["bucket"].unique().sort()[-MOST_BUCKETS:]
    net = (pl.col("positive") - pl.col("negative")) / pl.col("n")
    sums = sums.filter(pl.col("bucket").is_in(kept.implode())).sort("system", "bucket")
    return sums.select("system", "bucket", "n", net=net) if len(kept) > 1 else sums.select("system").head(0)


def costs(figures: Figures, systems: list[str], main: str) -> pl.DataFrame:
    """system, metric, difference, low, high, p: of every other system minus the main one, on the test part."""
    rows = []
    for name in systems:
        for metric in ("micro.rouge_l", "micro.chrf", "micro.accuracy", "macro.jsd") if name != main else ():
            stems = {1: f"test.{name}.vs_{main}.{metric}", -1: f"test.{main}.vs_{name}.{metric}"}
            for sign, stem in stems.items():
                value, low, high, p = (figures.get(f"{stem}.{part}") for part in ("difference", "low", "high", "p"))
                if value is None or low is None:
                    continue
                bounds = sorted((sign * low, sign * high))
                rows.append((name, metric, sign * value, *bounds, p))
                break
    schema = {"system": pl.String, "metric": pl.String} | dict.fromkeys(("difference", "low", "high", "p"), pl.Float64)
    return pl.DataFrame(rows, schema=schema, orient="row")


def _topic_shares(axes, table: pl.DataFrame) -> str:
    """Two bars per topic, the topics with most labels first."""
    real = table.filter(pl.col("system") == "real").sort(["n", "topic_id"], descending=[True, False]).head(MOST_TOPICS)
    other = table.filter(pl.col("system") != "real")
    names = real["topic_id"].to_list()
    who = other["system"][0] if other.height else ""
    axes.figure.set_size_inches(6.4, 1.6 + 0.42 * len(names))
    for place, topic in enumerate(names):
        for shift, rows in ((0.2, real), (-0.2, other)):
            row = rows.filter(pl.col("topic_id") == topic)
            left = 0.0
            for mood in SENTIMENTS if row.height else ():
                width = row[mood][0] or 0.0
                axes.barh(shift - place, width, 0.36, left=left, color=MOODS[mood], alpha=1.0 if rows is real else 0.55)
                left += width
    axes.set_yticks([-place for place in range(len(names))], [f"topic {place + 1}" for place in range(len(names))])
    axes.set(xlim=(0, 1), xlabel=f"share of sentiments; above real, below {who} (paler)")
    handles = [axes.barh([0], [0], color=color, label=mood) for mood, color in MOODS.items()]
    axes.figure.legend(handles=handles, loc="outside lower center", ncols=3, fontsize=9)
    axes.grid(visible=False, axis="y")
    return f"Mix of sentiments per topic, real and {who}"


def _over_time(axes, table: pl.DataFrame) -> str:
    """A line per system."""
    for place, (name, rows) in enumerate(table.group_by("system", maintain_order=True)):
        days, net = rows["bucket"].to_list(), rows["net"].to_numpy()
        axes.plot(days, net, "o-", markersize=3.5, linewidth=1.4, color=COLORS[place], label=name[0])
    axes.axhline(0, color=SOFT, linewidth=1)
    axes.set(ylabel="positive minus negative share", ylim=(-1.05, 1.05))
    axes.tick_params(axis="x", rotation=30)
    axes.legend(loc="best", fontsize=9)
    axes.set_xlabel(f"points: at least {LEAST_BUCKET} labelled responses")
    return "Sentiment over time"


def _costs(axes, table: pl.DataFrame) -> str:
    """A panel per metric: differences to the main system with intervals."""
    figure = axes.figure
    axes.remove()
    metrics = table["metric"].unique(maintain_order=True).to_list()
    systems = table["system"].unique(maintain_order=True).to_list()
    figure.set_size_inches(3.0 * len(metrics) + 1.6, 2.4 + 0.32 * len(systems))
    panels = np.atleast_1d(figure.subplots(1, len(metrics), sharey=True))
    for panel, metric in zip(panels, metrics, strict=True):
        rows = table.filter(pl.col("metric") == metric)
        y = -np.array([systems.index(name) for name in rows["system"]], float)
        panel.axvline(0, color=SOFT, linewidth=1)
        panel.hlines(y, rows["low"].to_numpy(), rows["high"].to_numpy(), color=COLORS[0], linewidth=1.8, alpha=0.5)
        panel.plot(rows["difference"].to_numpy(), y, "o", markersize=4.5, color=COLORS[0])
        panel.set_xlabel(metric.replace("_", "-"))
        panel.locator_params(axis="x", nbins=4)
        panel.grid(visible=False, axis="y")
    panels[0].set_yticks([-float(place) for place in range(len(systems))], systems)
    return "What other systems lose (left of 0) against the main one; of macro.jsd right is worse"


DRAW = {"topic_shares": _topic_shares, "over_time": _over_time, "costs": _costs}

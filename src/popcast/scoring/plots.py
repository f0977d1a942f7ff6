"""The pictures of a dataset: each table of ``plot_data`` as csv for DVC and as PNG, the same bytes each time."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl

from popcast.core.safety.whole_files import whole_folder
from popcast.core.tables import rounded

INK, SOFT, GRID = "#1f2933", "#66727f", "#e3e8ee"
COLORS = ("#2b6cb0", "#dd7a1f", "#7b8794", "#3f9142", "#8b5fbf", "#b83280")
DASHES = ("-", "--", ":")
PART_COLORS = {"oof": "#9fb3c8", "valid": "#dd7a1f", "test": "#2b6cb0"}
PART_NAMES = {"oof": "training part, out of fold", "valid": "valid part", "test": "test part"}
STYLE = {
    "font.family": "DejaVu Sans",
    "font.size": 10,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": SOFT,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": GRID,
    "xtick.color": SOFT,
    "ytick.color": SOFT,
    "legend.frameon": False,
    "text.parse_math": False,
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
}
UNIT = "popularity (log scale of the labels)"


def write(
    pictured: dict[str, pl.DataFrame], folder: Path, name: str, draw: dict | None = None,
    beside: Callable[[Path], object] | None = None,
) -> None:  # fmt: skip
    """Write ``<table>.csv`` and ``<table>.png`` of every table into ``folder``, replacing what was there.

    name: the dataset as titles should call it (generated data are named as such). draw: table -> function that draws
    it and returns its title, by default those of this module. beside: writes more files into the folder it is given.
    """
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    with whole_folder(folder) as fresh:
        for key, table in pictured.items():
            rounded(table).write_csv(fresh / f"{key}.csv")
            with pyplot.rc_context(STYLE):
                figure, axes = pyplot.subplots(figsize=(5.6, 4.2), layout="constrained")
                figure.get_layout_engine().set(w_pad=0.12, h_pad=0.12)
                title = (draw or DRAW)[key](axes, table)
                top = figure.axes[0]
                top.set_title(f"{title}\n", loc="left", fontsize=11, fontweight="bold")
                top.text(0, 1.025, name, transform=top.transAxes, color=SOFT, fontsize=9, va="bottom")
                figure.savefig(fresh / f"{key}.png", dpi=144, metadata={"Software": None})
                pyplot.close(figure)
        if beside is not None:
            beside(fresh)


def _predicted_vs_real(axes, table: pl.DataFrame) -> str:
    real, predicted = table["real"].to_numpy(), table["predicted"].to_numpy()
    low, high = min(real.min(), predicted.min()), max(real.max(), predicted.max())
    axes.plot([low, high], [low, high], color=SOFT, linewidth=1, linestyle="--", label="perfect")
    axes.scatter(real, predicted, s=12, alpha=0.45, color=COLORS[0], linewidths=0, label="post of the test part")
    axes.set(xlabel=f"real {UNIT}", ylabel=f"predicted {UNIT}")
    axes.legend(loc="upper left")
    return f"Predicted against real ({table.height:,} test posts, blend)"


def _residual_by_time(axes, table: pl.DataFrame) -> str:
    axes.axhline(0, color=SOFT, linewidth=1)
    for part, color in PART_COLORS.items():
        rows = table.filter((pl.col("part") == part) & (pl.col("posts") >= 3))
        if rows.height:
            axes.plot(rows["period"].to_list(), rows["mean_error"].to_list(), color=color, marker="o", markersize=3.5,
                      linewidth=1.5, label=PART_NAMES[part])  # fmt: skip
    axes.set(xlabel="time of posting", ylabel="mean error (predicted minus real)")
    axes.tick_params(axis="x", rotation=30)
    low, high = axes.get_ylim()
    axes.set_ylim(low, high + 0.22 * (high - low))  # room for the legend above the lines
    axes.legend(ncols=3, loc="upper center", fontsize=8.5, columnspacing=1.2)
    return "Bias of the blend by time"


def _calibration(axes, table: pl.DataFrame) -> str:
    predicted, real = table["predicted"].to_numpy(), table["real"].to_numpy()
    low, high = min(predicted.min(), real.min()), max(predicted.max(), real.max())
    axes.plot([low, high], [low, high], color=SOFT, linewidth=1, linestyle="--", label="perfect")
    axes.vlines(predicted, table["real_low"].to_numpy(), table["real_high"].to_numpy(), color=COLORS[0], alpha=0.25,
                linewidth=6, label="middle 80 % of real values")  # fmt: skip
    axes.plot(predicted, real, color=COLORS[0], marker="o", linewidth=1.5, label="mean real value")
    axes.set(xlabel=f"mean predicted {UNIT}", ylabel=f"real {UNIT}")
    axes.legend(loc="upper left")
    return "Calibration by tenths of the prediction (test, blend)"


def _coverage_by_level(axes, table: pl.DataFrame) -> str:
    nominal = table["nominal"].to_numpy() * 100
    axes.plot([0, 100], [0, 100], color=SOFT, linewidth=1, linestyle="--", label="as promised")
    for position, (column, label) in enumerate(
        (("observed", "all test posts"), ("warm", "known authors"), ("cold", "new authors"))
    ):
        if table[column].null_count() < table.height:
            observed = table[column].to_numpy() * 100
            axes.plot(
                nominal, observed, DASHES[position], color=COLORS[position], marker="o", markersize=4, label=label
            )
    axes.set(xlabel="nominal share of outcomes below the quantile (%)", ylabel="observed share (%)", xlim=(0, 100))
    axes.set_ylim(0, 100)
    axes.legend(loc="upper left")
    return "Quantiles: promised against observed (test, blend)"


def _error_by_history_length(axes, table: pl.DataFrame) -> str:
    bins = table["older_posts"].unique(maintain_order=True).to_list()
    bins.sort(key=lambda name: int(name.rstrip("+").split("-")[0]))
    models = table["model"].unique(maintain_order=True).to_list()
    width = 0.8 / len(models)
    for position, model in enumerate(models):
        rows = table.filter(pl.col("model") == model)
        x = [bins.index(name) - 0.4 + (position + 0.5) * width for name in rows["older_posts"]]
        axes.bar(x, rows["mae"].to_list(), width=width * 0.92, color=COLORS[position % len(COLORS)], label=model)
    posts = dict(table.filter(pl.col("model") == models[0]).select("older_posts", "posts").iter_rows())
    axes.set_xticks(range(len(bins)), [f"{name}\n({posts.get(name, 0):,})" for name in bins])
    axes.set_ylim(0, table["mae"].max() * 1.22)
    axes.set(xlabel="older training posts of the author (test posts in brackets)", ylabel="MAE")
    axes.grid(visible=False, axis="x")
    axes.legend(ncols=3, loc="upper center", fontsize=9)
    return "Error by length of the author's history"


def _importances(axes, table: pl.DataFrame) -> str:
    model = table["model"][0]
    rows = table.filter(pl.col("model") == model)
    y = np.arange(rows.height)[::-1]
    axes.barh(y, rows["share"].to_numpy() * 100, color=COLORS[0], height=0.7)
    axes.set_yticks(y, [_short(column) for column in rows["column"]], fontsize=8.5)
    axes.set_ylim(rows.height - 1 - max(rows.height, 6) + 0.4, rows.height - 0.4)
    axes.set(xlabel="share of the model's summed importance (%)")
    axes.grid(visible=False, axis="y")
    return f"What {model} looks at"


def _blend_weights(axes, table: pl.DataFrame) -> str:
    segments = table["segment"].unique(maintain_order=True).to_list()
    models = table["model"].unique(maintain_order=True).to_list()
    height = 0.8 / len(segments)
    for position, segment in enumerate(segments):
        weights = table.filter(pl.col("segment") == segment)["weight"].to_numpy()
        y = np.arange(len(models))[::-1] + 0.4 - (position + 0.5) * height
        axes.barh(y, weights, height=height * 0.9, color=COLORS[position % len(COLORS)], label=segment)
        if len(segments) == 1:
            for at, weight in zip(y, weights, strict=True):
                axes.text(weight + 0.01, at, f"{weight:.2f}", va="center", fontsize=9, color=SOFT)
    axes.set_yticks(np.arange(len(models))[::-1], models)
    axes.set_xlim(0, max(table["weight"].max() * 1.12, 0.1))
    axes.set(xlabel="weight")
    axes.grid(visible=False, axis="y")
    if len(segments) > 1:
        axes.legend(loc="upper center", bbox_to_anchor=(0.4, -0.16), ncols=4, fontsize=9)
    return "Weights of the blend"


def _contributions(axes, table: pl.DataFrame) -> str:
    y = np.arange(table.height)[::-1]
    axes.axvline(0, color=SOFT, linewidth=1)
    for part, shift in (("valid", 0.13), ("test", -0.13)):
        if f"{part}_gain" not in table.columns:
            continue
        gain, low, high = (table[f"{part}_{name}"].cast(pl.Float64).to_numpy() for name in ("gain", "low", "high"))
        axes.hlines(y + shift, low, high, color=PART_COLORS[part], linewidth=1.5, alpha=0.6)
        axes.plot(gain, y + shift, "o", markersize=4.5, color=PART_COLORS[part], label=PART_NAMES[part])
    axes.set_yticks(y, [_short(name) for name in table["left_out"]], fontsize=8.5)
    axes.set_ylim(table.height - 1 - max(table.height, 6) + 0.4, table.height - 0.4)
    axes.set(xlabel="error without it minus error with all")
    axes.grid(visible=False, axis="y")
    axes.legend(loc="upper center", bbox_to_anchor=(0.4, -0.16), ncols=2, fontsize=9)
    return "What each member adds to the blend"


def _training_curves(axes, table: pl.DataFrame) -> str:
    """Two panels in the place of ``axes``: loss on the learning posts, error on the stopping window."""
    figure = axes.figure
    axes.remove()
    figure.set_size_inches(5.6, 5.0)
    panels = figure.subplots(2, 1, sharex=True)
    models = table["model"].unique(maintain_order=True).to_list()
    for position, model in enumerate(models):
        style = {"color": COLORS[position % len(COLORS)], "linestyle": DASHES[position // len(COLORS) % len(DASHES)]}
        for number, rows in enumerate(table.filter(pl.col("model") == model).partition_by("seed", maintain_order=True)):
            label = model if number == 0 else None
            for panel, column in zip(panels, ("loss", "monitor"), strict=True):
                panel.plot(rows["epoch"].to_list(), rows[column].to_list(), linewidth=1.2, label=label, **style)
            best = rows.filter("best")
            panels[1].plot(best["epoch"].to_list(), best["monitor"].to_list(), "o", markersize=4, color=style["color"])
    for panel, column in zip(panels, ("loss", "monitor"), strict=True):
        values = table[column].drop_nulls()
        if values.len() and values.min() > 0 and values.max() > 20 * values.min():
            panel.set_yscale("log")
            panel.yaxis.set_major_formatter("{x:g}")
    panels[0].set_ylabel("loss")
    panels[1].set(xlabel="epoch", ylabel="error on the window")
    figure.align_ylabels(panels)
    panels[1].xaxis.get_major_locator().set_params(integer=True)
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=4, fontsize=8.5)
    return "Training, a line per seed (dot: epoch kept)"


def _short(column: str) -> str:
    return column if len(column) <= 34 else column[:33] + "…"


DRAW = {
    "predicted_vs_real": _predicted_vs_real,
    "residual_by_time": _residual_by_time,
    "calibration": _calibration,
    "coverage_by_level": _coverage_by_level,
    "error_by_history_length": _error_by_history_length,
    "importances": _importances,
    "blend_weights": _blend_weights,
    "contributions": _contributions,
    "training_curves": _training_curves,
}

"""Table and picture of the ablation: error of every variant minus that of history and text alone, with intervals."""

from __future__ import annotations

import numpy as np
import polars as pl

from popcast.scoring.plots import COLORS, INK, SOFT
from popcast.simulation.ablation.learners import LEARNERS
from popcast.simulation.ablation.variants import VARIANTS, Scores

ORDER = ("text", "numeric", "both", "shuffled", "raw")
NAMES = {
    "text": "words",
    "numeric": "attitudes",
    "both": "words and attitudes",
    "shuffled": "both, of another post",
    "raw": "mean raw score",
}
TITLES = {"ridge": "ridge regression", "lightgbm": "LightGBM"}
NUMBERS = ("mae", "mae_low", "mae_high", "mae_run_sd", "src", "src_low", "src_high", "src_run_sd")
PAIRED = ("difference", "low", "high", "p")


def tables_of(scores: Scores, epochs: int) -> dict[str, pl.DataFrame]:
    """``ablation``: learner, variant, epoch (0: none), scores, and the differences to ``none`` (this minus none)."""
    cells = [(learner, variant, epoch) for learner in LEARNERS for variant in VARIANTS for epoch in range(epochs + 1)]
    rows = []
    for learner, variant, epoch in cells:
        if (variant == "none") != (epoch == 0):
            continue
        stem = f"{learner}.{variant}" + (f".{epoch}" if epoch else "")
        numbers = [scores.get(f"{stem}.{name}") for name in NUMBERS]
        rows.append((learner, variant, epoch, *numbers, *(scores.get(f"{stem}.vs_none.{name}") for name in PAIRED)))
    floats = dict.fromkeys((*NUMBERS, *PAIRED), pl.Float64)
    schema = {"learner": pl.String, "variant": pl.String, "epoch": pl.Int64, **floats}
    return {"ablation": pl.DataFrame(rows, schema=schema, orient="row")}


def _ablation(axes, table: pl.DataFrame) -> str:
    """A panel per learner in the place of ``axes``: variants from top to bottom, in each its epochs."""
    figure = axes.figure
    axes.remove()
    figure.set_size_inches(6.8, 6.8)
    panels = figure.subplots(len(LEARNERS), 1)
    epochs = sorted(table.filter(pl.col("epoch") > 0)["epoch"].unique())
    step = min(0.22, 0.75 / len(epochs))
    for panel, learner in zip(panels, LEARNERS, strict=True):
        own = table.filter(pl.col("learner") == learner)
        panel.axvline(0, ymax=0.9, color=SOFT, linewidth=1)
        for place, epoch in enumerate(epochs):
            rows = own.filter(pl.col("epoch") == epoch)
            y = -np.array([ORDER.index(name) for name in rows["variant"]]) - step * (place - (len(epochs) - 1) / 2)
            middle, low, high = (rows[name].cast(pl.Float64).to_numpy() for name in PAIRED[:3])
            color = COLORS[place % len(COLORS)]
            panel.hlines(y, low, high, color=color, linewidth=1.8, alpha=0.5)
            panel.plot(middle, y, "o", markersize=4.5, color=color, label=f"after epoch {epoch}")
        panel.set_yticks([-place for place in range(len(ORDER))], [NAMES[name] for name in ORDER], fontsize=9.5)
        panel.set_ylim(-len(ORDER) + 0.45, 1.1)
        panel.grid(visible=False, axis="y")
        panel.locator_params(axis="x", nbins=7)
        base = own.filter(pl.col("variant") == "none")["mae"][0]
        panel.text(0.01, 0.985, f"{TITLES.get(learner, learner)}: MAE {base:.3f} with history and text alone",
                   transform=panel.transAxes, va="top", fontsize=9.5, color=INK,
                   bbox={"facecolor": "white", "edgecolor": "none", "pad": 2.5})  # fmt: skip
    panels[-1].set_xlabel("change of the MAE; left of 0: the audience helps")
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=min(max(len(epochs), 1), 4), fontsize=9)
    return "What the simulated audience adds to history and text"


DRAW = {"ablation": _ablation}

"""Pictures of shares of reactions: calibration of each class, and what the trees look at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import polars as pl

from popcast.scoring.plots import COLORS, SOFT

MOST = 15
"""Columns in the picture of importances."""


def tables_of(calibration: Sequence[Mapping[str, object]], importances: Mapping[str, float]) -> dict[str, pl.DataFrame]:
    """``calibration`` and ``importances`` (column, share; the largest first); what is empty is left out."""
    strongest = sorted(importances.items(), key=lambda pair: (-pair[1], pair[0]))[:MOST]
    made = {
        "calibration": pl.DataFrame(list(calibration)),
        "importances": pl.DataFrame(strongest, schema={"column": pl.String, "share": pl.Float64}, orient="row"),
    }
    return {name: table for name, table in made.items() if table.height}


def _calibration(axes, table: pl.DataFrame) -> str:
    axes.axline((0, 0), slope=1, color=SOFT, linewidth=1, linestyle="--")
    for place, (name, rows) in enumerate(table.group_by("class", maintain_order=True)):
        axes.plot(rows["predicted"].to_list(), rows["real"].to_list(), "o-", markersize=4, linewidth=1.3,
                  color=COLORS[place % len(COLORS)], label=name[0].removeprefix("num_"))  # fmt: skip
    axes.set(xlabel="predicted share", ylabel="real share")
    axes.legend(loc="upper left", fontsize=9)
    return "Shares of reactions, predicted against real (test part)"


def _importances(axes, table: pl.DataFrame) -> str:
    rows = table.reverse()
    axes.barh(rows["column"].to_list(), rows["share"].to_list(), color=COLORS[0])
    axes.set(xlabel="share of the trees' gain")
    axes.grid(visible=False, axis="y")
    axes.figure.set_size_inches(6.4, 4.6)
    return "What the trees look at"


DRAW = {"calibration": _calibration, "importances": _importances}

"""The picture of alignment: do the chosen answers stay as probable as they were? (multismpllm.md 7)"""

from __future__ import annotations

import orjson
import polars as pl

from popcast.lm.tuned_systems import SMOOTHED, Trained, curves_of
from popcast.scoring import plots


def pictures(done: list[Trained]) -> dict[str, tuple[pl.DataFrame, object]]:
    """Table and drawing of ``chosen_logp`` for the models with the most shots; nothing where nothing was aligned."""
    if not done:
        return {}
    most = max(one.shots for one in done)
    return {"chosen_logp": (gains([one for one in done if one.shots == most]), draw_gains)}


def gains(done: list[Trained]) -> pl.DataFrame:
    """Columns system, shots, step (from 1), chosen, rejected: mean log-probability minus that of the reference."""
    return curves_of(
        done,
        chosen=pl.col("chosen_logp") - pl.col("reference_chosen_logp"),
        rejected=pl.col("rejected_logp") - pl.col("reference_rejected_logp"),
    )


def draw_gains(axes, table: pl.DataFrame) -> str:
    """A line per system: what the chosen answers gained over the model that alignment started from."""
    axes.axhline(0, color=plots.SOFT, linewidth=1)
    for position, rows in enumerate(table.partition_by("system", maintain_order=True)):
        smooth = rows["chosen"].rolling_mean(SMOOTHED, min_samples=1)
        color = plots.COLORS[position % len(plots.COLORS)]
        axes.plot(rows["step"].to_list(), smooth.to_list(), linewidth=1.6, color=color, label=rows["system"][0])
        axes.plot(rows["step"].to_list(), rows["chosen"].to_list(), linewidth=0.6, color=color, alpha=0.35)
    axes.set(xlabel=f"update (thick: mean of {SMOOTHED})", ylabel="log-probability minus that at the start")
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.figure.set_size_inches(6.4, 5.0)
    axes.figure.legend(loc="outside lower center", ncols=3, fontsize=8.5)
    return f"Log-probability of the chosen answers ({table['shots'][0]} shots)"


def told(one: Trained) -> str:
    """One line about a finished model."""
    said = orjson.loads((one.scratch.folder / "finished.json").read_bytes())
    return (
        f"{one.name}: {said['pairs']} pairs, log-probability of the chosen answers "
        f"{said['chosen_logp_before']:.2f} -> {said['chosen_logp_after']:.2f}"
    )

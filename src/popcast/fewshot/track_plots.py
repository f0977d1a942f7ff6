"""Tables and pictures of a few-shot task, pooled test sets: MAE by shots and by training records, ablation, answers."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl

from popcast.fewshot.track_scores import ALL, MEAN, Scores, main_row
from popcast.scoring.plots import COLORS, SOFT, UNIT

LINES = 6
"""Systems at most in the picture by shots."""
ERROR_SCHEMA = {"mae": pl.Float64, "low": pl.Float64, "high": pl.Float64}


def tables_of(
    scores: Scores,
    systems: dict[str, dict[str, Any]],
    shots: list[int],
    records: pl.DataFrame,
    answers: pl.DataFrame,
    trained_on: dict[str, int],
) -> dict[str, pl.DataFrame]:
    """All tables of one task by name; one that the task cannot have is left out.

    scores: from :func:`popcast.fewshot.track_scores.score_task`. systems: from
    :func:`popcast.fewshot.track_scores.systems_of`. trained_on: kind of records -> their number at the largest number
    of shots.
    """
    found = {
        "mae_by_shots": mae_by_shots(scores, systems, shots),
        "predicted_vs_real": predicted_vs_real(scores, systems, shots, records, answers),
        "ablation": ablation(scores, systems, shots),
        "many_shot": many_shot(scores, systems, shots, trained_on),
    }
    return {name: table for name, table in found.items() if table.height}


def _error(scores: Scores, stem: str) -> tuple[float | None, ...]:
    return tuple(scores.get(f"{stem}.{name}") for name in ("mae", "mae_low", "mae_high"))


def mae_by_shots(scores: Scores, systems: dict[str, dict[str, Any]], shots: list[int]) -> pl.DataFrame:
    """``system``, ``decoding``, ``shots``, ``mae``, ``low``, ``high`` of the rows that a reader compares first."""
    full = [name for name, of in systems.items() if of.get("full")]
    tuned = [name for name, of in systems.items() if of["kind"] == "sft" and of.get("ablation")]
    models: dict[str, str] = {}  # the first row of each
    for name, of in systems.items():
        if of["kind"] == "features" and of["records"] == "fewshot":
            models.setdefault(of["model"], name)
    first = [name for name in (MEAN, "history_ridge") if name in systems]
    chosen = [*full, *tuned, *first, *models.values()][:LINES]
    rows = []
    for system in chosen:
        for count in shots:
            decoding = main_row(scores, f"{ALL}.{count}", system)
            if decoding is not None:
                rows.append((system, decoding, count, *_error(scores, f"{ALL}.{count}.{system}.{decoding}")))
    schema = {"system": pl.String, "decoding": pl.String, "shots": pl.Int64, **ERROR_SCHEMA}
    return pl.DataFrame(rows, schema=schema, orient="row").drop_nulls("mae")


def predicted_vs_real(
    scores: Scores, systems: dict[str, dict[str, Any]], shots: list[int], records: pl.DataFrame, answers: pl.DataFrame
) -> pl.DataFrame:
    """``system``, ``shots``, ``real``, ``predicted``, ``lower``, ``upper`` of the full system at its most shots."""
    names = [name for name, of in systems.items() if of.get("full")]
    names += [name for name, of in systems.items() if of["kind"] == "sft" and of.get("ablation")]
    system, count = next(iter(names), None), max(shots)
    decoding = None if system is None else main_row(scores, f"{ALL}.{count}", system)
    own = answers.filter((pl.col("system") == system) & (pl.col("decoding") == decoding)).drop_nulls("prediction")
    test = records.filter((pl.col("role") == "test") & (pl.col("shots") == count))
    return (
        test.join(own, on="record_id")
        .sort("record_id")
        .select(
            "system",
            shots=pl.col("shots").cast(pl.Int64),
            real="score",
            predicted="prediction",
            lower="lower",
            upper="upper",
        )
    )


def ablation(scores: Scores, systems: dict[str, dict[str, Any]], shots: list[int]) -> pl.DataFrame:
    """``system``, ``what``, ``decoding``, ``shots``, ``valid``, ``lenient`` (null where nothing is written),
    ``mae``, ``low``, ``high``: greedy and expected."""
    rows = []
    for system in (name for name, of in systems.items() if of.get("ablation")):
        for decoding in ("greedy", "expected"):
            for count in shots:
                stem = f"{ALL}.{count}.{system}.{decoding}"
                if f"{stem}.n" in scores:
                    valid = (scores[f"{stem}.valid"], scores.get(f"{stem}.lenient.valid"))
                    rows.append((system, systems[system]["what"], decoding, count, *valid, *_error(scores, stem)))
    schema = {"system": pl.String, "what": pl.String, "decoding": pl.String, "shots": pl.Int64}
    schema |= {"valid": pl.Float64, "lenient": pl.Float64} | ERROR_SCHEMA
    return pl.DataFrame(rows, schema=schema, orient="row")


def many_shot(
    scores: Scores, systems: dict[str, dict[str, Any]], shots: list[int], trained_on: dict[str, int]
) -> pl.DataFrame:
    """``family``, ``system``, ``records`` (learned from), ``mae``, ``low``, ``high`` at the most shots."""
    rows = []
    for family, members in many_families(systems).items():
        for system in members:
            decoding = main_row(scores, f"{ALL}.{max(shots)}", system)
            count = trained_on.get(systems[system]["records"])
            if decoding is not None and count:
                rows.append((family, system, count, *_error(scores, f"{ALL}.{max(shots)}.{system}.{decoding}")))
    schema = {"family": pl.String, "system": pl.String, "records": pl.Int64, **ERROR_SCHEMA}
    return pl.DataFrame(rows, schema=schema, orient="row").drop_nulls("mae").sort("family", "records")


def many_families(systems: dict[str, dict[str, Any]]) -> dict[str, list[str]]:
    """Few-shot system -> itself and those like it that learned from many-shot records: ``hyfea`` and ``hyfea_many_05``.

    A tuned system called by the name of its records alone (``many_05``) belongs to the one that is sampled for pairs.
    """
    tuned = next((name for name, of in systems.items() if of["kind"] == "sft" and of.get("ablation")), None)
    found: dict[str, list[str]] = {}
    for name, of in systems.items():
        records = of.get("records", "fewshot")
        if records != "fewshot":
            stem = name.removesuffix(records).rstrip("_") or tuned
            found.setdefault(stem, [stem] if stem in systems else []).append(name)
    return found


def _mae_by_shots(axes, table: pl.DataFrame) -> str:
    names = table["system"].unique(maintain_order=True).to_list()
    for place, name in enumerate(names):
        rows, shift = table.filter(pl.col("system") == name), 0.06 * (place - (len(names) - 1) / 2)
        x, color = rows["shots"].to_numpy() + shift, COLORS[place % len(COLORS)]
        decoding = rows["decoding"][0]
        axes.vlines(x, *(rows[c].cast(pl.Float64).to_numpy() for c in ("low", "high")), color=color, alpha=0.5)
        axes.plot(x, rows["mae"].to_numpy(), marker="o", markersize=4, linewidth=1.4, color=color,
                  label=name if decoding == "point" else f"{name} ({decoding})")  # fmt: skip
    axes.set_xticks(sorted(set(table["shots"])))
    axes.set(xlabel="shots", ylabel="MAE")
    low, high = axes.get_ylim()
    axes.set_ylim(low, high + 0.3 * (high - low))
    axes.legend(ncols=2, loc="upper center", fontsize=8.5)
    return "Error by shots, all test sets"


def _predicted_vs_real(axes, table: pl.DataFrame) -> str:
    real, predicted = table["real"].to_numpy(), table["predicted"].to_numpy()
    low, high = min(real.min(), predicted.min()), max(real.max(), predicted.max())
    axes.plot([low, high], [low, high], color=SOFT, linewidth=1, linestyle="--", label="perfect")
    ranged = table.drop_nulls("lower")
    if ranged.height:
        axes.vlines(ranged["real"].to_numpy(), ranged["lower"].to_numpy(), ranged["upper"].to_numpy(), color=COLORS[0],
                    alpha=0.18, linewidth=2, label="10-90 % of its distribution")  # fmt: skip
    axes.scatter(real, predicted, s=13, alpha=0.7, color=COLORS[0], linewidths=0, label="test record")
    axes.set(xlabel=f"real {UNIT}", ylabel=f"predicted {UNIT}")
    axes.legend(loc="upper left", fontsize=8.5)
    return f"{table['system'][0]}, {table['shots'][0]} shots: predicted against real"


def _ablation(axes, table: pl.DataFrame) -> str:
    most = table.filter(pl.col("shots") == table["shots"].max())
    names = most["system"].unique(maintain_order=True).to_list()
    for place, decoding in enumerate(("greedy", "expected")):
        rows = most.filter(pl.col("decoding") == decoding)
        y = np.array([-names.index(name) for name in rows["system"]]) + 0.19 - 0.38 * place
        mae, low, high = (rows[c].cast(pl.Float64).to_numpy() for c in ("mae", "low", "high"))
        axes.barh(y, np.nan_to_num(mae), height=0.34, color=COLORS[place], label=decoding)
        axes.hlines(y, low, high, color=SOFT, linewidth=1.2)
        for at, value, end, valid, lenient in zip(y, mae, high, rows["valid"], rows["lenient"], strict=True):
            text = "" if lenient is None else f"valid {valid:.0%}, lenient {lenient:.0%}"
            if np.isnan(value):
                text = f"no usable answer, {text or 'none'}"
            axes.text(np.nanmax([0.0, value, end]) + 0.02, at, f" {text}", va="center", fontsize=8, color=SOFT)
    axes.set_yticks([-place for place in range(len(names))], names)
    axes.set_xlim(0, (most.select(pl.max_horizontal("mae", "high").max()).item() or 1.0) * 1.4)
    axes.set(xlabel="MAE")
    axes.grid(visible=False, axis="y")
    axes.legend(ncols=2, loc="upper center", bbox_to_anchor=(0.4, -0.16), fontsize=9)
    return f"Ablation, {most['shots'][0]} shots, all test sets"


def _many_shot(axes, table: pl.DataFrame) -> str:
    for place, name in enumerate(table["family"].unique(maintain_order=True)):
        rows, color = table.filter(pl.col("family") == name), COLORS[place % len(COLORS)]
        x, low, high = (rows[c].cast(pl.Float64).to_numpy() for c in ("records", "low", "high"))
        axes.vlines(x, low, high, color=color, alpha=0.5)
        axes.plot(x, rows["mae"].to_numpy(), marker="o", markersize=4, linewidth=1.4, color=color, label=name)
    axes.set_xscale("log")
    ticks = sorted(set(table["records"]))
    axes.set_xticks(ticks, [f"{tick:,}" for tick in ticks], fontsize=8.5)
    axes.minorticks_off()
    axes.set(xlabel="training records", ylabel="MAE")
    axes.legend(loc="upper right", fontsize=9)
    return "Error by amount of training, all test sets"


DRAW = {
    "mae_by_shots": _mae_by_shots,
    "predicted_vs_real": _predicted_vs_real,
    "ablation": _ablation,
    "many_shot": _many_shot,
}

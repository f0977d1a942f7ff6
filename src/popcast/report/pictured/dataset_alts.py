"""What the pictures of a dataset show, in words: one function per table of ``popcast.scoring``'s plots."""

from __future__ import annotations

import polars as pl

from popcast.report.pictured.shown_picture import Telling
from popcast.report.pictured.told_tables import figure, listed, share, span


def predicted_vs_real(table: pl.DataFrame) -> str:
    off = (table["predicted"] - table["real"]).abs()
    return (
        f"{table.height:,} test posts; real values {span(table['real'], 1)}, predictions "
        f"{span(table['predicted'], 1)}, half of them at most {figure(off.median())} off."
    )


def calibration(table: pl.DataFrame) -> str:
    rows = table.sort("tenth").select("predicted", "real").rows()
    (low, low_real), (high, high_real) = rows[0], rows[-1]
    return (
        f"{table.height} groups of test posts by prediction; the lowest were predicted {figure(low)} and got "
        f"{figure(low_real)}, the highest {figure(high)} and got {figure(high_real)}, in the mean."
    )


def coverage_by_level(table: pl.DataFrame) -> str:
    pairs = [(share(nominal), share(observed)) for nominal, observed in table.select("nominal", "observed").rows()]
    return f"promised and observed shares of outcomes below each quantile: {listed(_to(pairs), 9)}."


def _to(pairs: list[tuple[str, str]]) -> list[tuple[str, str]]:
    return [(first, f"→ {second}") for first, second in pairs]


def residual_by_time(table: pl.DataFrame) -> str:
    known = table.filter(pl.col("mean_error").is_not_null())
    if not known.height:
        return "no period with enough posts."
    low, high = (known.sort("mean_error", "period")[place] for place in (0, -1))
    return (
        f"mean error of the blend in {table.height} periods, {table['period'][0]} to {table['period'][-1]}: least "
        f"{figure(low['mean_error'][0])} ({low['period'][0]}), most {figure(high['mean_error'][0])} "
        f"({high['period'][0]})."
    )


def error_by_history_length(table: pl.DataFrame) -> str:
    blend = table.filter(model="blend")
    pairs = [(f"{older} older:", figure(mae)) for older, mae in blend.select("older_posts", "mae").rows()]
    return f"MAE of the blend by how many older posts the author has: {listed(pairs, 9)}."


def importances(table: pl.DataFrame) -> str:
    model = table["model"][0]
    rows = table.filter(model=model).select("column", "share").rows()
    return f"what {model} looks at most: {listed((name, f'{100 * value:.1f} %') for name, value in rows)}."


def blend_weights(table: pl.DataFrame) -> str:
    rows = table.filter(pl.col("segment") == "all", pl.col("weight") != 0).sort(
        "weight", "model", descending=[True, False]
    )
    none = table.filter(pl.col("segment") == "all", pl.col("weight") == 0).height
    pairs = ((name, figure(value)) for name, value in rows.select("model", "weight").rows())
    return f"{listed(pairs)}; {none} members have no weight."


def contributions(table: pl.DataFrame) -> str:
    part = "test" if "test_gain" in table.columns else "valid"
    known = table.filter(pl.col(f"{part}_gain").is_not_null()).sort(
        f"{part}_gain", "left_out", descending=[True, False]
    )
    clear = known.filter(pl.col(f"{part}_low") > 0).height
    pairs = ((name, figure(value, 3)) for name, value in known.select("left_out", f"{part}_gain").rows())
    return (
        f"by how much the error grows without a member, {part} part: {listed(pairs, 4)}; beyond chance for {clear} of "
        f"{known.height}."
    )


def ladder(table: pl.DataFrame) -> str:
    pairs = ((f"{columns} columns:", figure(auc)) for columns, auc in table.select("columns", "auc").rows())
    return f"AUC of telling training posts from later ones: {listed(pairs)}; 0.50 is chance."


def drifting(table: pl.DataFrame) -> str:
    rows = table.sort("share", "column", descending=[True, False]).select("column", "share").rows()
    return f"columns that tell the two parts apart: {listed((name, share(value)) for name, value in rows)} of the gain."


def training_curves(table: pl.DataFrame) -> str:
    best = table.group_by("model", maintain_order=True).agg(pl.col("monitor").min(), pl.col("epoch").max())
    pairs = (
        (name, f"{figure(least)} in {epochs} {'epoch' if epochs == 1 else 'epochs'}")
        for name, least, epochs in best.rows()
    )
    return f"least error on the stopping window: {listed(pairs)}."


TOLD: dict[str, Telling] = {
    "predicted_vs_real": predicted_vs_real, "calibration": calibration, "coverage_by_level": coverage_by_level,
    "residual_by_time": residual_by_time, "error_by_history_length": error_by_history_length,
    "importances": importances, "blend_weights": blend_weights, "contributions": contributions, "ladder": ladder,
    "drifting": drifting, "training_curves": training_curves,
}  # fmt: skip

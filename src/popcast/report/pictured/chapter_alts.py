"""What the pictures of few-shot tasks, simulated audiences and responses show, in words, by name."""

from __future__ import annotations

import polars as pl

from popcast.report.pictured.shown_picture import Telling
from popcast.report.pictured.told_tables import figure, listed, share, span


def mae_by_shots(table: pl.DataFrame) -> str:
    most = table["shots"].max()
    rows = table.filter(shots=most).sort("mae", "system", "decoding").select("system", "decoding", "mae").rows()
    pairs = ((_decoded(system, decoding), figure(mae)) for system, decoding, mae in rows)
    return f"MAE at {most} shots, best first: {listed(pairs)}."


def _decoded(system: str, decoding: str) -> str:
    return system if decoding == "point" else f"{system} ({decoding})"


def fewshot_points(table: pl.DataFrame) -> str:
    off = (table["predicted"] - table["real"]).abs()
    return (
        f"{table.height:,} test records; real scores {span(table['real'], 1)}, predictions "
        f"{span(table['predicted'], 1)}, half of them at most {figure(off.median())} off."
    )


def fewshot_ablation(table: pl.DataFrame) -> str:
    scored = table.filter(pl.col("mae").is_not_null())
    pairs = (
        (f"{_decoded(system, decoding)}, {shots} shots", figure(mae))
        for system, decoding, shots, mae in scored.select("system", "decoding", "shots", "mae").rows()
    )
    return f"MAE of {listed(pairs)}; {table.height - scored.height} rows have too few valid answers for one."


def many_shot(table: pl.DataFrame) -> str:
    name = "system" if "system" in table.columns else table.columns[0]
    return f"MAE of {listed((one, figure(mae)) for one, mae in table.select(name, 'mae').rows())}."


def chosen_logp(table: pl.DataFrame) -> str:
    last = table.sort("step").group_by("system", "shots", maintain_order=True).last().sort("system", "shots")
    pairs = (
        (f"{system}, {shots} shots", f"{figure(value)} after {step} steps")
        for system, shots, value, step in last.select("system", "shots", "chosen", "step").rows()
    )
    return f"change of the chosen answers' log-probability: {listed(pairs)}."


def attitude_by_epoch(table: pl.DataFrame) -> str:
    last = table.sort("epoch")[-1]
    pairs = ((f"epoch {epoch}:", figure(mean)) for epoch, mean in table.sort("epoch").select("epoch", "mean").rows())
    ends = f"{figure(last['posts_low'][0])} to {figure(last['posts_high'][0])}"
    return f"mean attitude, {listed(pairs)}; posts end from {ends}."


def actions_by_epoch(table: pl.DataFrame) -> str:
    last = table.filter(pl.col("epoch") == pl.col("epoch").max())
    rows = last.sort("share", "action", descending=[True, False]).select("action", "share").rows()
    return f"answers of epoch {last['epoch'][0]}: {listed((name, share(value)) for name, value in rows)}."


def interest_by_epoch(table: pl.DataFrame) -> str:
    pairs = ((f"epoch {epoch}:", share(mean)) for epoch, mean in table.sort("epoch").select("epoch", "mean").rows())
    return f"mean share of interested answers, {listed(pairs)}."


def network(table: pl.DataFrame) -> str:
    last = table.filter(pl.col("epoch") == pl.col("epoch").max())
    ends = last.group_by("example", "post_id", maintain_order=True).agg(pl.len(), pl.col("attitude").mean())
    pairs = ((f"post {post} ({example})", figure(mean)) for example, post, _, mean in ends.rows())
    return f"{ends['len'].max()} personas before and after two posts; mean attitude at the end: {listed(pairs)}."


def audience_ablation(table: pl.DataFrame) -> str:
    known = table.filter(pl.col("difference").is_not_null())
    clear = known.filter(pl.col("high") < 0).height if known.height else 0
    return (
        f"change of the MAE in {known.height} comparisons with history and text alone, {span(known['difference'], 3)}; "
        f"the interval lies below zero in {clear}."
    )


def topic_shares(table: pl.DataFrame) -> str:
    pairs = (
        (f"{system}, {topic}", f"{share(negative)} negative, {share(positive)} positive")
        for system, topic, negative, positive in table.select("system", "topic_id", "negative", "positive").rows()
        if negative is not None
    )
    return f"mix of feelings: {listed(pairs, 4)}."


def over_time(table: pl.DataFrame) -> str:
    ends = table.group_by("system", maintain_order=True).agg(pl.col("net").first().alias("a"), pl.col("net").last())
    pairs = ((name, f"from {figure(first)} to {figure(last)}") for name, first, last in ends.rows())
    return f"net feeling in {table['bucket'].n_unique()} periods, first to last: {listed(pairs)}."


def costs(table: pl.DataFrame) -> str:
    pairs = (
        (f"{system} {metric.removeprefix('micro.').removeprefix('macro.')}", figure(value, 3))
        for system, metric, value in table.select("system", "metric", "difference").rows()
    )
    return f"difference to the main system: {listed(pairs)}."


def loss(table: pl.DataFrame) -> str:
    ends = (
        table.sort("step")
        .group_by("system", maintain_order=True)
        .agg(pl.col("loss").first().alias("a"), pl.col("loss").last())
    )
    pairs = ((name, f"from {figure(first)} to {figure(last)}") for name, first, last in ends.sort("system").rows())
    return f"loss over {table['step'].max()} steps, first to last: {listed(pairs)}."


def share_calibration(table: pl.DataFrame) -> str:
    off = table.with_columns(off=(pl.col("predicted") - pl.col("real")).abs()).group_by("class", maintain_order=True)
    pairs = ((name, figure(value)) for name, value in off.agg(pl.col("off").mean()).rows())
    return f"mean distance of predicted and real share: {listed(pairs)}."


def share_importances(table: pl.DataFrame) -> str:
    rows = table.sort("share", descending=True).select("column", "share").rows()
    return f"columns that the trees gain most from: {listed((name, share(value)) for name, value in rows)}."


FEWSHOT: dict[str, Telling] = {
    "mae_by_shots": mae_by_shots, "predicted_vs_real": fewshot_points, "ablation": fewshot_ablation,
    "many_shot": many_shot, "chosen_logp": chosen_logp,
}  # fmt: skip
AUDIENCE: dict[str, Telling] = {
    "attitude_by_epoch": attitude_by_epoch, "actions_by_epoch": actions_by_epoch,
    "interest_by_epoch": interest_by_epoch, "network": network, "ablation": audience_ablation,
}  # fmt: skip
RESPONSES: dict[str, Telling] = {"topic_shares": topic_shares, "over_time": over_time, "costs": costs, "loss": loss}
REACTIONS: dict[str, Telling] = {"calibration": share_calibration, "importances": share_importances}

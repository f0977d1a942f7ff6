"""Pictures of a simulation: attitudes, actions and interest by epoch, and the audience network before and after.

All are of run 0. Epochs are counted from 1 here; epoch 0 is before anybody was asked.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import polars as pl

from popcast.scoring import plots
from popcast.simulation.audience.population import Population
from popcast.simulation.records import ACTIONS
from popcast.simulation.showing.layout import edges_between, positions, shown_rows

RUN = 0
ACTION_NAMES = {"nothing": "does nothing", "like": "likes", "post": "posts", "retweet": "retweets", "reply": "replies",
                "failed": "no answer"}  # fmt: skip
ACTION_COLORS = {"nothing": "#c3ccd5", "like": "#56b4e9", "post": "#0072b2", "retweet": "#009e73", "reply": "#e69f00",
                 "failed": "#cc3311"}  # fmt: skip
"""Okabe and Ito's colours, which people with any colour vision tell apart, and a grey for doing nothing."""
SCALE = "viridis"


def title(dataset: str, generated: bool, stand_in: bool) -> str:
    """What a picture's line below the title says: dataset, whether its posts are generated, who answered."""
    name = f"{dataset} (generated data)" if generated else dataset
    return f"{name}, answers by {'rules (a stand-in)' if stand_in else 'a language model'}"


def draw(
    title: str, states: pl.DataFrame, reactions: pl.DataFrame, triggers: pl.DataFrame, population: Population,
    folder: Path, beside: Callable[[Path], object] | None = None,
) -> None:  # fmt: skip
    """Write every table as csv and PNG into ``folder``, replacing what was there.

    states, reactions, triggers: the tables of the simulation, any runs. title: of :func:`title`.
    beside: writes more files into the folder that it is given.
    """
    own, answers = states.filter(pl.col("run") == RUN), reactions.filter(pl.col("run") == RUN)
    tables = {
        "attitude_by_epoch": attitude_by_epoch(own),
        "actions_by_epoch": actions_by_epoch(answers),
        "interest_by_epoch": interest_by_epoch(own),
        "network": network(own, triggers, population),
    }
    drawing = DRAW | {"network": partial(_network, neighbours=population.neighbours)}
    plots.write({name: table for name, table in tables.items() if table.height}, folder, title, drawing, beside)


def attitude_by_epoch(states: pl.DataFrame) -> pl.DataFrame:
    """Mean attitude per ``epoch`` (0: nobody was asked, all 0), and its spread.

    ``posts_low`` to ``posts_high``: middle 80 % of the posts' means. ``personas_low`` to ``personas_high``: middle 80 %
    of the personas of one post, averaged over posts.
    """
    within = states.with_columns(
        low=pl.col("attitudes").list.eval(pl.element().quantile(0.1, "linear")).list.first(),
        high=pl.col("attitudes").list.eval(pl.element().quantile(0.9, "linear")).list.first(),
    )
    found = within.group_by(epoch=pl.col("epoch").cast(pl.Int64) + 1).agg(
        mean=pl.col("mean_attitude").mean(),
        posts_low=pl.col("mean_attitude").quantile(0.1, "linear"),
        posts_high=pl.col("mean_attitude").quantile(0.9, "linear"),
        personas_low=pl.col("low").mean(),
        personas_high=pl.col("high").mean(),
    )
    start = pl.DataFrame([{name: 0 if name == "epoch" else 0.0 for name in found.columns}], schema=found.schema)
    return pl.concat([start, found]).sort("epoch")


def actions_by_epoch(reactions: pl.DataFrame) -> pl.DataFrame:
    """``epoch``, ``action`` (or ``failed``), ``answers`` and their ``share`` of the epoch's; every pair has a row."""
    kinds = (*ACTIONS, "failed")
    epochs = pl.DataFrame({"epoch": reactions["epoch"].cast(pl.Int64).unique().sort() + 1})
    counted = reactions.group_by(
        epoch=pl.col("epoch").cast(pl.Int64) + 1,
        action=pl.when(pl.col("status") == "ok").then("action").otherwise(pl.lit("failed")),
    ).agg(answers=pl.len().cast(pl.Int64))
    every = epochs.join(pl.DataFrame({"action": kinds}), how="cross")
    table = every.join(counted, on=["epoch", "action"], how="left", maintain_order="left").fill_null(0)
    return table.with_columns(share=pl.col("answers") / pl.col("answers").sum().over("epoch"))


def interest_by_epoch(states: pl.DataFrame) -> pl.DataFrame:
    """``mean`` share of interested answers per ``epoch``, and the middle 80 % of posts (``low``, ``high``)."""
    share = pl.col("share_interested")
    asked = states.filter(share.is_not_null())
    return (
        asked.group_by(epoch=pl.col("epoch").cast(pl.Int64) + 1)
        .agg(mean=share.mean(), low=share.quantile(0.1, "linear"), high=share.quantile(0.9, "linear"), posts=pl.len())
        .sort("epoch")
    )


def network(states: pl.DataFrame, triggers: pl.DataFrame, population: Population) -> pl.DataFrame:
    """Places and attitudes of the personas for the posts of highest and lowest final mean.

    ``post_id`` (first of those that share the simulation), ``example``, ``epoch`` (0, 1, last), ``row``, ``x``, ``y``,
    ``attitude``, ``mean`` (over all personas, drawn or not). One post where there is only one.
    """
    last = int(states["epoch"].max())
    final = states.filter(pl.col("epoch") == last).sort("mean_attitude", "trigger")["trigger"]
    examples = {"highest final mean": final[-1]} | ({"lowest final mean": final[0]} if len(final) > 1 else {})
    rows = shown_rows(population.neighbours)
    places = positions(rows, population.neighbours)
    parts = []
    for example, trigger in examples.items():
        post = triggers.filter(pl.col("trigger") == trigger)["post_id"].min()
        for turn in sorted({0, 1, last + 1}):
            state = states.filter((pl.col("trigger") == trigger) & (pl.col("epoch") == turn - 1))
            everybody = state["attitudes"][0] if turn else pl.Series([0.0] * len(population.people))
            columns = {"row": rows, "x": places[:, 0], "y": places[:, 1], "attitude": everybody.gather(rows)}
            about = {"post_id": post, "example": example, "epoch": turn}
            literals = [pl.lit(value).alias(name) for name, value in about.items()]
            table = pl.DataFrame(columns).select(*literals, pl.all(), pl.lit(everybody.mean()).alias("mean"))
            parts.append(table)
    return pl.concat(parts)


def _attitude_by_epoch(axes, table: pl.DataFrame) -> str:
    epochs = table["epoch"].to_list()
    for stem, label, alpha in (("personas", "personas of a post", 0.16), ("posts", "means of posts", 0.38)):
        axes.fill_between(epochs, table[f"{stem}_low"].to_numpy(), table[f"{stem}_high"].to_numpy(), alpha=alpha,
                          color=plots.COLORS[0], linewidth=0, label=f"middle 80 % of {label}")  # fmt: skip
    axes.plot(epochs, table["mean"].to_numpy(), color=plots.COLORS[0], marker="o", label="mean of all")
    axes.set(xlabel="epoch (0: before anybody was asked)", ylabel="attitude, 0 to 10", xlim=(0, epochs[-1] + 0.05))
    axes.set_ylim(0, max(1.0, table["personas_high"].max(), table["posts_high"].max()) * 1.35)
    axes.set_xticks(epochs)
    axes.legend(loc="upper left", fontsize=9)
    return "How the audience's attitude moves"


def _actions_by_epoch(axes, table: pl.DataFrame) -> str:
    epochs = table["epoch"].unique().sort().to_list()
    bottom = np.zeros(len(epochs))
    for action, color in ACTION_COLORS.items():
        share = 100 * table.filter(pl.col("action") == action).sort("epoch")["share"].to_numpy()
        if not share.any():
            continue
        axes.bar(epochs, share, bottom=bottom, width=0.62, color=color, label=ACTION_NAMES[action])
        for at, low, value in zip(epochs, bottom, share, strict=True):
            if value >= 4:
                axes.text(
                    at, low + value / 2, f"{value:.0f} %", ha="center", va="center", fontsize=9, color=_ink(color)
                )
        bottom += share
    axes.set(xlabel="epoch", ylabel="share of answers (%)", ylim=(0, 100))
    axes.set_xlim(epochs[0] - 0.6, epochs[-1] + 0.6)
    axes.set_xticks(epochs)
    axes.grid(visible=False, axis="x")
    handles, labels = axes.get_legend_handles_labels()
    axes.legend(handles[::-1], labels[::-1], loc="center left", bbox_to_anchor=(1, 0.5), fontsize=9)
    return "What the personas asked did"


def _ink(color: str) -> str:
    """Ink that can be read on a colour."""
    red, green, blue = (int(color[at : at + 2], 16) for at in (1, 3, 5))
    return "white" if 0.299 * red + 0.587 * green + 0.114 * blue < 130 else plots.INK


def _interest_by_epoch(axes, table: pl.DataFrame) -> str:
    mean, low, high = (100 * table[name].to_numpy() for name in ("mean", "low", "high"))
    epochs = table["epoch"].to_list()
    axes.bar(epochs, mean, width=0.5, color=plots.COLORS[0], label="mean over posts")
    axes.errorbar(epochs, mean, yerr=[np.maximum(mean - low, 0), np.maximum(high - mean, 0)], fmt="none",
                  ecolor=plots.INK, elinewidth=1.2, capsize=5, label="middle 80 % of posts")  # fmt: skip
    axes.set(xlabel="epoch", ylabel="answers that show interest (%)", ylim=(0, 118))
    axes.set_xlim(epochs[0] - 0.6, epochs[-1] + 0.6)
    axes.set_yticks(range(0, 101, 20))
    axes.set_xticks(epochs)
    axes.grid(visible=False, axis="x")
    axes.legend(loc="upper left", ncols=2, fontsize=9)
    return "How many of those asked are interested"


def _network(axes, table: pl.DataFrame, neighbours: Sequence[Sequence[int]]) -> str:
    """Panels below ``axes``: a row per post, a column per epoch."""
    figure = axes.figure
    posts = table.partition_by("example", maintain_order=True)
    epochs = table["epoch"].unique().sort().to_list()
    figure.set_size_inches(3.1 * len(epochs) + 0.9, 3.2 * len(posts) + 0.5)
    grid = figure.add_gridspec(len(posts) + 1, len(epochs), height_ratios=[0.01, *([1] * len(posts))])
    axes.set_subplotspec(grid[0, :])  # the title stands over all columns
    axes.set_axis_off()
    panels = [[figure.add_subplot(grid[1 + line, at]) for at in range(len(epochs))] for line in range(len(posts))]
    rows = posts[0].filter(pl.col("epoch") == epochs[0])["row"].to_list()
    sizes = [14 + 9 * len(neighbours[row]) for row in rows]
    edges = edges_between(rows, neighbours)
    for line, post in zip(panels, posts, strict=True):
        for panel, of in zip(line, post.partition_by("epoch", maintain_order=True), strict=True):
            x, y = of["x"].to_numpy(), of["y"].to_numpy()
            for one, other in edges:
                panel.plot([x[one], x[other]], [y[one], y[other]], color="#b9c2cc", linewidth=0.45, zorder=1)
            shown = panel.scatter(x, y, s=sizes, c=of["attitude"].to_numpy(), cmap=SCALE, vmin=0, vmax=10, zorder=2,
                                  edgecolors="white", linewidths=0.5)  # fmt: skip
            turn = of["epoch"][0]
            name = "before anybody was asked" if turn == 0 else f"after epoch {turn}"
            panel.set_xlabel(f"{name}, mean {of['mean'][0]:.2f}", color=plots.INK, fontsize=9)
            panel.set(xticks=[], yticks=[])
            panel.spines[:].set_visible(False)
        line[0].set_ylabel(f"post with the {post['example'][0]}", color=plots.INK, fontsize=9)
    figure.colorbar(shown, ax=[panel for line in panels for panel in line], label="attitude", shrink=0.6, pad=0.02)
    return "The audience before and after (dots: personas, by number of friends)"


DRAW = {
    "attitude_by_epoch": _attitude_by_epoch,
    "actions_by_epoch": _actions_by_epoch,
    "interest_by_epoch": _interest_by_epoch,
}

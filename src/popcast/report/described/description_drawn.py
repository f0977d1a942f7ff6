"""Pictures of ``described_posts``: bars of counts, and the label's median with its middle half."""

from __future__ import annotations

import numpy as np
import polars as pl

from popcast.scoring.plots import COLORS, PART_COLORS, SOFT, UNIT

DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
PARTS = {"train": "#9fb3c8", **{name: PART_COLORS[name] for name in ("valid", "test")}, "unlabelled": "#d5dbe1"}
FEW_TICKS = 14


def _label_distribution(axes, table: pl.DataFrame) -> str:
    width = (table["to"] - table["from"]).to_numpy()
    axes.bar(table["from"].to_numpy(), table["posts"].to_numpy(), width=width, align="edge", color=COLORS[0])
    axes.set(xlabel=UNIT, ylabel="training posts")
    axes.grid(visible=False, axis="x")
    return "How popular posts are"


def _posts_by_author(axes, table: pl.DataFrame) -> str:
    at = np.arange(table.height)
    total = table["authors"].sum(), table["posts"].sum()
    for shift, column, all_of, color in ((-0.2, "authors", total[0], COLORS[0]), (0.2, "posts", total[1], COLORS[1])):
        axes.bar(
            at + shift, table[column].to_numpy() / all_of * 100, width=0.38, color=color, label=f"share of {column}"
        )
    axes.set_xticks(at, table["posts_each"].to_list())
    axes.set(xlabel="posts of an author", ylabel="share (%)")
    axes.grid(visible=False, axis="x")
    axes.legend()
    return f"Authors: {total[0]:,}, with {total[1]:,} posts"


def _label_by_category(axes, table: pl.DataFrame) -> str:
    y = np.arange(table.height)[::-1]
    _middle_half(axes.hlines, y, table)
    axes.plot(table["median"].to_numpy(), y, "o", color=COLORS[0], markersize=5)
    names = [f"{_short(str(name))} ({posts:,})" for name, posts in table.select("value", "posts").rows()]
    axes.set_yticks(y, names, fontsize=8.5)
    axes.set(xlabel=f"{UNIT}: median, middle half")
    axes.grid(visible=False, axis="y")
    return "Label by category (training posts)"


def _over(table: pl.DataFrame, names: list[str], axes, what: str) -> None:
    at = np.arange(table.height)
    _middle_half(axes.vlines, at, table)
    axes.plot(at, table["median"].to_numpy(), "o-", color=COLORS[0], markersize=4, linewidth=1.2)
    step = max(1, -(-len(names) // FEW_TICKS))
    axes.set_xticks(at[::step], names[::step], rotation=30 if max(map(len, names)) > 3 else 0)
    axes.set(xlabel=what, ylabel=f"{UNIT}: median, middle half")


def _middle_half(lines, at: np.ndarray, table: pl.DataFrame) -> None:
    lines(at, table["q25"].to_numpy(), table["q75"].to_numpy(), color=COLORS[0], alpha=0.25, linewidth=6)


def _label_by_hour(axes, table: pl.DataFrame) -> str:
    _over(table, [str(value) for value in table["value"]], axes, "hour of posting")
    return "Label by hour (training posts)"


def _label_by_weekday(axes, table: pl.DataFrame) -> str:
    _over(table, [DAYS[value - 1] for value in table["value"]], axes, "day of posting")
    return "Label by day of the week (training posts)"


def _label_by_month(axes, table: pl.DataFrame) -> str:
    _over(table, table["value"].to_list(), axes, "month of posting")
    return "Label by month (training posts)"


def _posts_by_month(axes, table: pl.DataFrame) -> str:
    months = table["month"].unique().sort().to_list()
    at, base = np.arange(len(months)), np.zeros(len(months))
    for part, color in PARTS.items():
        counts = dict(table.filter(pl.col("part") == part).select("month", "posts").rows())
        if counts:
            height = np.array([counts.get(month, 0) for month in months])
            axes.bar(at, height, bottom=base, color=color, width=0.85, label=part)
            base = base + height
    step = max(1, -(-len(months) // FEW_TICKS))
    axes.set_xticks(at[::step], months[::step], rotation=30)
    axes.set(xlabel="month of posting", ylabel="posts")
    axes.grid(visible=False, axis="x")
    axes.legend()
    return "Posts by month and part"


def _label_and_numbers(axes, table: pl.DataFrame) -> str:
    y = np.arange(table.height)[::-1]
    axes.axvline(0, color=SOFT, linewidth=1)
    axes.barh(y, table["src"].to_numpy(), height=0.7, color=COLORS[0])
    axes.set_yticks(y, [_short(name) for name in table["number"]], fontsize=8.5)
    axes.set(xlabel="rank correlation with the label (training posts)")
    axes.grid(visible=False, axis="y")
    return "Label and numbers of a post"


def _short(text: str) -> str:
    return text if len(text) <= 26 else text[:25] + "…"


DRAWN = {
    "label_distribution": _label_distribution,
    "posts_by_author": _posts_by_author,
    "label_by_category": _label_by_category,
    "label_by_hour": _label_by_hour,
    "label_by_weekday": _label_by_weekday,
    "posts_by_month": _posts_by_month,
    "label_by_month": _label_by_month,
    "label_and_numbers": _label_and_numbers,
}

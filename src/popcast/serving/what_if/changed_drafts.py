"""The changes of a post that a what-if looks at, and what the members would see of each."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from popcast.serving.reasons.background import background
from popcast.serving.reasons.left_out_words import changed
from popcast.serving.reasons.mixed_posts import Forecasting, Seen, predicted, seen, stacked
from popcast.serving.what_if.levers import LENGTH, LEVERS, SLOT, moved, with_columns

LETTERS = 6.0
"""Characters per word, its space included, of a post that has no words yet."""


@dataclass(frozen=True)
class Asked:
    """What else a caller wants to know: titles and lists of tags to try; None for the categories that are offered."""

    titles: tuple[str, ...] = ()
    tags: tuple[tuple[str, ...], ...] = ()
    categories: tuple[str, ...] | None = None


def changes_of(key: str, post: dict[str, Any], offered: dict[str, Any], asked: Asked) -> list[dict[str, Any]]:
    """Changes of one lever, as ``Option.change`` has them. post: its fields. offered: of ``what_if.json``."""
    if key == "time":
        return [{"weekday": day, "hour": hour} for day in range(7) for hour in range(24)]
    if key == "title":
        return [{"title": title} for title in asked.titles]
    if key == "length":
        return [{"length": length} for length in offered["length"]]
    if key == "category":
        names = offered["category"] if asked.categories is None else asked.categories
        return [{"category": name} for name in names if name != post["category"]]
    if key == "tags":
        own = list(post["tags"] or [])
        without = [[one for one in own if one != tag] for tag in dict.fromkeys(own)]
        more = [[*own, tag] for tag in offered["tags"] if tag not in own]
        return [{"tags": tags} for tags in [*map(list, asked.tags), *without, *more] if tags != own]
    return [{"picture": not post["media"]}]


def forecasts_of(
    forecast: Forecasting, key: str, draft: pl.DataFrame, own: Seen, changes: list[dict[str, Any]], media: Path | None
) -> np.ndarray:
    """Forecasts [n] of the one post ``draft``, seen as ``own``, after each change, all else as it was."""
    if key == "picture" and changes[0]["picture"]:
        return _with_some_picture(forecast, own)
    count = len(changes)
    same = np.zeros(count, np.int64)
    if key == "time":
        day, hour = (np.array([one[name] for one in changes], float) for name in ("weekday", "hour"))
        values = dict(zip(SLOT, (hour, day, day * 24 + hour), strict=True))
        other = with_columns(moved(LEVERS[key], own, same, same), values)
    elif key == "length":
        length = np.array([one["length"] for one in changes], float)
        letters = _letters(draft["title"][0])
        values = dict(zip(LENGTH, (length, np.maximum(np.rint(length / letters), np.sign(length))), strict=True))
        other = with_columns(moved(LEVERS[key], own, same, same), values)
    else:
        fields = [{"media": []} if key == "picture" else change for change in changes]
        other = seen(forecast, changed(draft, [0] * count, fields), media)
    rows = moved(LEVERS[key], stacked(own, other), same, np.arange(1, count + 1))
    return predicted(forecast, rows)


def _letters(title: str | None) -> float:
    words = (title or "").split()
    return len(title) / len(words) if words else LETTERS


def _with_some_picture(forecast: Forecasting, own: Seen) -> np.ndarray:
    """Forecast [1]: the mean over pictures of posts of the background that have one; NaN where none has."""
    some = background(forecast)
    having = np.flatnonzero(some.posts["media"].list.len().fill_null(0).to_numpy() > 0)
    if not len(having):
        return np.full(1, np.nan)
    rows = moved(LEVERS["picture"], stacked(own, some), np.zeros(len(having), np.int64), having + 1)
    return predicted(forecast, rows).mean(keepdims=True)

"""What would change the forecast of one post: every lever that held-out posts bear out, with its options."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import polars as pl

from popcast.core.errors import bad_input
from popcast.core.pretrained.saved_files import putting_together
from popcast.serving.reasons.explanation import factor_of
from popcast.serving.reasons.mixed_posts import Forecasting, Seen, predicted, seen
from popcast.serving.what_if.changed_drafts import Asked, changes_of, forecasts_of
from popcast.serving.what_if.held_out_levers import FILE, slopes
from popcast.serving.what_if.lever_slopes import Slope
from popcast.serving.what_if.levers import LEVERS
from popcast.serving.what_if.what_if_answer import LeverAnswer, Option, WhatIf

LEAST = 5
"""Known posts at about the hour, below which nothing is said of it."""
NOTHING = {
    "time": "no hour differs by more than chance",
    "title": "no title differs by more than chance",
    "length": "no length differs by more than chance",
    "tags": "no tags differ by more than chance",
    "category": "no category differs by more than chance",
    "picture": "with or without a picture makes no difference beyond chance",
}


def what_if(
    forecast: Forecasting, post: pl.DataFrame, asked: Asked, levers: Sequence[str] = tuple(LEVERS),
    media: Path | None = None,
) -> WhatIf:  # fmt: skip
    """Answers about the one row of ``post`` (columns of the ``posts`` table). levers: keys of ``LEVERS``. BadInput, one
    line: not one post, an unknown lever, or a bundle without ``what_if.json``."""
    for key in levers:
        if key not in LEVERS:
            raise bad_input("no such lever", field="levers", value=key, expected=f"some of {', '.join(LEVERS)}")
    if post.height != 1:
        raise bad_input("what would change is asked about one post", value=post.height, expected="one row")
    content = _content(forecast)
    draft = forecast.prepared(post)
    own = seen(forecast, draft, media)
    prediction = float(predicted(forecast, own)[0])
    with putting_together(Path(FILE)):
        measured, offered = slopes(content), content["offered"]
    fields = draft.row(0, named=True)
    answers = []
    for key in levers:
        changes = changes_of(key, fields, offered, asked)
        answers.append(_answer(forecast, key, measured.get(key), changes, draft, own, prediction, media))
    return WhatIf(post["post_id"][0], prediction, answers)


def _content(forecast: Forecasting) -> dict[str, Any]:
    if FILE not in forecast.files:
        problem = "the bundle does not say what held-out posts bear out"
        raise bad_input(problem, file=FILE, expected="a bundle that was fitted or exported by this version")
    with putting_together(Path(FILE)):
        return orjson.loads(forecast.files[FILE])


def _answer(
    forecast: Forecasting, key: str, slope: Slope | None, changes: list[dict[str, Any]], draft: pl.DataFrame, own: Seen,
    prediction: float, media: Path | None,
) -> LeverAnswer:  # fmt: skip
    name = LEVERS[key].name
    if slope is None:
        return LeverAnswer(key, name, False, f"{NOTHING[key]}: forecasts hardly look at it, or too few posts", None)
    if not slope.found:
        return LeverAnswer(key, name, False, NOTHING[key], slope.slope)
    if not changes:
        return LeverAnswer(key, name, True, "nothing was named to change it to", slope.slope)
    found = forecasts_of(forecast, key, draft, own, changes, media)
    posts = _slot_posts(forecast) if key == "time" else None
    options = []
    for change, value in zip(changes, found.tolist(), strict=True):
        known = None if posts is None else int(posts[change["weekday"], change["hour"]])
        options.append(_option(change, value, prediction, slope, known, forecast.contents.transform))
    clear = sum(option.clear for option in options)
    said = f"{clear} of {len(options)} changes differ by more than chance" if clear else NOTHING[key]
    return LeverAnswer(key, name, True, said, slope.slope, options)


def _slot_posts(forecast: Forecasting) -> np.ndarray:
    """Known posts [7, 24] of each hour of the week and the hours beside it, in the bundle's zone."""
    local = forecast.known["posted_at"].drop_nulls().dt.convert_time_zone(forecast.contents.zone).dt
    place = (local.weekday().cast(pl.Int64) - 1) * 24 + local.hour().cast(pl.Int64)
    counts = np.bincount(place.to_numpy(), minlength=168)
    return (counts + np.roll(counts, 1) + np.roll(counts, -1)).reshape(7, 24)


def _option(
    change: dict[str, Any], value: float, prediction: float, slope: Slope, posts: int | None, transform: str
) -> Option:
    if np.isnan(value) or (posts is not None and posts < LEAST):
        return Option(change, None, None, None, None, None, None, None, False, posts)
    difference, lower, upper = borne_out(value - prediction, slope)
    factors = (factor_of(one, transform) for one in (difference, lower, upper))
    return Option(change, value, difference, lower, upper, *factors, lower > 0 or upper < 0, posts)


def borne_out(told: float, slope: Slope) -> tuple[float, float, float]:
    """What the data bear out of a difference that the members tell, with its 95 % interval.

    Two sources of doubt: the slope, and how far single changes lie off the line, once for each of the two posts. Where
    the members tell no difference there is none.

    >>> borne_out(1.0, Slope(0.9, 0.7, 1.1, 0.6, 0.0, 500, 40, True))
    (0.9, 0.7, 1.1)
    """
    if abs(told) < 1e-9:
        return 0.0, 0.0, 0.0
    low, high = sorted((slope.lower * told, slope.upper * told))
    middle, off = slope.slope * told, np.sqrt(2) * 1.96 * slope.spread
    lower, upper = middle - np.hypot(middle - low, off), middle + np.hypot(high - middle, off)
    return round(float(middle), 6), round(float(lower), 6), round(float(upper), 6)

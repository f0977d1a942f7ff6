"""Intervals that follow what became of posts: Gibbs and Candes' alpha, moved by every outcome that is observed.

An outcome is compared with the forecast that the bundle would have made just before it was told of it. Of that forecast
the journal keeps the *reach*: the smallest coverage whose interval holds the outcome, |1 - 2 P(outcome > y)|. Whether
an outcome lay inside is then plain from the reach whatever alpha was, so that the way of alpha follows from the journal
alone: the same after every start, without forecasting anything again, in whichever order processes come to write.
Quantiles and chances that are told follow the interval; reaches are measured by those that were fitted.

All posts move one alpha, and those of cold and warm authors one of their own, which is used from ``LEAST`` outcomes on.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol, Self

import numpy as np
import polars as pl

from popcast.blend.widths.adaptive_alpha import AdaptiveAlpha
from popcast.blend.widths.conformal_levels import COLD, WARM
from popcast.blend.widths.spread import Spread
from popcast.serving import known_posts, observing
from popcast.serving.bundle import Contents
from popcast.serving.observing import Observed

ALL = "all"
GAMMA = 0.01
"""Step per outcome. Twice the paper's: there it was chosen for a series of 3,700 days."""
LEAST = 100
"""Outcomes of a segment from which on it goes its own way."""
WIDEST = 0.9999
"""Of an interval that is still finite; the paper's would hold all numbers once alpha is 0."""
REACH = {"warm": pl.Boolean(), "reach": pl.Float64()}
"""What a batch of the journal says of each of its rows; null where nothing was forecast."""


@dataclass(frozen=True)
class AdaptiveWidths:
    """``states``: ``all``, ``cold`` and ``warm`` -> alpha after the outcomes so far."""

    states: Mapping[str, AdaptiveAlpha]

    @classmethod
    def start(cls, coverage: float, gamma: float = GAMMA) -> Self:
        """Nothing observed yet."""
        return cls({name: AdaptiveAlpha.start(coverage, gamma) for name in (ALL, COLD, WARM)})

    def after(self, outcomes: Iterable[tuple[bool, float]]) -> AdaptiveWidths:
        """After outcomes (``warm``, ``reach``) in their order. Each segment is judged by intervals of its own alpha.

        >>> one = AdaptiveWidths.start(0.9, gamma=0.1).after([(True, 0.95), (True, 0.2)])
        >>> one.states["warm"].current, round(one.states["cold"].current, 6)
        (0.02, 0.1)
        """
        states = dict(self.states)
        for warm, reach in outcomes:
            for name in (ALL, WARM if warm else COLD):
                states[name] = states[name].after([reach <= given(states[name])])
        return replace(self, states=states)

    def used(self, warm: bool) -> AdaptiveAlpha:
        """The state that intervals of posts of such authors follow."""
        own = self.states[WARM if warm else COLD]
        return own if own.seen >= LEAST else self.states[ALL]

    def applied(self, spread: Spread | None, warm: np.ndarray) -> Spread | None:
        """``spread`` of posts with intervals at the coverage of now, and quantiles that follow them, see
        :func:`followed`; as it is where no outcome was observed."""
        if spread is None or not self.states[ALL].seen:
            return spread
        lower, upper, quantiles = spread.lower.copy(), spread.upper.copy(), spread.quantiles.copy()
        for value in (False, True):
            rows, state = warm == value, self.used(value)
            if not rows.any():
                continue
            ends = spread.interval(given(state))
            lower[rows], upper[rows] = ends[0][rows], ends[1][rows]
            moved = [spread.quantile(followed(level, state)) for level in spread.levels]
            quantiles[rows] = np.column_stack(moved)[rows]
        return replace(spread, lower=lower, upper=upper, quantiles=quantiles)


def given(state: AdaptiveAlpha) -> float:
    """Coverage of the interval that is given in this state."""
    return min(state.coverage, WIDEST)


def followed(level: float, state: AdaptiveAlpha) -> float:
    """The level at which a fitted distribution has what is told as its quantile at ``level``, in this state.

    The ends of the nominal interval become those of the interval that is given; the median stays, and both tails are
    stretched or drawn in between as a power of their mass. So what is told stays one distribution, in one order.

    >>> wider = AdaptiveAlpha(alpha=0.1, current=0.02)
    >>> [round(followed(level, wider), 6) for level in (0.05, 0.25, 0.5, 0.95)]
    [0.01, 0.154003, 0.5, 0.99]
    """
    power = np.log(1 - given(state)) / np.log(state.alpha)
    tail = 0.5 * (2 * min(level, 1 - level)) ** power
    return float(tail if level <= 0.5 else 1 - tail)


def reach_in(spread: Spread, outcomes: np.ndarray) -> np.ndarray:
    """The smallest coverage [n] whose interval holds each outcome."""
    return np.round(np.abs(1 - 2 * spread.chance(outcomes)), 9)


class Telling(Protocol):
    """What is needed of ``popcast.serving.forecast.Forecast``."""

    contents: Contents
    known: pl.DataFrame
    observed: Observed

    def prepared(self, posts: pl.DataFrame) -> pl.DataFrame: ...
    def spread_of(
        self, prepared: pl.DataFrame, media: Path | None = None, together: bool = False, adapted: bool = True
    ) -> tuple[np.ndarray, Spread | None]: ...


def reaches(forecast: Telling, rows: pl.DataFrame, media: Path | None) -> pl.DataFrame:
    """Columns :data:`REACH` [n] of posts with outcomes, by the bundle as it is before it takes these in.

    rows: complete posts with ``popularity``. Null where there is no outcome, where there was one before, and where
    nothing is known of the post but its id. A post that was observed before is forecast by its first account.
    """
    none = pl.DataFrame({name: pl.Series([None] * rows.height, dtype=dtype) for name, dtype in REACH.items()})
    settled = forecast.known.filter("labelled")["post_id"]
    before = forecast.observed.posts
    first = before.filter(pl.col("post_id").is_in(rows["post_id"].implode()))
    accounts = pl.concat([first, rows.select(before.columns)]).unique("post_id", keep="first", maintain_order=True)
    asked = rows.filter(pl.col("popularity").is_not_null() & ~pl.col("post_id").is_in(settled.implode()))
    posts = asked.select("post_id", outcome="popularity").join(
        accounts, on="post_id", how="left", maintain_order="left"
    )
    posts = posts.filter(pl.any_horizontal(pl.col("title", "user_id", "posted_at").is_not_null()))
    if not posts.height:
        return none
    prepared = forecast.prepared(posts.drop("outcome"))
    _, spread = forecast.spread_of(prepared, media, adapted=False)
    if spread is None:
        return none
    warm = known_posts.warm_authors(prepared, forecast.known, forecast.contents.final_fit)
    found = posts.select("post_id", warm=warm, reach=pl.Series(reach_in(spread, posts["outcome"].to_numpy())))
    return rows.select("post_id").join(found, on="post_id", how="left", maintain_order="left").select(list(REACH))


def told_outcomes(
    batches: list[dict[str, Any]], rows: pl.DataFrame, posts: pl.DataFrame, known: pl.DataFrame, maturity_days: float
) -> list[tuple[bool, float]]:
    """(warm, reach) of the first mature outcome of each post, batch after batch, older posts first.

    rows: of all ``batches``. posts: what is observed after them. known: posts of the bundle before them.
    """
    columns = [_reach_of(batch).with_columns(batch=pl.lit(number)) for number, batch in enumerate(batches)]
    ripe = observing.ripe(rows.hstack(pl.concat(columns)), posts, maturity_days)
    first = ripe.unique("post_id", keep="first", maintain_order=True)
    settled = known.filter("labelled")["post_id"]
    first = first.filter(~pl.col("post_id").is_in(settled.implode())).drop_nulls("reach")
    return first.sort("batch", "posted_at", "post_id").select(list(REACH)).rows()


def _reach_of(batch: dict[str, Any]) -> pl.DataFrame:
    """Nothing of a batch that an older version wrote."""
    none = [None] * len(batch["rows"])
    return pl.DataFrame({name: batch.get(name, none) for name in REACH}, schema=REACH)

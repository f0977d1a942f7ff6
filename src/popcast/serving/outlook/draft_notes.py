"""What is said beside forecasts: posts that were learned from, moments far from those that were, unknown authors."""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass
from datetime import datetime, timedelta

import polars as pl

from popcast.core.errors import shown
from popcast.serving.forecast import Forecast

NEAR = timedelta(days=30)
"""How far a post may lie from those learned from before it is said, at least."""


def draft_notes(forecast: Forecast, prepared: pl.DataFrame, names: Set[str] | None = None) -> list[str]:
    """A line for each that there is to say of what ``Forecast.prepared`` returned. names: of known authors; None: those
    of the bundle."""
    names = set(forecast.known["user_id"]) if names is None else names
    return far_off(forecast, prepared) + authors_said(prepared["user_id"], names)


def far_off(forecast: Forecast, prepared: pl.DataFrame) -> list[str]:
    """Lines about posts of which no forecast can be made, or none that was ever tested."""
    learned = forecast.learned_from(prepared)
    said = [f"{learned} of the posts were learned from: what is said of them is no forecast"] if learned else []
    ends = forecast.once("ends", (forecast.known,), lambda: Ends.of(forecast.known))
    return said + moments_said(prepared["posted_at"], ends)


def authors_said(asked: pl.Series, names: Set[str]) -> list[str]:
    """A line about authors who are not known, with those who are written nearly so; none where all are."""
    unknown = sorted(set(asked.drop_nulls()) - names)
    if not unknown:
        return []
    nearly = {name.casefold(): name for name in names if name is not None}
    told = [
        shown(name, 60)
        + (f" (known is {shown(nearly[key], 60)})" if (key := name.strip().casefold()) in nearly else "")
        for name in unknown[:5]
    ]
    more = f" and {len(unknown) - 5} more" if len(unknown) > 5 else ""
    return [f"authors of whom no post is known: {', '.join(told)}{more}"]


@dataclass(frozen=True)
class Ends:
    """Between which moments posts with a label lie, and how far ahead of them forecasts were tested."""

    oldest: datetime
    newest: datetime
    ahead: timedelta

    @classmethod
    def of(cls, known: pl.DataFrame) -> Ends | None:
        """known: what a bundle knows, observed posts too. None: no labelled post has a time. ``ahead`` is the time from
        the newest training post to the newest test post, ``NEAR`` at least."""
        labelled = known.filter(pl.col("labelled") & pl.col("posted_at").is_not_null())
        if not labelled.height:
            return None
        parts = labelled.filter(~pl.col("observed")).group_by("split").agg(pl.col("posted_at").max())
        newest = dict(parts.rows())
        tested = newest["test"] - newest["train"] if {"test", "train"} <= set(newest) else NEAR
        return cls(labelled["posted_at"].min(), labelled["posted_at"].max(), max(NEAR, tested))


def moments_said(moments: pl.Series, ends: Ends | None) -> list[str]:
    """Lines about posts farther after the newest labelled one than any figure of a bundle was measured, or more than
    ``NEAR`` before the oldest."""
    if ends is None or not moments.count():
        return []
    later, earlier = moments.max() - ends.newest, ends.oldest - moments.min()
    said = []
    if later > ends.ahead:
        posts = int((moments - ends.newest > ends.ahead).sum())
        said.append(
            f"{_posts(posts)} later than the posts learned from by up to {later.days:,} days: forecasts were tested "
            f"up to {ends.ahead.days:,} days ahead"
        )
    if earlier > NEAR:
        posts = int((ends.oldest - moments > NEAR).sum())
        said.append(f"{_posts(posts)} earlier than the posts learned from by up to {earlier.days:,} days")
    return said


def _posts(count: int) -> str:
    return "1 post is" if count == 1 else f"{count:,} posts are"

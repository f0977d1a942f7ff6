"""What is said beside forecasts: posts that were learned from, moments far from those that were, unknown authors."""

from __future__ import annotations

from collections.abc import Set
from datetime import timedelta

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
    return said + moments_said(prepared["posted_at"], forecast.known)


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


def moments_said(moments: pl.Series, known: pl.DataFrame) -> list[str]:
    """Lines about posts far later or earlier than all with a label. known: what a bundle knows, observed posts too.

    Later is far beyond ``NEAR``, and beyond the days from the newest training post to the newest test post: no figure
    of a bundle was measured there.
    """
    labelled = known.filter("labelled")
    oldest, newest = labelled["posted_at"].min(), labelled["posted_at"].max()
    if newest is None or not moments.count():
        return []
    trained = labelled.filter(~pl.col("observed") & (pl.col("split") == "train"))["posted_at"].max()
    tested = labelled.filter(~pl.col("observed") & (pl.col("split") == "test"))["posted_at"].max()
    ahead = max(NEAR, tested - trained) if trained and tested else NEAR
    later, earlier = moments.max() - newest, oldest - moments.min()
    said = []
    if later > ahead:
        posts = int((moments > newest + ahead).sum())
        said.append(
            f"{_posts(posts)} later than the posts learned from by up to {later.days:,} days: forecasts were tested "
            f"up to {ahead.days:,} days ahead"
        )
    if earlier > NEAR:
        posts = int((moments < oldest - NEAR).sum())
        said.append(f"{_posts(posts)} earlier than the posts learned from by up to {earlier.days:,} days")
    return said


def _posts(count: int) -> str:
    return "1 post is" if count == 1 else f"{count:,} posts are"

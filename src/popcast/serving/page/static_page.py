"""One draft's forecast as a page in one file: what a server would answer about it, beside script and style.

It asks nobody, so it opens from a folder or a mail. It holds the newest posts of the draft's author with their
outcomes, and the similar posts: it is as private as the bundle.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl

from popcast.core.errors import BadInput, bad_input
from popcast.serving.asked_posts import Asked
from popcast.serving.audience.asked_audience import audience_of
from popcast.serving.forecast import Forecast
from popcast.serving.http.bundle_facts import facts_of
from popcast.serving.outlook.draft_notes import draft_notes
from popcast.serving.outlook.outlooks import outlooks
from popcast.serving.page.forecast_page import page_html


def static_page(forecast: Forecast, asked: Asked, media: Path | None = None, above: float | None = None) -> str:
    """The page of the one post of ``asked``. media: folder of its picture. above: a number to beat.

    BadInput, one line: it is not one post. What a bundle cannot answer is left out.
    """
    posts = asked.posts
    if posts.height != 1:
        raise bad_input("a page in one file is about one draft", value=posts.height, expected="one row")
    prepared = forecast.prepared(posts)
    notes = asked.said + draft_notes(forecast, prepared)
    found = outlooks(forecast, prepared, media, above)
    given: dict[str, Any] = {
        "draft": _draft(posts, forecast.contents.zone),
        "forecast": {"forecasts": [{"id": posts["post_id"][0], **found[0], "kept": None}], "notes": notes},
        "explain": _answer(lambda: {"explanations": [one.as_dict() for one in forecast.explain(posts, media)]}),
        "what_if": _answer(lambda: forecast.what_if(posts, media=media).as_dict()),
        "audience": _answer(lambda: audience_of(forecast, posts)),
    }
    return page_html(facts_of(forecast), given)


def _answer(asked) -> Any:
    """What is answered; None where the bundle or the draft has nothing to answer with."""
    try:
        return asked()
    except BadInput:
        return None


def _draft(posts: pl.DataFrame, zone: str) -> dict[str, Any]:
    """What the page shows of the draft, as a client would send it, and the hour of the week that it is posted in."""
    row = posts.row(0, named=True)
    moment = posts["posted_at"].dt.convert_time_zone(zone)[0]
    numbers = {
        name: row[name]
        for name, dtype in posts.schema.items()
        if dtype.is_numeric() and name.startswith(("user_", "post_")) and row[name] is not None
    }
    return {
        "author": row["user_id"], "text": row["title"], "tags": row["tags"] or [], "category": row["category"],
        "time": None if moment is None else moment.strftime("%Y-%m-%dT%H:%M"), "numbers": numbers,
        "picture": {"name": Path(row["media"][0]).name} if row["media"] else None,
        "slot": None if moment is None else {"weekday": moment.weekday(), "hour": moment.hour},
    }  # fmt: skip

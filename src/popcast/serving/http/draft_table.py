"""Drafts of a request as rows of the file that a bundle's posts came from: what ``popcast forecast`` reads as options.

A draft that tells what the posts learned from do not have is refused, never passed over.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import polars as pl

from popcast.core.errors import bad_input, cut, shown
from popcast.core.tables import TIME
from popcast.datasets.params import TableColumns
from popcast.datasets.reading.open_rows import rows_of_frame
from popcast.serving.asked_posts import Asked, asked_posts, observed_posts
from popcast.serving.bundle import Contents
from popcast.serving.draft_row import moment_of
from popcast.serving.http.request_bodies import ONE, SentDraft, SentPost
from popcast.serving.own_columns import layout_of

TYPES = {"text": pl.String, "author": pl.String, "time": TIME, "tags": pl.List(pl.String), "category": pl.String}
"""What a draft may tell besides numbers and a picture -> type of its column."""


def told_uses(contents: Contents) -> list[str]:
    """What drafts may tell: those of text, author, time, tags, category that the posts learned from have, and picture
    where a block looks at pictures."""
    columns = layout_of(contents).columns
    found = [use for use in TYPES if _column(columns, use) is not None]
    pictures = _column(columns, "media") is not None and any(one.block == "image" for one in contents.blocks)
    return [*found, "picture"] if pictures else found


def told_columns(contents: Contents) -> dict[str, str]:
    """Columns of the posts -> what drafts call them."""
    columns = layout_of(contents).columns
    uses = {use: _column(columns, use) for use in (*TYPES, "id")}
    return {name: use for use, name in uses.items() if name is not None} | dict.fromkeys(
        told_numbers(contents), "numbers"
    )


def told_numbers(contents: Contents) -> list[str]:
    """Numbers of the post and of its author, by the names that drafts call them."""
    columns = layout_of(contents).columns
    return [*columns.numbers, *columns.author_numbers]


def drafts_read(drafts: Sequence[SentDraft], pictures: list[str | None], contents: Contents, place: str) -> Asked:
    """Posts of drafts, with the ids that they were given. pictures: name of each draft's file, None without one.

    place: what drafts are called in errors, such as ``drafts``. BadInput, one line: something that posts do not have,
    or that cannot be read.
    """
    rows = rows_of_frame(_frame(drafts, pictures, contents, place), place)
    asked = asked_posts(rows, contents)
    ids = pl.Series("post_id", [draft.id for draft in drafts], dtype=pl.String)
    return Asked(asked.posts.with_columns(post_id=pl.coalesce(ids, "post_id")), asked.said)


def posts_read(
    posts: Sequence[SentPost], pictures: list[str | None], contents: Contents, place: str
) -> tuple[Asked, pl.Series]:
    """Posts that came out and their outcomes [n] on the log2 scale, see ``asked_posts.observed_posts``."""
    layout = layout_of(contents)
    frame = _frame(posts, pictures, contents, place)
    if layout.columns.id is None:
        raise bad_input("posts of this bundle have no ids, so none can be observed", file=place)
    seen: set[str] = set()
    for row, post in enumerate(posts):
        if post.id in seen or seen.add(post.id):
            raise bad_input("two posts of one id", field=f"{place}[{row}].id", value=post.id, expected="one per post")
        value = post.outcome
        if contents.transform != "none" and value is not None and (value < 0 or not value.is_integer()):
            raise bad_input(
                "no count", field=f"{place}[{row}].outcome", value=value, expected="a whole number from 0 on"
            )
    ids = pl.Series(layout.columns.id, [post.id for post in posts], dtype=pl.String)
    outcomes = pl.Series(layout.columns.label, [post.outcome for post in posts], dtype=pl.Float64)
    return observed_posts(rows_of_frame(pl.DataFrame([*frame, ids, outcomes]), place), contents)


def _frame(drafts: Sequence[SentDraft], pictures: list[str | None], contents: Contents, place: str) -> pl.DataFrame:
    columns = layout_of(contents).columns
    known = told_numbers(contents)
    cells: dict[str, list[Any]] = {}
    types: dict[str, Any] = {}
    for row, draft in enumerate(drafts):
        here = place if place == ONE else f"{place}[{row}]"
        told = {use: getattr(draft, use) for use in TYPES}
        told["time"] = moment_of(draft.time, contents.zone, f"{here}.time")
        told["media"] = None if pictures[row] is None else [pictures[row]]
        for use, value in told.items():
            if value is not None:
                name = _known_column(columns, use, here)
                cells.setdefault(name, [None] * len(drafts))[row] = value
                types[name] = TYPES.get(use, pl.List(pl.String))
        for name, value in (draft.numbers or {}).items():
            if name not in known:
                expected = ", ".join(shown(one, 60) for one in known) or "no numbers: the posts have none"
                raise bad_input("not a number of posts", field=f"{here}.numbers", value=name, expected=expected)
            cells.setdefault(name, [None] * len(drafts))[row] = float(value)
            types[name] = pl.Float64
        if not isinstance(draft, SentPost) and not draft.numbers and all(one is None for one in told.values()):
            raise bad_input("nothing is told of the post", field=here, expected=_offered(contents))
    return pl.DataFrame(cells, schema=types) if cells else pl.DataFrame()


def _known_column(columns: TableColumns, use: str, place: str) -> str:
    name = _column(columns, use)
    if name is None:
        told = "picture" if use == "media" else use
        raise bad_input(f"the posts that it was fitted on have no {told}", field=f"{place}.{told}")
    return name


def _column(columns: TableColumns, use: str) -> str | None:
    name = getattr(columns, use)
    return next(iter(name), None) if isinstance(name, list) else name


def _offered(contents: Contents) -> str:
    return cut("some of " + ", ".join([*told_uses(contents), *(["numbers"] if told_numbers(contents) else [])]), 200)

"""What the full prompt of the prediction agent says of a post besides its title and categories (popsim.md 2.1 and 5.1).

One note per part of the reference's prompt: profile of the author, time, media type, tags, place. What would name the
author or the post (Uid, Pid, path alias) is left out (docs/decisions/009). A value that is not known is left out, and a
note without any value with it.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import polars as pl

from popcast.fewshot.templates import as_text, word_of

ANALYST = (
    "You are an analyst of social media. Posts of one author with their popularity, then what is known of the last one."
    " Answer with its popularity, one number only."
)
"""Instruction of the full prompt, where ``prompts.instruction`` names none."""

OTHER = ("post_caption", "post_mediatype")
"""Columns that have a place of their own: the caption by ``caption``, the media type in its own note."""

FLAGS = ("user_has_", "user_can")
DAYS_BEFORE = ("user_first_photo", "user_first_taken")
"""Of an SMPD profile, as ``datasets/smpd_users.py`` writes them."""

Row = dict[str, object]


def told_facts(posts: pl.DataFrame) -> list[tuple[str, ...]]:
    """The notes of every post, in order; posts: the ``posts`` table without outcome and post-hoc columns."""
    return [tuple(note for tell in NOTES if (note := tell(row))) for row in posts.iter_rows(named=True)]


def _author(row: Row) -> str:
    parts = [] if row.get("user_ispro") is None else ["pro user" if row["user_ispro"] else "free user"]
    names = [name for name in row if name.startswith("user_") and name not in ("user_id", "user_ispro")]
    parts += [f"{_word(name)} {text}" for name in names if (text := _fact(name, row[name]))]
    return f"author: {', '.join(parts)}" if parts else ""


def _time(row: Row) -> str:
    at = row.get("posted_at")
    return f"posted: {at:%A %Y-%m-%d %H:%M} UTC" if isinstance(at, datetime) else ""


def _media(row: Row) -> str:
    kind, files = as_text(row.get("post_mediatype")), row.get("media") or []
    names = [name for name in row if name.startswith("post_") and name not in ("post_id", *OTHER)]
    parts = [kind or (f"{len(files)} files" if len(files) > 1 else "1 file" if files else "")]
    parts += [f"{word_of(name)} {text}" for name in names if (text := as_text(row[name]))]
    shown = ", ".join(part for part in parts if part)
    return f"media: {shown}" if shown else ""


def _tags(row: Row) -> str:
    tags = as_text(row.get("tags"))
    return f"tags: [{tags}]" if tags else ""


def _place(row: Row) -> str:
    latitude, longitude = row.get("latitude"), row.get("longitude")
    if latitude is None or longitude is None:
        return ""
    accuracy = as_text(row.get("geo_accuracy"))
    return f"place: latitude {latitude:.3f}, longitude {longitude:.3f}" + (f", accuracy {accuracy}" if accuracy else "")


NOTES: tuple[Callable[[Row], str], ...] = (_author, _time, _media, _tags, _place)
"""One note each, in the order of the reference's prompt."""


def _word(column: str) -> str:
    return word_of(column).removeprefix("author ")


def _fact(column: str, value: object) -> str:
    """A value of the profile as text: flags as yes and no, days before the post as such."""
    if isinstance(value, float) and column.startswith(FLAGS):
        return "yes" if value else "no"
    text = as_text(value)
    return f"{round(value)} days before" if isinstance(value, float) and text and column in DAYS_BEFORE else text

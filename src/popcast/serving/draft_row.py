"""One draft as the options of a command tell it, as a row of the file that a bundle's posts came from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl

from popcast.core.errors import BadInput, bad_input, shown
from popcast.datasets.params import TableColumns
from popcast.features.common.descriptors import Undecodable, read_picture
from popcast.serving.bundle import Contents
from popcast.serving.own_columns import layout_of

PICTURES = (".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff")
"""Ends of files that are read as pictures; others may be videos."""


@dataclass(frozen=True)
class Draft:
    """What is told of a post that is not out yet; None: not known."""

    text: str | None = None
    author: str | None = None
    time: str | None = None
    tags: str | None = None
    category: str | None = None
    media: Path | None = None
    numbers: Sequence[str] = ()

    def anything(self) -> bool:
        return any(value not in (None, ()) for value in vars(self).values())


def draft_row(draft: Draft, contents: Contents) -> tuple[pl.DataFrame, Path]:
    """The draft in the columns of the bundle's posts, and the folder of its media file.

    Raises BadInput, one line: an option that the posts have no column for, a time or number that cannot be read.
    """
    columns = layout_of(contents).columns
    values: dict[str, Any] = {}
    told = {
        "text": draft.text, "author": draft.author, "time": moment_of(draft.time, contents.zone, "--time"),
        "tags": None if draft.tags is None else [tag.strip() for tag in draft.tags.split(",") if tag.strip()],
        "category": draft.category, "media": None if draft.media is None else [draft.media.name],
    }  # fmt: skip
    for use, value in told.items():
        if value is not None:
            values[_column(columns, use)] = value
    values |= _numbers(draft.numbers, columns)
    if draft.media is not None and not draft.media.is_file():
        raise bad_input("no such file", file=draft.media, field="--media")
    if draft.media is not None and draft.media.suffix.lower() in PICTURES:
        check_whole(draft.media, "--media")
    return pl.DataFrame([values]), Path() if draft.media is None else draft.media.parent


def check_whole(picture: Path, field: str) -> None:
    """Raise BadInput, one line, where a picture cannot be decoded to its end. field: what it was told as."""
    try:
        read_picture(picture)
    except Undecodable as error:
        raise bad_input("a picture that cannot be read to its end", field=field, value=str(error)) from None


def _column(columns: TableColumns, use: str) -> str:
    name = getattr(columns, use)
    name = (name or [None])[0] if isinstance(name, list) else name
    if name is None:
        raise bad_input(f"the posts that it was fitted on have no {use}", field=f"--{use}", expected="no such option")
    return name


def moment_of(text: str | None, zone: str, option: str) -> datetime | None:
    """The moment of an option; one without a zone is of the bundle's."""
    if text is None:
        return None
    if text.strip().lower() == "now":
        return datetime.now(UTC)
    try:
        moment = datetime.fromisoformat(text.strip())
        return (moment if moment.tzinfo else moment.replace(tzinfo=ZoneInfo(zone))).astimezone(UTC)
    except (ValueError, OverflowError):
        expected = "a time as 2025-03-01T18:30, with +01:00 where it is of another zone, or now"
        raise bad_input("not a time", field=option, value=text, expected=expected) from None


def counted_moment(text: str | None, zone: str, option: str) -> datetime | None:
    """When outcomes were counted. BadInput, one line, also where that is still to come: every post would be old enough
    by then. A day is left to clocks and zones that go wrong."""
    moment = moment_of(text, zone, option)
    if moment is not None and moment > datetime.now(UTC) + timedelta(days=1):
        raise bad_input("outcomes counted in the future", field=option, value=text, expected="a time up to now")
    return moment


def _numbers(told: Sequence[str], columns: TableColumns) -> Mapping[str, float]:
    known, found = [*columns.numbers, *columns.author_numbers], {}
    for one in told:
        name, sign, value = one.partition("=")
        if not sign or name not in known:
            names = ", ".join(shown(own, 60) for own in known) or "no such option: the posts have no numbers"
            raise bad_input(
                "not a number of posts", field="--number", value=one, expected=f"NAME=VALUE, NAME of {names}"
            )
        try:
            found[name] = float(value)
        except ValueError:
            raise BadInput(
                f"--number {shown(name, 60)}: got {shown(value)}, expected a number such as 1234.5"
            ) from None
    return found

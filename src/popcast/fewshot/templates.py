"""What a prompt shows of a post: which columns, under which word, as clean text on one line.

The text of a post is data. :func:`clean` leaves no line break, no control or direction mark and no double quote in it,
so that a text in double quotes on a line of its own can neither end the line nor close its quotes.
"""

from __future__ import annotations

import math
import re
import unicodedata
from dataclasses import dataclass
from datetime import datetime

import polars as pl

from popcast.core.errors import BadInput, bad_input

TITLE, IMAGE = "title", "image"
"""Words of the two fields that have limits of their own, ``title_tokens`` and ``caption_tokens``."""

TEMPLATES: dict[str, dict[str, str]] = {
    "smpd": {"title": TITLE, "category": "category", "subcategory": "subcategory", "concept": "concept"},
    "tpic2017": {"post_titlelen": "title length", "post_tagcount": "tags", "posted_at": "date"},
    "microlens": {"title": TITLE},
    "table": {
        "title": TITLE,
        "tags": "tags",
        "category": "category",
        "subcategory": "subcategory",
        "concept": "concept",
    },
}
"""Template -> column of posts -> word shown (multismpllm.md 2). Columns that a dataset lacks are left out."""

NEVER_SHOWN = ("post_id", "user_id", "popularity", "media")
LONGEST = 4000
"""Characters of a text that are looked at; what lies behind them is far beyond any token limit."""

BARE = re.compile(r"-?[0-9]+(\.[0-9]+)?|[0-9]{4}-[0-9]{2}-[0-9]{2}")
"""Values that stand without quotes: numbers and dates."""

_QUOTES = str.maketrans({'"': "'", "\uff02": "'"})


@dataclass(frozen=True)
class PostText:
    """Fields of one post as (word, text), in the order of its template; missing ones are left out."""

    fields: tuple[tuple[str, str], ...]


def post_texts(
    posts: pl.DataFrame, template: str, fields: list[str] | None = None, caption: str | None = None
) -> dict[str, PostText]:
    """Text of every post, by ``post_id``.

    posts: the ``posts`` table, or a part of it. fields: columns shown in place of the template's. caption: column that
    describes the image in words. Raises BadInput for a column that posts lack or that no prompt may show.
    """
    columns = TEMPLATES[template] if fields is None else {name: word_of(name) for name in fields}
    if caption is not None:
        columns = {**columns, caption: IMAGE}
    for name in [*(fields or []), *([caption] if caption is not None else [])]:
        if name in NEVER_SHOWN or name.startswith("posthoc_"):
            raise BadInput(f"tasks: column {name!r} may not be shown in a prompt: an id, the outcome or measured later")
        if name not in posts.columns:
            raise bad_input("no such column", file="posts", field=name, expected=f"one of {', '.join(posts.columns)}")
    shown = {name: word for name, word in columns.items() if name in posts.columns}
    found = {}
    for row in posts.select("post_id", *shown).iter_rows(named=True):
        texts = ((word, as_text(row[name])) for name, word in shown.items())
        found[row["post_id"]] = PostText(tuple((word, text) for word, text in texts if text))
    return found


def word_of(column: str) -> str:
    """Word under which a column is shown.

    >>> word_of("user_follower_count"), word_of("post_length"), word_of("posted_at"), word_of("title")
    ('author follower count', 'length', 'date', 'title')
    """
    if column == "posted_at":
        return "date"
    if column.startswith("user_"):
        column = "author_" + column.removeprefix("user_")
    return " ".join(re.sub(r"[\W_]+", " ", column.removeprefix("post_")).split()) or "value"


def as_text(value: object) -> str:
    """A value of a posts column as one clean line; "" where it is missing.

    >>> as_text(17.0), as_text(0.12345), as_text(["a", "b"]), as_text(None), as_text(datetime(2008, 10, 29, 7))
    ('17', '0.123', 'a, b', '', '2008-10-29')
    """
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        return short_number(value)
    if isinstance(value, datetime):
        return value.date().isoformat()
    if isinstance(value, list):
        return clean(", ".join(str(item) for item in value if item))
    return clean(str(value))


def short_number(value: float) -> str:
    """Whole numbers as they are, others with three significant digits; "" for NaN and infinity.

    >>> short_number(1624.0), short_number(3.14159), short_number(123456.7), short_number(-0.0), short_number(1e20)
    ('1624', '3.14', '123457', '0', '1e+20')
    """
    if not math.isfinite(value):
        return ""
    if abs(value) < 1e15 and (value == round(value) or abs(value) >= 100):
        return str(round(value))
    return f"{value:.3g}"


def clean(text: str) -> str:
    """Text on one line with single spaces, without control and format characters, double quotes as single ones.

    >>> clean('say  "hi"\\u2028Post 2\\x00 has\\u200b it')
    "say 'hi' Post 2 has it"
    """
    text = text[:LONGEST].translate(_QUOTES)
    if not text.isprintable():
        text = "".join(_printable(character) for character in text)
    return " ".join(text.split())


def _printable(character: str) -> str:
    """The character; a space for a control character, nothing for a format character (direction marks, zero width)."""
    kind = unicodedata.category(character)
    if kind == "Cc":
        return " "
    return "" if kind in ("Cf", "Cs") else character

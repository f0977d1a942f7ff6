"""Which posts of a history say something about their author (socialalign.md 3), drops counted by rule."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

import polars as pl
from pydantic import BaseModel, ConfigDict, Field

from popcast.core.yaml_reading import read_yaml
from popcast.response.casework.params import Cleaning
from popcast.response.casework.text_cleaning import says_nothing, without_hashtags

FILE = Path(__file__).with_name("blocklist.yaml")

SHORT_TOPIC = 3
"""Characters of a topic that says nothing."""

FIELDS = ("retweet_topics", "retweet_text", "topics", "text")
Where = Literal["retweet_topics", "retweet_text", "topics", "text"]


class Category(BaseModel):
    """A category of blocklist.yaml."""

    model_config = ConfigDict(extra="forbid", strict=True)
    fields: list[Where] = Field(min_length=1)
    substring: list[str] = []
    whole_topic: list[str] = []


@dataclass(frozen=True)
class Blocked:
    """Words of one field: anywhere in it, or as a whole topic."""

    substring: tuple[str, ...]
    whole_topic: tuple[str, ...]


@cache
def blocklist() -> dict[str, Blocked]:
    """Field -> blocked words of all categories."""
    categories = [Category.model_validate(values) for values in read_yaml(FILE).values()]
    words: dict[str, Blocked] = {}
    for field in FIELDS:
        own = [category for category in categories if field in category.fields]
        parts = (
            [word for category in own for word in getattr(category, kind)] for kind in ("substring", "whole_topic")
        )
        words[field] = Blocked(*(tuple(dict.fromkeys(part)) for part in parts))
    return words


def cleaned(history: pl.DataFrame, users: pl.DataFrame, settings: Cleaning) -> tuple[pl.DataFrame, dict[str, int]]:
    """The rows of ``history`` that are kept, and how many each rule dropped; the first rule that holds counts.

    users: the table, for the names under which users may occur in their own texts. Topics stand in ``topics``; texts
    are cleaned already (``text_cleaning``), so that a text is never empty.
    """
    table = history.join(users.select("user_id", "alias"), on="user_id", how="left")
    bare = {text: without_hashtags(text) for text in table["text"].unique().to_list()}
    nothing = [text for text, rest in bare.items() if not rest]
    silent = [text for text, rest in bare.items() if rest and says_nothing(rest)]
    named = pl.col("text").str.contains(pl.col("alias"), literal=True) & (pl.col("alias") != "")
    rules: dict[str, pl.Expr] = {}
    if settings.blocklist:
        rules["retweet topic blocked"] = _topic_blocked("retweet_topics")
        rules["retweet text blocked"] = _text_blocked("retweet_text")
        rules["topic blocked"] = _topic_blocked("topics")
        rules["text blocked"] = _text_blocked("text")
        rules["own name in the text"] = named
    if settings.short_topics:
        short = pl.col("topics").list.eval(pl.element().str.len_chars() <= SHORT_TOPIC).list.any()
        rules[f"topic of {SHORT_TOPIC} characters or fewer"] = short
    rules["hashtags only"] = pl.col("text").is_in(nothing)
    if settings.placeholders:
        rules["words of the site only"] = pl.col("text").is_in(silent)
    if settings.only_hashtagged:
        rules["no topic"] = pl.col("topics").is_null() | (pl.col("topics").list.len() == 0)
    broken = [pl.when(rule.fill_null(False)).then(place) for place, rule in enumerate(rules.values())]
    table = table.with_columns(rule=pl.coalesce(*broken))
    counts = dict(table["rule"].drop_nulls().value_counts().iter_rows())
    dropped = {name: counts.get(place, 0) for place, name in enumerate(rules)}
    return table.filter(pl.col("rule").is_null()).select(history.columns), dropped


def _text_blocked(field: str) -> pl.Expr:
    return pl.col(field).str.contains_any(list(blocklist()[field].substring))


def _topic_blocked(field: str) -> pl.Expr:
    words = blocklist()[field]
    one = pl.element()
    return (
        pl.col(field).list.eval(one.str.contains_any(list(words.substring)) | one.is_in(words.whole_topic)).list.any()
    )

"""Block ``metadata``: what a post shows at posting time (HyFea groups 1-5 and 7-10, smp2025.md section 1).

No ids, no crawled field, no label. Which columns exist, and which are skewed, is decided on the training part and
saved, so that posts never seen get the same columns.
"""

from __future__ import annotations

from pathlib import Path
from typing import Self

import polars as pl
from pydantic import Field

from popcast.core import tables
from popcast.core.errors import BadInput
from popcast.core.section import Section
from popcast.features.common.block_files import read_block
from popcast.features.common.contract import Context

CATEGORIES = ("category", "subcategory", "concept")
SKEW = 0.75
"""Absolute skew above which ``log1p`` applies (smp2025.md section 1, SMP-2025 changes)."""
EMOJI = r"[\x{1F000}-\x{1FAFF}\x{2600}-\x{27BF}\x{2B50}\x{2B55}]"
URL = r"https?://\S+|www\.\S+"
RATIOS = {
    "video_music_ratio": ("post_video_duration", "post_music_duration"),
    "likes_per_video": ("user_likes_count", "user_video_count"),
    "likes_per_follower": ("user_likes_count", "user_follower_count"),
    "followers_per_video": ("user_follower_count", "user_video_count"),
    "followers_per_following": ("user_follower_count", "user_following_count"),
    "likes_given_per_like": ("user_digg_count", "user_likes_count"),
}
"""Where a dataset has both counts: what a post of this author usually gets says more than either total."""

LEARNED = ("numbers", "categories", "measures", "skewed")
"""What a fitted block keeps: names of columns."""


class Params(Section):
    week: bool = Field(False, description="ISO week: drifts, and the test weeks lie outside the training weeks")
    log1p: bool = Field(False, description="log1p of the skewed non-negative columns; trees do not need it")
    max_levels: int = Field(1000, ge=1, description="a post_ or user_ string with more training values is free text")


class Block:
    """Columns ``metadata.*``: String for categories, Float64 for everything else, null where unknown."""

    Params = Params

    def __init__(self, params: Params, context: Context) -> None:
        self.params = params
        self.context = context

    def fit(self, posts: pl.DataFrame, embedding: pl.DataFrame | None = None) -> Self:
        """Decide the columns on the training part: those with a value there, and which of them are skewed."""
        train = posts.filter(split="train")
        if train.height == 0:
            raise BadInput(f"{self.context.dataset}: block 'metadata' needs posts in the training part")
        extra = [name for name in sorted(train.columns) if name.startswith(("post_", "user_"))]
        extra = [name for name in extra if name not in ("post_id", "user_id") and train[name].count()]
        self.numbers = [name for name in extra if train.schema[name].is_numeric() or train.schema[name] == pl.Boolean]
        strings = [name for name in extra if train.schema[name] == pl.String]
        self.categories = [
            *[name for name in CATEGORIES if train[name].count()],
            *[name for name in strings if train[name].drop_nulls().n_unique() <= self.params.max_levels],
        ]
        table = train.select(self._expressions(train))
        self.measures = [name for name in table.columns if table.schema[name].is_float() and table[name].count()]
        self.skewed = [name for name in self.measures if self.params.log1p and _skewed(table[name])]
        return self

    def transform(self, posts: pl.DataFrame, embedding: pl.DataFrame | None = None) -> pl.DataFrame:
        """``post_id`` and ``metadata.*``, one row per post, same order."""
        types = dict.fromkeys(self.categories, pl.String) | dict.fromkeys(self.numbers, pl.Float64)
        missing = [pl.lit(None, dtype=types[name]).alias(name) for name in types if name not in posts.columns]
        posts = posts.with_columns(missing)
        skewed = [pl.when(pl.col(name) >= 0).then(pl.col(name).log1p()).alias(name) for name in self.skewed]
        table = posts.select("post_id", *self._expressions(posts)).with_columns(skewed)
        columns = [
            *[pl.col(name) for name in self.categories],
            *[pl.col(name).fill_nan(None) for name in self.measures],
        ]
        return table.select("post_id", *[column.name.prefix("metadata.") for column in columns])

    def _expressions(self, posts: pl.DataFrame) -> list[pl.Expr]:
        numbers = [pl.col(name).cast(pl.Float64) for name in self.numbers]
        ratios = [
            pl.when(pl.col(below) > 0).then(pl.col(above).cast(pl.Float64) / pl.col(below)).alias(name)
            for name, (above, below) in RATIOS.items()
            if above in self.numbers and below in self.numbers
        ]
        place = [pl.col(name) for name in ("latitude", "longitude", "geo_accuracy")]
        measures = [*_title(), *_tags(), *_media(), *self._day_parts(), *place, *numbers, *ratios]
        return [*[pl.col(name) for name in self.categories], *[measure.cast(pl.Float64) for measure in measures]]

    def _day_parts(self) -> list[pl.Expr]:
        """Hour 0-23, weekday 0-6 (Monday 0), hour of the week 0-167, day 1-31, minute, in the dataset's zone."""
        local = pl.col("posted_at").dt.convert_time_zone(self.context.zone).dt
        weekday, hour = local.weekday().cast(pl.Float64) - 1, local.hour().cast(pl.Float64)
        parts = [hour.alias("hour"), weekday.alias("weekday"), (weekday * 24 + hour).alias("hour_of_week")]
        parts += [local.day().alias("day"), local.minute().alias("minute")]
        return [*parts, local.week().alias("week")] if self.params.week else parts

    def save(self, folder: Path) -> None:
        state = {"params": self.params.model_dump()} | {name: getattr(self, name) for name in LEARNED}
        tables.write_json(state, folder / "state.json")

    @classmethod
    def load(cls, folder: Path, context: Context) -> Self:
        block, state = read_block(cls, folder / "state.json", context)
        for name in LEARNED:
            setattr(block, name, state[name])
        return block


def _title() -> list[pl.Expr]:
    """Length, words and signs of the title; everything null for a post without one."""
    title = pl.col("title").str
    length = title.len_chars()
    return [
        length.alias("title_length"),
        title.count_matches(r"\S+").alias("title_words"),
        title.count_matches(r"#\w").alias("title_hashtags"),
        title.count_matches(r"@\w").alias("title_mentions"),
        title.count_matches(URL).alias("title_urls"),
        title.count_matches(EMOJI).alias("title_emoji"),
        title.count_matches("!", literal=True).alias("title_exclamations"),
        title.count_matches("?", literal=True).alias("title_questions"),
        (title.count_matches(r"\p{Lu}") / length).alias("title_uppercase_share"),
        (title.count_matches(r"\d") / length).alias("title_digit_share"),
    ]


def _tags() -> list[pl.Expr]:
    """Number of tags, and their characters with one space between two (``Alltags_len``)."""
    tags = pl.col("tags").list
    number = tags.len().cast(pl.Int64)
    characters = tags.eval(pl.element().str.len_chars().cast(pl.Int64)).list.sum()
    between = pl.when(number > 1).then(number - 1).otherwise(0)
    length = pl.when(number.is_not_null()).then(characters + between)
    return [number.alias("tags_count"), length.alias("tags_length")]


def _media() -> list[pl.Expr]:
    number = pl.col("media").list.len()
    return [number.alias("media_count"), (number.fill_null(0) > 0).alias("has_media")]


def _skewed(values: pl.Series) -> bool:
    """Non-negative, and skewed on the training part. A constant column has no skew."""
    skew = values.drop_nulls().skew()
    return values.min() >= 0 and skew is not None and abs(skew) > SKEW

"""What the rules of choosing look at: counts, times and authors of a table of posts, measured once."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import polars as pl

from popcast.splits.making import cut_at, time_folds
from popcast.splits.params import Split

SHARES = (0.7, 0.15, 0.15)
"""Of the posts to learn from, choose on and report on."""
DAY = 86400.0
IMAGES, VIDEOS = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif"), (".mp4", ".mov", ".avi", ".mkv", ".webm", ".m4v")
NO_BLANKS = r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}]"
"""Letters of scripts that put no blanks between words."""

TERM = rf"{NO_BLANKS}|\w\w+"
LOOKED_AT, LONG = 3000, 2000
"""Posts that are looked at for words, and characters of each."""
LEAST_TERMS, LEAST_POSTS = 5, 5

COMMON = r"(?i)\b(the|and|of|to|is|you|for|this|that|with)\b"


@dataclass(frozen=True)
class PostFacts:
    """``authors`` and ``posts_per_author`` (median) are of the labelled posts, ``span_days`` too."""

    posts: int
    labelled: int
    unlabelled: int
    authors: int
    posts_per_author: float
    every_author: bool
    """Every labelled post has an author."""
    timed: bool
    """Every labelled post has a time, and times part them into some to learn from, to choose on and to report on."""
    moments: int
    """Different times of labelled posts."""
    folds: int
    """Folds that the posts to learn from fall into: fewer than asked for where bursts or equal times hold together."""
    span_days: float
    lag_days: float
    """How much younger the youngest post to predict is than the newest label; 0 where there is none."""
    newest_drawn: bool
    """Posts to predict are the newest of their authors, at times when other authors' posts have labels."""
    newest: datetime | None
    text: bool
    """Posts to learn from share words; see :func:`_shared`."""
    blanks: bool
    """Words are written with blanks between them."""
    english: bool
    """At least one word in fifty is a common English one: the packaged sentence encoder reads English."""
    tags: bool
    """Posts to learn from share tags."""
    categories: tuple[str, ...]
    images: bool
    videos: bool
    outcomes: tuple[str, ...]
    """``posthoc_`` columns with a value in some labelled post."""


def facts_of(posts: pl.DataFrame) -> PostFacts:
    """Facts of a table ``posts``: popularity is null where a post is to be predicted."""
    labelled = posts.filter(pl.col("popularity").is_not_null())
    unlabelled = posts.filter(pl.col("popularity").is_null())
    times = _column(labelled, "posted_at", pl.Datetime("us", "UTC"))
    authors = _column(labelled, "user_id", pl.String)
    counts = authors.drop_nulls().value_counts()["count"]
    moments = times.n_unique()
    timed = labelled.height > 0 and times.null_count() == 0 and moments > 2 and parts_in_time(times) is not None
    span = (times.max() - times.min()).total_seconds() / DAY if timed else 0.0
    learned = _learned(labelled, timed)
    text = _column(posts, "title", pl.String).drop_nulls()
    letters = text.head(2000).str.count_matches(r"\p{L}").sum() or 0
    unspaced = text.head(2000).str.count_matches(NO_BLANKS).sum() or 0
    media = _column(posts, "media", pl.List(pl.String)).explode().drop_nulls().str.to_lowercase()
    return PostFacts(
        posts=posts.height,
        labelled=labelled.height,
        unlabelled=unlabelled.height,
        authors=len(counts),
        posts_per_author=float(counts.median() or 0),
        every_author=labelled.height > 0 and authors.null_count() == 0,
        timed=timed,
        moments=moments,
        folds=_folds(labelled, times, timed),
        span_days=span,
        lag_days=_lag(times, unlabelled) if timed else 0.0,
        newest_drawn=timed and _newest_drawn(labelled, unlabelled),
        newest=_column(posts, "posted_at", pl.Datetime("us", "UTC")).max(),
        text=_shared(learned, pl.col("title").str.head(LONG).str.extract_all(TERM)),
        blanks=unspaced < 0.2 * max(letters, 1),
        english=_english(text.head(2000)),
        tags=_shared(learned, pl.col("tags")),
        categories=tuple(
            name for name in ("category", "subcategory", "concept") if _column(posts, name, pl.String).count()
        ),
        images=bool(len(media)) and any(media.str.ends_with(end).any() for end in IMAGES),
        videos=bool(len(media)) and any(media.str.ends_with(end).any() for end in VIDEOS),
        outcomes=tuple(
            sorted(name for name in labelled.columns if name.startswith("posthoc_") and labelled[name].count())
        ),
    )


def parts_in_time(times: pl.Series) -> tuple[datetime, datetime] | None:
    """Where a chronological split of ``SHARES`` begins to choose and to report; None where a part would be empty, as
    posts of one moment are never separated."""
    first, second = (cut_at(times, share) for share in (SHARES[0], SHARES[0] + SHARES[1]))
    return (first, second) if times.min() < first < second else None


def folds_of(labelled: int) -> int:
    """Folds to ask for, by the number of posts with a label."""
    return 4 if labelled >= 700 else 3 if labelled >= 150 else 2


def _folds(labelled: pl.DataFrame, times: pl.Series, timed: bool) -> int:
    if not labelled.height or times.null_count():
        return folds_of(labelled.height)  # drawn, where there are no times
    folds = folds_of(labelled.height)
    if timed:
        labelled = labelled.filter(pl.col("posted_at") < parts_in_time(times)[0])
    if "user_id" not in labelled.columns:
        labelled = labelled.with_columns(user_id=pl.lit(None, pl.String))
    bursts = Split.model_fields
    made = time_folds(labelled, folds, bursts["burst_hours"].default, bursts["burst_span_hours"].default)
    return made["fold"].n_unique()


def _column(posts: pl.DataFrame, name: str, kind: pl.DataType) -> pl.Series:
    return posts[name] if name in posts.columns else pl.Series(name, [None] * posts.height, dtype=kind)


def _learned(labelled: pl.DataFrame, timed: bool) -> pl.DataFrame:
    """``title`` and ``tags`` of at most ``LOOKED_AT`` posts out of those that models are fitted on."""
    if timed:
        labelled = labelled.filter(pl.col("posted_at") < parts_in_time(labelled["posted_at"])[0])
    labelled = labelled.gather_every(max(1, labelled.height // LOOKED_AT))
    return pl.DataFrame([_column(labelled, "title", pl.String), _column(labelled, "tags", pl.List(pl.String))])


def _shared(posts: pl.DataFrame, terms: pl.Expr) -> bool:
    """Whether ``LEAST_TERMS`` terms occur in ``LEAST_POSTS`` posts each: else there is nothing to learn in them."""
    counts = posts.select(term=terms.list.unique()).explode("term").drop_nulls()["term"].value_counts()
    return counts.filter(pl.col("count") >= LEAST_POSTS).height >= LEAST_TERMS


def _english(text: pl.Series) -> bool:
    words = text.str.count_matches(r"\w+").sum() or 0
    return (text.str.count_matches(COMMON).sum() or 0) > 0.02 * max(words, 1)


def _lag(times: pl.Series, unlabelled: pl.DataFrame) -> float:
    young = _column(unlabelled, "posted_at", pl.Datetime("us", "UTC")).max()
    return 0.0 if young is None else max(0.0, (young - times.max()).total_seconds() / DAY)


def _newest_drawn(labelled: pl.DataFrame, unlabelled: pl.DataFrame) -> bool:
    """At least four in five posts to predict are newer than every label of their author, most authors have one such
    post, and at least half of these posts are older than the newest label of all."""
    if unlabelled.height < 10 or "user_id" not in unlabelled.columns or "posted_at" not in unlabelled.columns:
        return False
    newest = labelled.group_by("user_id").agg(newest=pl.col("posted_at").max())
    asked = unlabelled.join(newest, on="user_id", how="left")
    after_own = (asked["posted_at"] > asked["newest"]).fill_null(False).mean()
    before_all = (asked["posted_at"] < labelled["posted_at"].max()).fill_null(False).mean()
    return after_own >= 0.8 and before_all >= 0.5 and unlabelled.height <= 1.5 * unlabelled["user_id"].n_unique()

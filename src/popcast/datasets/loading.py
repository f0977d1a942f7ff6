"""From a raw folder to the ``posts`` table: what all datasets share.

``load(name, dataset)`` calls ``popcast.datasets.<kind>.load(raw, dataset, quality)``, brings its columns into the order
of the contract and refuses what nothing can be learned from. ``Quality`` counts what was left out or repaired.
"""

from __future__ import annotations

import importlib
from datetime import UTC, datetime
from pathlib import Path

import polars as pl

from popcast.core.errors import bad_input
from popcast.core.tables import EXTRA_PREFIXES, POSTS_COLUMNS
from popcast.datasets.params import Dataset

LABEL_RANGE = (-20.0, 64.0)
"""Popularity on a log2 scale; a post with one view in ten years has log2(1/3650) + 1 = -10.8."""

OUTSIDE = r"^(?:/|\\|[A-Za-z]:)|(?:^|[/\\])\.\.(?:[/\\]|$)"
"""Media paths that would leave the raw folder: absolute ones and those with a ``..``."""


class Quality:
    """Counts by reason: rows rejected, fields repaired, and plain facts of a dataset, for metrics/quality.

    examples: of rejected rows, the first places of each reason. notes: what was found by looking, a sentence each.
    """

    def __init__(self, max_reject_share: float) -> None:
        self.max_reject_share = max_reject_share
        self.rejected: dict[str, int] = {}
        self.repaired: dict[str, int] = {}
        self.posts: dict[str, int] = {}
        self.examples: dict[str, list[str]] = {}
        self.notes: list[str] = []

    def leave_out(self, reason: str, count: int, examples: list[str]) -> None:
        """Count rows left out for ``reason``, whose share is checked elsewhere or is what the user asked for."""
        self.rejected[reason] = self.rejected.get(reason, 0) + count
        self.examples[reason] = (self.examples.get(reason, []) + examples)[:3]

    def say(self, sentences: list[str]) -> None:
        """Note what was found by looking, each sentence once."""
        self.notes += [one for one in dict.fromkeys(sentences) if one not in self.notes]

    def reject(self, reason: str, count: int, of: int, file: Path | str) -> None:
        """Count ``count`` of ``of`` rows left out; more than ``max_reject_share`` of them stops the stage."""
        if count:
            self.rejected[reason] = self.rejected.get(reason, 0) + count
        if count > self.max_reject_share * of:
            share = f"at most a share of {self.max_reject_share} (max_reject_share)"
            raise bad_input(f"{count} of {of} rows rejected ({reason})", file=file, expected=share)

    def repair(self, reason: str, count: int) -> None:
        """Count fields that were unreadable or impossible and became null."""
        if count:
            self.repaired[reason] = self.repaired.get(reason, 0) + count

    def as_dict(self) -> dict[str, dict | list]:
        """``examples`` and ``notes`` only where there are any."""
        counts = {"posts": self.posts, "rejected": self.rejected, "repaired": self.repaired}
        return counts | {name: of for name in ("examples", "notes") if (of := getattr(self, name))}


def load(name: str, dataset: Dataset) -> tuple[pl.DataFrame, Quality]:
    """The ``posts`` table of a dataset, in the order of its files, and what was counted while reading.

    Raises BadInput for a missing folder, a damaged file, a duplicate id, a wrong value, and where there is no post or
    no label to learn from.
    """
    raw = Path(dataset.raw)
    quality = Quality(dataset.max_reject_share)
    module = importlib.import_module(f"popcast.datasets.{dataset.kind}")
    try:
        if not raw.is_dir():
            raise bad_input("no such folder", file=raw, field=f"datasets.{name}.raw")
        posts = complete(with_exposure(module.load(raw, dataset, quality), dataset.snapshot, name))
    except OSError as error:  # a folder that cannot be listed, a file that is gone meanwhile
        raise bad_input(error.strerror or "cannot be read", file=error.filename or raw) from None
    if posts.height == 0:
        raise bad_input("the dataset is empty", file=raw, expected="at least one post")
    if posts["popularity"].null_count() == posts.height:
        raise bad_input(f"none of the {posts.height} posts has a label", file=raw, expected="labels to learn from")
    quality.posts = counts(posts)
    return posts, quality


def with_exposure(posts: pl.DataFrame, snapshot: datetime | None, name: str) -> pl.DataFrame:
    """``posts`` with ``post_exposure_days``, the time from posting to the moment when the outcomes were counted.

    It belongs to the definition of the label, as "views after seven days" would. Posts after the snapshot are refused.
    """
    if snapshot is None or "posted_at" not in posts.columns:
        return posts
    moment = (snapshot if snapshot.tzinfo else snapshot.replace(tzinfo=UTC)).astimezone(UTC)
    late = posts.filter(pl.col("posted_at") > moment)["posted_at"]
    if len(late):
        problem = f"{len(late)} posts are newer than the snapshot"
        raise bad_input(problem, field=f"datasets.{name}.snapshot", value=str(moment), expected=f"from {late.max()} on")
    exposure = (pl.lit(moment).cast(pl.Datetime("us", "UTC")) - pl.col("posted_at")).dt.total_seconds() / 86400
    return posts.with_columns(post_exposure_days=exposure)


def complete(posts: pl.DataFrame) -> pl.DataFrame:
    """All columns of the contract, absent ones as null, in its order; ``post_*``, ``user_*``, ``posthoc_*`` follow."""
    extra = [name for name in posts.columns if name not in POSTS_COLUMNS]
    wrong = [name for name in extra if not name.startswith(EXTRA_PREFIXES)]
    assert not wrong, wrong
    empty = [pl.lit(None, dtype).alias(name) for name, dtype in POSTS_COLUMNS.items() if name not in posts.columns]
    return posts.with_columns(empty).select(*POSTS_COLUMNS, *extra)


def counts(posts: pl.DataFrame) -> dict[str, int]:
    """Posts, labels, authors, and posts with each of the optional fields."""
    facts = {
        "all": posts.height,
        "labelled": posts.height - posts["popularity"].null_count(),
        "unlabelled": posts["popularity"].null_count(),
        "authors": posts["user_id"].drop_nulls().n_unique(),
    }
    for field in ("posted_at", "title", "tags", "category", "media", "latitude"):
        facts[f"with_{field}"] = posts.height - posts[field].null_count()
    return facts


def refuse(
    wrong: pl.Series,
    values: pl.Series | None,
    problem: str,
    *,
    file: Path | str,
    field: str | None = None,
    expected: str | None = None,
    first_row: int = 1,
) -> None:
    """Raise BadInput for the first row where ``wrong`` holds; ``first_row`` is the number of the first value."""
    wrong = wrong.fill_null(False)
    if wrong.any():
        index = wrong.arg_max()
        value = None if values is None else values.gather([index]).to_list()[0]
        raise bad_input(problem, file=file, row=index + first_row, field=field, value=value, expected=expected)


def filled(values: pl.Series, *, file: Path | str, field: str, first_row: int = 1) -> pl.Series:
    """``values`` if none is null or blank."""
    refuse(
        values.is_null() | (values.str.strip_chars() == ""),
        None,
        "missing value",
        file=file,
        field=field,
        first_row=first_row,
    )
    return values


def unique(values: pl.Series, *, file: Path | str, field: str, first_row: int = 1) -> pl.Series:
    """``values`` if no id occurs twice; the second occurrence is the one that is named."""
    refuse(~values.is_first_distinct(), values, "duplicate id", file=file, field=field, first_row=first_row)
    return values


def blank_to_null(values: pl.Series) -> pl.Series:
    """Text of nothing but white space becomes null. Words such as "None" or "nan" are text and stay."""
    return pl.select(pl.when(values.str.strip_chars() != "").then(values)).to_series().alias(values.name)


def number(values: pl.Series, *, file: Path | str, field: str, first_row: int = 1) -> pl.Series:
    """Text or numbers as Float64; blank and NaN become null, other text and infinity are refused."""
    if values.dtype == pl.String:
        text = blank_to_null(values.str.strip_chars())
        result = text.cast(pl.Float64, strict=False)
        refuse(
            text.is_not_null() & result.is_null(), values, "not a number", file=file, field=field, first_row=first_row
        )
    else:
        result = values.cast(pl.Float64)
    refuse(result.is_infinite(), values, "infinite value", file=file, field=field, first_row=first_row)
    return result.fill_nan(None)


def readable_number(values: pl.Series, reason: str, quality: Quality) -> pl.Series:
    """As :func:`number` for fields of no weight: what cannot be read becomes null and is counted."""
    text = blank_to_null(values.str.strip_chars())
    result = text.cast(pl.Float64, strict=False).fill_nan(None)
    result = pl.select(pl.when(result.is_finite()).then(result)).to_series()
    quality.repair(reason, (text.is_not_null() & result.is_null()).sum())
    return result


def label(
    values: pl.Series, transform: str, *, file: Path | str, field: str, first_row: int = 1, low: float = LABEL_RANGE[0]
) -> pl.Series:
    """Popularity of labelled posts: a number in every row, brought to the log2 scale by ``transform``.

    transform: ``log2(x)`` for counts from 1, ``log2(x+1)`` for counts from 0, ``none`` for scores on a log scale, of
    which none may be below ``low``. Missing, NaN and out of range values are refused.
    """
    where = {"file": file, "field": field, "first_row": first_row}
    result = number(values, **where)
    refuse(result.is_null(), values.cast(pl.String).fill_null("nothing"), "no label", expected="a number", **where)
    least = {"log2(x)": 1.0, "log2(x+1)": 0.0, "none": low}[transform]
    refuse(result < least, values, "label out of range", expected=f"at least {least:g}", **where)
    if transform != "none":
        result = (result + (1.0 if transform == "log2(x+1)" else 0.0)).log(2.0)
    refuse(result > LABEL_RANGE[1], values, "label out of range", expected=f"at most {LABEL_RANGE[1]:g}, log2", **where)
    return result.alias("popularity")


def media_paths(values: pl.Series, *, file: Path | str, field: str, first_row: int = 1) -> pl.Series:
    """``values`` (paths or lists of paths) if each is a path below the raw folder."""
    if values.dtype == pl.List:
        outside = values.list.eval(pl.element().str.contains(OUTSIDE)).list.any()
    else:
        outside = values.str.contains(OUTSIDE)
    refuse(outside, values, "media path leaves the raw folder", file=file, field=field, first_row=first_row)
    return values

"""Splits: which labelled posts train, which validate, which test; and the folds of the training posts.

Chronological (datasets.md 1.6), published (mmra.md section 4), rolling origin (datasets.md 2.3), newest per author, and
random for posts without time: no forecast, and every table says so.
Posts without a label are always ``unlabelled``: they pass through everything and get predictions.
"""

from __future__ import annotations

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl

from popcast.core.errors import BadInput, bad_input
from popcast.core.stable import stable_random
from popcast.splits.params import Split

LEAST_AUTHORS = 20
"""Authors from which on a random split keeps each of them in one part: fewer would make parts of very unequal size."""

WITHOUT_TIME = ("published", "random")
"""Methods that need no times."""


def make_splits(posts: pl.DataFrame, section: Split, zone: str, seed: int, dataset: str) -> pl.DataFrame:
    """Split table of a dataset: ``post_id``, ``split``, ``fold`` (Int8, training posts only, see :func:`newest_folds`).

    posts: the ``posts`` table. zone: IANA zone in which the dates of ``section`` are days. seed: of folds without time
    and of the draw of authors. Raises BadInput if a part would be empty or if the method needs times that are missing.
    """
    labelled = posts.filter(pl.col("popularity").is_not_null())
    if labelled.is_empty():
        raise BadInput(f"{dataset}: no post has a label: nothing to learn from, expected at least some labelled posts")
    timed = labelled["posted_at"].null_count() == 0
    if section.method not in WITHOUT_TIME and not timed:
        raise BadInput(
            f"splits.{dataset}: method {section.method!r} needs posted_at in every labelled post, expected "
            "method random where no time is known"
        )
    parts = {
        "chronological": lambda: chronological(labelled, section, zone),
        "published": lambda: published(labelled, section.seeds),
        "rolling_origin": lambda: rolling_origin(labelled, section),
        "newest_per_author": lambda: newest_per_author(labelled, section, seed),
        "random": lambda: random_parts(labelled, section, seed),
    }[section.method]()
    for name in ("train", "valid", "test"):
        if not (parts["split"] == name).any():
            raise BadInput(f"splits.{dataset}: the {name} part is empty: {labelled.height} labelled posts")
    train = labelled.join(parts.filter(pl.col("split") == "train"), on="post_id", how="semi")
    if section.newest_folds is not None:
        folds = newest_folds(train, section.newest_folds, seed)
    elif timed:
        folds = time_folds(train, section.folds, section.burst_hours, section.burst_span_hours)
    else:
        kept = kept_together(labelled, section.by) if section.method == "random" else "post_id"
        folds = random_folds(train, section.folds, seed, kept)
    table = posts.select("post_id").join(parts, on="post_id", how="left").join(folds, on="post_id", how="left")
    return table.with_columns(pl.col("split").fill_null("unlabelled")).sort("post_id")


def day_start(day: date, zone: str) -> datetime:
    """Midnight of ``day`` in ``zone``, as a moment in UTC."""
    return datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(zone)).astimezone(UTC)


def cut_at(posted_at: pl.Series, share: float) -> datetime:
    """Time of the post at rank ``share``: posts at or after it are later. Posts of one moment are never separated."""
    return posted_at.sort()[min(round(share * len(posted_at)), len(posted_at) - 1)]


def chronological(posts: pl.DataFrame, section: Split, zone: str) -> pl.DataFrame:
    """Train, then valid, then test in time: cut at two dates (midnight in ``zone``) or at two shares of the posts."""
    if section.valid_from is not None and section.test_from is not None:
        first, second = day_start(section.valid_from, zone), day_start(section.test_from, zone)
    else:
        train, valid, _ = section.shares
        first, second = cut_at(posts["posted_at"], train), cut_at(posts["posted_at"], train + valid)
    split = (
        pl.when(pl.col("posted_at") < first)
        .then(pl.lit("train"))
        .when(pl.col("posted_at") < second)
        .then(pl.lit("valid"))
        .otherwise(pl.lit("test"))
    )
    return posts.select("post_id", split=split)


def published(posts: pl.DataFrame, seeds: tuple[int, int]) -> pl.DataFrame:
    """MMRA's split of MicroLens (mmra.md section 4): 80/10/10, two seeded draws over ascending integer ids.

    The first output of the second draw is test and the second one valid, as in the published code.
    """
    from sklearn.model_selection import train_test_split

    ids = posts.select("post_id", number=pl.col("post_id").cast(pl.Int64, strict=False)).sort("number", "post_id")
    if ids["number"].null_count():
        other = ids.filter(pl.col("number").is_null())["post_id"][0]
        raise bad_input(
            "splits: method 'published' needs integer ids", value=other, expected="method random for others"
        )
    if ids.height < 10:
        raise BadInput(f"splits: method 'published' needs at least 10 labelled posts, got {ids.height}")
    train, rest = train_test_split(ids["post_id"].to_list(), test_size=0.2, random_state=seeds[0])
    test, valid = train_test_split(rest, test_size=0.5, random_state=seeds[1])
    named = [("train", train), ("valid", valid), ("test", test)]
    return pl.concat([pl.DataFrame({"post_id": group, "split": [name] * len(group)}) for name, group in named])


def rolling_origins(count: int, parts: int, train_parts: int) -> list[tuple[slice, slice]]:
    """Row ranges (train, test) of every origin: rows in time order cut into ``parts`` equal parts (DTCN, IJCAI 2017).

    Origin k trains on parts k .. k + train_parts - 1 and tests on the part after them.

    >>> rolling_origins(28, parts=14, train_parts=9)[0]
    (slice(0, 18, None), slice(18, 20, None))
    """
    edges = np.linspace(0, count, parts + 1).astype(int).tolist()
    return [
        (slice(edges[k], edges[k + train_parts]), slice(edges[k + train_parts], edges[k + train_parts + 1]))
        for k in range(parts - train_parts)
    ]


def rolling_origin(posts: pl.DataFrame, section: Split) -> pl.DataFrame:
    """One origin of :func:`rolling_origins`. The last ninth of its training rows validates; other posts are left out.

    Rows outside the origin's window become ``unlabelled``: nothing learns from them or scores them.
    """
    ordered = posts.sort("posted_at", "post_id")
    train, test = rolling_origins(posts.height, section.parts, section.train_parts)[section.origin]
    split = np.full(posts.height, None, dtype=object)
    split[train] = "train"
    split[train.stop - max(1, (train.stop - train.start) // section.train_parts) : train.stop] = "valid"
    split[test] = "test"
    return pl.DataFrame(
        {"post_id": ordered["post_id"], "split": pl.Series(split.tolist(), dtype=pl.String)}
    ).drop_nulls()


def newest_per_author(posts: pl.DataFrame, section: Split, seed: int) -> pl.DataFrame:
    """Valid and test are the newest post of two drawn groups of authors; everything else trains.

    For data whose posts to predict are each author's newest, all counted at one moment (decision 004): a chronological
    cut would give training no post as young as those. Needs authors; ``shares`` are shares of the authors.
    """
    if posts["user_id"].null_count():
        raise BadInput("splits: method 'newest_per_author' needs user_id in every labelled post")
    newest = posts.sort("posted_at", "post_id").group_by("user_id", maintain_order=True).agg(pl.col("post_id").last())
    draw = stable_random(newest["user_id"], seed, "newest_per_author")
    _, valid, test = section.shares or (0.6, 0.2, 0.2)
    named = np.where(draw < valid, "valid", np.where(draw < valid + test, "test", "train"))
    chosen = newest.select("post_id").with_columns(split=pl.Series(named.tolist(), dtype=pl.String))
    return (
        posts.select("post_id").join(chosen, on="post_id", how="left").with_columns(pl.col("split").fill_null("train"))
    )


def newest_folds(train: pl.DataFrame, folds: int, seed: int) -> pl.DataFrame:
    """Folds 0 .. K-1 of authors: the newest training post of an author is in the fold of its author, no other post is.

    A model is asked about the newest posts of a few authors when it has learned all others, their neighbours in time
    among them (decision 004). So are out-of-fold models here: a post without a fold is learned by each of them.
    """
    newest = train.sort("posted_at", "post_id").group_by("user_id", maintain_order=True).agg(pl.col("post_id").last())
    fold = np.floor(stable_random(newest["user_id"], seed, "newest_folds") * folds).astype(np.int8)
    return newest.select("post_id", fold=pl.Series(fold))


def time_folds(train: pl.DataFrame, folds: int, burst_hours: float, span_hours: float) -> pl.DataFrame:
    """Folds 0 (oldest) .. K-1 of about equal size, in the order of time, a user's burst never cut in two.

    A burst is a run of one user's posts, each within ``burst_hours`` of the one before, cut every ``span_hours`` from
    its first post on; it goes to the fold of its first post. So a fold may reach ``span_hours`` beyond the start of the
    next one. What learns from earlier folds leaves these rows out: ``popcast.models.contract.stopping.older``.
    """
    ordered = train.select("post_id", "user_id", "posted_at").sort("user_id", "posted_at", "post_id")
    gap = pl.col("posted_at").diff().over("user_id").dt.total_microseconds() > burst_hours * 3_600_000_000
    starts = gap.fill_null(True) | pl.col("user_id").is_null()
    since = (pl.col("posted_at") - pl.col("posted_at").min().over("run")).dt.total_microseconds()
    piece = since // max(1, round(span_hours * 3_600_000_000))
    ordered = ordered.with_columns(run=starts.cum_sum()).with_columns(
        burst_start=pl.col("posted_at").min().over("run", piece)
    )
    edges = [cut_at(ordered["posted_at"], k / folds) for k in range(1, folds)]
    fold = pl.lit(0, dtype=pl.Int8)
    for edge in edges:
        fold = fold + (pl.col("burst_start") >= edge).cast(pl.Int8)
    return ordered.select("post_id", fold=fold.cast(pl.Int8))


def kept_together(posts: pl.DataFrame, by: str | None) -> str:
    """Column of what a random split never cuts in two: ``user_id`` or ``post_id``. by: of the section, null to choose.

    Raises BadInput where authors are asked for and some post has none.
    """
    known = posts["user_id"].null_count() == 0
    if by == "author" and not known:
        raise BadInput("splits: method 'random' by author needs user_id in every labelled post")
    if by is not None:
        return {"author": "user_id", "post": "post_id"}[by]
    return "user_id" if known and posts["user_id"].n_unique() >= LEAST_AUTHORS else "post_id"


def random_parts(posts: pl.DataFrame, section: Split, seed: int) -> pl.DataFrame:
    """Train, valid and test by a hash of author or post: for tables without time, never a forecast.

    Authors (or posts) in the order of their hash, cut where ``shares`` of the posts are reached. The order of the rows
    in the file takes no part.
    """
    train, valid, _ = section.shares or (0.7, 0.15, 0.15)
    key = kept_together(posts, section.by)
    groups = posts.group_by(key).len("posts").sort(key)
    groups = groups[np.argsort(stable_random(groups[key], seed, "random"), kind="stable")]
    middle = (groups["posts"].cum_sum() - groups["posts"] / 2) / posts.height
    split = pl.when(middle < train).then(pl.lit("train")).when(middle < train + valid).then(pl.lit("valid"))
    groups = groups.with_columns(split=split.otherwise(pl.lit("test")))
    return posts.select("post_id", "user_id").join(groups.select(key, "split"), on=key).select("post_id", "split")


def random_folds(train: pl.DataFrame, folds: int, seed: int, key: str = "post_id") -> pl.DataFrame:
    """K folds of about equal size in the order of a seeded draw, for datasets without time.

    key: column of what stays in one fold, posts or authors.
    """
    named = train[key].unique(maintain_order=True)
    draw = stable_random(named, seed, "folds")
    rank = np.empty(len(draw), dtype=np.int64)
    rank[np.argsort(draw, kind="stable")] = np.arange(len(draw))
    drawn = pl.DataFrame({key: named, "fold": (rank % folds).astype(np.int8)})
    return train.select("post_id", "user_id").join(drawn, on=key, how="left").select("post_id", "fold")

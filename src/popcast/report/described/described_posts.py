"""Tables that describe a dataset: authors, categories, times and numbers, and the label by each.

Source: the folder ``data_analysis`` of SMP-2025, which draws users, categories and times of its posts and the label by
each. Posts of all parts are counted; labels are those of the training part alone, so that nobody who looks at the
pictures chooses by labels of the test part.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import polars as pl

MOST = 15
"""Categories and numbers shown, the most used and the strongest."""
BINS = 40
AUTHORS = ((1, 1), (2, 2), (3, 5), (6, 10), (11, 20), (21, 50), (51, 200), (201, None))
"""Posts per author, from and to."""
LEAST = 20
"""Training posts with both values from which a correlation is told."""


def described(posts: pl.DataFrame, zone: str) -> dict[str, pl.DataFrame]:
    """Name -> table; those about what the dataset does not have are left out.

    posts: the ``posts`` table with ``split``. zone: in which hours and days are told.
    """
    local = posts.with_columns(at=pl.col("posted_at").dt.convert_time_zone(zone))
    train = local.filter(pl.col("split") == "train", pl.col("popularity").is_not_null())
    made: dict[str, Callable[[], pl.DataFrame]] = {
        "label_distribution": lambda: label_distribution(train),
        "posts_by_author": lambda: posts_by_author(local, train),
        "label_by_category": lambda: label_by(train, pl.col("category")).sort(
            "posts", "value", descending=[True, False]
        ).head(MOST),
        "label_by_hour": lambda: label_by(train, pl.col("at").dt.hour()).sort("value"),
        "label_by_weekday": lambda: label_by(train, pl.col("at").dt.weekday()).sort("value"),
        "posts_by_month": lambda: posts_by_month(local),
        "label_by_month": lambda: label_by(train, pl.col("at").dt.strftime("%Y-%m")).sort("value"),
        "label_and_numbers": lambda: label_and_numbers(train),
    }  # fmt: skip
    return {name: table for name, make in made.items() if (table := make()).height}


def label_distribution(train: pl.DataFrame) -> pl.DataFrame:
    """``from``, ``to``, ``posts``: a histogram of the label."""
    label = train["popularity"].to_numpy()
    if not len(label):
        return pl.DataFrame()
    counts, edges = np.histogram(label, bins=BINS if label.min() < label.max() else 1)
    return pl.DataFrame({"from": edges[:-1], "to": edges[1:], "posts": counts})


def posts_by_author(posts: pl.DataFrame, train: pl.DataFrame) -> pl.DataFrame:
    """``posts_each``, ``authors``, ``posts`` (of all parts) and the label's quartiles over their training posts."""
    each = posts.drop_nulls("user_id").group_by("user_id").agg(each=pl.len())
    labels = train.drop_nulls("user_id").join(each, on="user_id")
    rows = []
    for low, high in AUTHORS:
        within = pl.col("each").is_between(low, np.iinfo(np.int64).max if high is None else high)
        some, label = each.filter(within), labels.filter(within)["popularity"]
        if some.height:
            name = f"{low}+" if high is None else f"{low}-{high}" if high > low else f"{low}"
            rows.append([name, some.height, int(some["each"].sum()), *(label.quantile(at) for at in (0.25, 0.5, 0.75))])
    names = {"posts_each": pl.String, "authors": pl.Int64, "posts": pl.Int64}
    return pl.DataFrame(rows, schema=names | dict.fromkeys(("q25", "median", "q75"), pl.Float64), orient="row")


def label_by(train: pl.DataFrame, of: pl.Expr) -> pl.DataFrame:
    """``value`` (as text), ``posts``, ``q25``, ``median``, ``q75`` of the label by what ``of`` says of a post."""
    label = pl.col("popularity")
    quartiles = {"q25": label.quantile(0.25), "median": label.median(), "q75": label.quantile(0.75)}
    known = train.with_columns(value=of).drop_nulls("value")
    return known.group_by("value").agg(posts=pl.len(), **quartiles).sort("value")


def posts_by_month(posts: pl.DataFrame) -> pl.DataFrame:
    """``month``, ``part``, ``posts``."""
    known = posts.drop_nulls("at").with_columns(month=pl.col("at").dt.strftime("%Y-%m"))
    return known.group_by("month", part="split").agg(posts=pl.len()).sort("month", "part")


def label_and_numbers(train: pl.DataFrame) -> pl.DataFrame:
    """``number``, ``posts``, ``src``: rank correlation of the label with what is known of a post at posting time."""
    from popcast.scoring.metrics import spearman

    told = train.with_columns(
        pl.col("title").str.len_chars().alias("length of the title"),
        pl.col("tags").list.len().alias("number of tags"),
        pl.col("media").list.len().alias("number of files"),
    )
    own = [name for name in train.columns if name.startswith(("user_", "post_")) and train.schema[name].is_numeric()]
    rows = []
    for name in [*own, "length of the title", "number of tags", "number of files"]:
        both = told.select(pl.col(name).cast(pl.Float64).alias("x"), "popularity").drop_nulls().drop_nans()
        if both.height >= LEAST:
            found = float(spearman(both["popularity"].to_numpy(), both["x"].to_numpy()))
            if not np.isnan(found):
                rows.append([name, both.height, found])
    table = pl.DataFrame(rows, schema={"number": pl.String, "posts": pl.Int64, "src": pl.Float64}, orient="row")
    return table.sort(pl.col("src").abs(), "number", descending=[True, False]).head(MOST)

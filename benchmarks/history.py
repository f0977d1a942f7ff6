"""Time and memory of the ``history`` block on generated posts: ``python -m benchmarks.history --posts 305613``.

Prints seconds, rows per second, peak memory and, in the same run, the ratio to a plain pandas version (groupby, shift,
expanding and rolling per author) that makes only a subset of the columns and knows nothing of splits.
"""

from __future__ import annotations

import resource
import time

import click
import numpy as np
import polars as pl

from popcast.core.tables import TIME
from popcast.features.common.contract import Context
from popcast.features.history import Block, Params

YEAR = 366 * 86_400
START = 1_425_139_200


def generated_posts(n: int, seed: int) -> pl.DataFrame:
    """Posts of about n/5 authors with heavy-tailed activity in one year; 8 % valid, 8 % test, folds of equal size."""
    rng = np.random.default_rng(seed)
    user = np.minimum((rng.pareto(0.9, n) * n / 60).astype(np.int64), n // 5)
    seconds = np.sort(rng.integers(0, YEAR, n))
    concept = rng.zipf(1.3, n) % 668
    words = rng.zipf(1.25, (n, 8)) % 50_000
    category = concept % 11
    train = int(n * 0.84)
    split = np.where(np.arange(n) < train, "train", np.where(np.arange(n) < int(n * 0.92), "valid", "test"))
    fold = np.minimum(np.arange(n) * 4 // train, 4)
    level = rng.normal(0, 1.5, n // 5 + 1)[user]
    strings = pl.select(
        user_id=pl.Series(user).cast(pl.String) + "@N1",
        category=pl.Series(category).cast(pl.String),
        subcategory=pl.Series(concept % 77).cast(pl.String),
        concept=pl.Series(concept).cast(pl.String),
        tags=pl.Series(words).cast(pl.List(pl.String)),
    )
    return strings.with_columns(
        post_id=pl.Series(rng.permutation(n)).cast(pl.String),
        posted_at=pl.Series((START + seconds) * 1_000_000).cast(TIME),
        post_mediatype=pl.when(pl.Series(rng.random(n) < 0.01)).then(pl.lit("video")).otherwise(pl.lit("photo")),
        popularity=pl.Series(np.round(6.4 + level + rng.normal(0, 1.9, n), 2)),
        split=pl.Series(split),
        fold=pl.when(pl.Series(fold) < 4).then(pl.Series(fold, dtype=pl.Int8)),
    )


def with_pandas(posts: pl.DataFrame) -> int:
    """Count, mean, median, std, min, max, last and rolling means of the author's older posts, the usual way."""
    import pandas as pd

    columns = posts.select("user_id", "posted_at", "popularity").to_dict(as_series=False)
    frame = pd.DataFrame(columns).sort_values(["user_id", "posted_at"])
    older = frame.groupby("user_id")["popularity"].shift()
    groups = older.groupby(frame["user_id"])
    found = {name: getattr(groups.expanding(), name)() for name in ("count", "mean", "median", "std", "min", "max")}
    found |= {f"mean_last_{k}": groups.rolling(k, min_periods=1).mean() for k in (3, 5, 10)}
    return len(pd.DataFrame(found))


@click.command()
@click.option("--posts", "n", default=305_613, show_default=True)
@click.option("--seed", default=0, show_default=True)
@click.option("--as-of", default="post", type=click.Choice(["post", "fold"]), show_default=True)
@click.option("--pandas/--no-pandas", "compare", default=True, show_default=True, help="also run the plain version")
def main(n: int, seed: int, as_of: str, compare: bool) -> None:
    """Time the block, then the plain version."""
    posts = generated_posts(n, seed)
    started = time.perf_counter()
    features = Block(Params(as_of=as_of), Context("generated", seed)).fit(posts).transform(posts)
    seconds = time.perf_counter() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    click.echo(f"history, as_of {as_of}: {n} generated posts, {features.width - 1} columns")
    click.echo(f"{seconds:.2f} s, {n / seconds:.0f} rows/s, peak {peak:.0f} MB with the posts")
    if compare:
        started = time.perf_counter()
        with_pandas(posts)
        plain = time.perf_counter() - started
        click.echo(f"plain pandas, 9 columns: {plain:.2f} s; ratio {plain / seconds:.2f}")


if __name__ == "__main__":
    main()

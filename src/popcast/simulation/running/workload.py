"""What there is to simulate: which posts, what the audience sees of them, how often, cut into shards.

Posts with the same trigger line share a simulation. A seeded sample of labelled posts is simulated several times, with
other seeds, for the ablation. Labels decide nothing here but which posts have one; their values are dropped at once.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from popcast.core.errors import BadInput
from popcast.core.stable import stable_random
from popcast.simulation.params import Work
from popcast.simulation.policies.persona_prompts import triggers
from popcast.simulation.records import Trigger

LABELLED = ("train", "valid", "test")


@dataclass(frozen=True)
class Shard:
    """Simulations of one file and one task: the line and the run of each, and similarities [len, personas]."""

    number: int
    lines: tuple[str, ...]
    runs: tuple[int, ...]
    similarities: np.ndarray


def sample(posts: pl.DataFrame, count: int | None, seed: int, purpose: str) -> pl.DataFrame:
    """``count`` posts (null: all) that their ids and the seed draw, in order of ids."""
    posts = posts.sort("post_id")
    if count is None or count >= posts.height:
        return posts
    order = np.argsort(stable_random(posts["post_id"], seed, purpose), kind="stable")
    return posts[np.sort(order[:count])]


def triggers_table(posts: pl.DataFrame, splits: pl.DataFrame, work: Work, seed: int) -> tuple[pl.DataFrame, int]:
    """Table ``triggers`` and the number of chosen posts that have no text, which nobody can react to.

    posts: the ``posts`` table without its labels; splits: its ``splits`` table.
    """
    purpose = "simulated posts"
    if work.training is not None:
        train = splits.filter(split="train").select("post_id")
        kept = sample(posts.join(train, on="post_id", how="semi"), work.training, seed, purpose)
        posts = pl.concat([posts.join(train, on="post_id", how="anti"), kept])
    chosen = sample(posts, work.posts, seed, purpose)
    found = chosen.select("post_id").with_columns(triggers(chosen).alias("line"))
    shown = found.drop_nulls("line")
    if shown.is_empty():
        raise BadInput(f"posts: none of {chosen.height} has a title, a category or anything else to show an audience")
    labelled = splits.filter(pl.col("split").is_in(LABELLED)).select("post_id")
    repeated = sample(shown.join(labelled, on="post_id", how="semi"), work.repeated, seed, "repeated posts")
    keys = {line: Trigger(line).key for line in shown["line"].unique()}
    if len(set(keys.values())) < len(keys):
        raise BadInput("posts: two trigger lines have the same key: change one of the posts by a letter")
    runs = pl.when(pl.col("post_id").is_in(repeated["post_id"].implode())).then(work.runs).otherwise(1)
    table = shown.select(
        "post_id",
        pl.col("line").replace_strict(keys, return_dtype=pl.String).alias("trigger"),
        "line",
        runs.cast(pl.Int16).alias("runs"),
    )
    return table, chosen.height - shown.height


def distinct(triggers: pl.DataFrame) -> pl.DataFrame:
    """trigger, line, runs (the most of its posts), one row per trigger, sorted by trigger."""
    return triggers.group_by("trigger").agg(pl.first("line"), pl.max("runs")).sort("trigger")


def shards(simulated: pl.DataFrame, similarities: np.ndarray, size: int) -> list[Shard]:
    """Simulations in the order of (run, trigger), ``size`` per shard.

    simulated: of :func:`distinct`; similarities: a row for each of its rows.
    """
    runs, lines = simulated["runs"].to_numpy(), simulated["line"]
    pairs = np.concatenate([_pairs(run, np.flatnonzero(runs > run)) for run in range(runs.max())])
    cut = [pairs[start : start + size] for start in range(0, len(pairs), size)]
    return [
        Shard(number, tuple(lines[rows]), tuple(part[:, 0].tolist()), _rows(similarities, rows))
        for number, part in enumerate(cut)
        for rows in [part[:, 1]]
    ]


def _pairs(run: int, rows: np.ndarray) -> np.ndarray:
    return np.stack([np.full_like(rows, run), rows], axis=1)


def _rows(array: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """``array[rows]``; where the rows follow one another, a view, since a simulation of all posts has many."""
    first, last = int(rows[0]), int(rows[-1])
    return array[first : last + 1] if last - first == len(rows) - 1 else array[rows]

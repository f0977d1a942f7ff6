"""Which posts are simulated, how often, and which of them share a simulation."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from popcast.core import tables
from popcast.core.errors import BadInput
from popcast.simulation.records import Trigger
from popcast.simulation.running import workload


def posts_of(titles: list[str | None]) -> pl.DataFrame:
    columns = {"post_id": [f"p{i:02d}" for i in range(len(titles))], "title": titles}
    return pl.DataFrame(columns, schema_overrides={"title": pl.String})


def splits_of(posts: pl.DataFrame) -> pl.DataFrame:
    parts = ["train", "valid", "test", "unlabelled"]
    return posts.select("post_id", split=pl.Series([parts[i % 4] for i in range(posts.height)]))


def test_posts_that_share_a_line_share_a_simulation():
    posts = posts_of(["sea", "sky", "sea", None, "sea", "sun"])
    plan = workload.Work(posts=None, runs=5, repeated=None)
    table, without_text = workload.triggers_table(posts, splits_of(posts), plan, 0)
    tables.check(table, tables.TRIGGERS, "triggers")
    assert without_text == 1
    assert table["post_id"].to_list() == ["p00", "p01", "p02", "p04", "p05"]
    assert table["trigger"].n_unique() == 3
    assert table["runs"].to_list() == [5, 5, 5, 5, 5]
    simulated = workload.distinct(table)
    assert simulated["trigger"].to_list() == sorted(simulated["trigger"])
    shards = workload.shards(simulated, np.zeros((3, 2)), 4)
    assert [len(shard.lines) for shard in shards] == [4, 4, 4, 3]
    pairs = [(run, Trigger(line).key) for shard in shards for run, line in zip(shard.runs, shard.lines, strict=True)]
    assert pairs == [(run, key) for run in range(5) for key in simulated["trigger"]]


def test_repeated_posts_are_labelled_and_do_not_depend_on_the_others():
    posts = posts_of([f"title {i}" for i in range(400)])
    splits = splits_of(posts)
    plan = workload.Work(posts=320, runs=3, repeated=60)
    table, _ = workload.triggers_table(posts, splits, plan, 1)
    assert table.height == 320
    repeated = table.filter(pl.col("runs") == 3)
    assert repeated.height == 60
    assert set(repeated.join(splits, on="post_id")["split"]) == {"train", "valid", "test"}
    turned, _ = workload.triggers_table(posts.reverse(), splits.reverse(), plan, 1)
    assert turned.equals(table)
    fewer, _ = workload.triggers_table(posts, splits, plan.model_copy(update={"posts": 300}), 1)
    assert set(fewer["post_id"]) < set(table["post_id"])
    other, _ = workload.triggers_table(posts, splits, plan, 2)
    assert set(other["post_id"]) != set(table["post_id"])


def test_fewer_training_posts_and_all_others():
    posts = posts_of([f"title {i}" for i in range(400)])
    splits = splits_of(posts)

    def parts(**limits: int) -> tuple[set[str], dict[str, int]]:
        table, _ = workload.triggers_table(posts, splits, workload.Work(runs=1, **limits), 1)
        found = table.join(splits, on="post_id")
        return set(found["post_id"]), dict(found.group_by("split").len().iter_rows())

    some, counts = parts(training=30)
    assert counts == {"train": 30, "valid": 100, "test": 100, "unlabelled": 100}
    more, _ = parts(training=40)
    assert some < more
    assert parts(training=1000) == parts()
    both, counts = parts(training=30, posts=200)
    assert both < some
    assert sum(counts.values()) == 200


def test_posts_without_any_text_are_refused():
    posts = posts_of([None, None])
    with pytest.raises(BadInput, match="none of 2 has a title, a category or anything else"):
        workload.triggers_table(posts, splits_of(posts), workload.Work(), 0)

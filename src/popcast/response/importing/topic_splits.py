"""Which topics are for training: never a part of a topic, by time where times are known."""

from __future__ import annotations

import polars as pl

from popcast.core.stable import stable_random

PARTS = ("train", "valid", "test")


def assign(topics: pl.DataFrame, shares: tuple[float, float, float], seed: int) -> pl.Series:
    """The split of each topic, in the order of ``topics``.

    topics: ``topic_id``, ``time`` (or null), ``withheld`` (bool: becomes ``unlabelled``). The oldest topics with a time
    train, the newest test. Those without a time are divided among themselves by a draw that depends on the seed and
    their id alone. Of three topics or more every part gets one.

    >>> topics = pl.DataFrame({"topic_id": ["a", "b", "c"], "time": [3, 1, 2], "withheld": [False] * 3})
    >>> assign(topics, (0.7, 0.15, 0.15), 0).to_list()
    ['test', 'train', 'valid']
    """
    split = dict.fromkeys(topics.filter("withheld")["topic_id"].to_list(), "unlabelled")
    open_ones = topics.filter(~pl.col("withheld"))
    timed = open_ones.filter(pl.col("time").is_not_null()).sort("time", "topic_id")["topic_id"].to_list()
    drawn = open_ones.filter(pl.col("time").is_null())["topic_id"].to_list()
    numbers = dict(zip(drawn, stable_random(drawn, seed, "topic split").tolist(), strict=True))
    for ids in (timed, sorted(drawn, key=lambda topic_id: (numbers[topic_id], topic_id))):
        split.update(zip(ids, _parts(len(ids), shares), strict=True))
    return pl.Series("split", [split[topic_id] for topic_id in topics["topic_id"].to_list()], dtype=pl.String)


def _parts(n: int, shares: tuple[float, float, float]) -> list[str]:
    """Parts of ``n`` topics in order; where there are too few for three parts, training goes first and test second.

    >>> _parts(4, (0.7, 0.15, 0.15)), _parts(1, (0.7, 0.15, 0.15))
    (['train', 'train', 'valid', 'test'], ['train'])
    """
    if n < 3:
        return ["train", "test"][:n]
    valid, test = (max(1, round(n * share)) for share in shares[1:])
    while valid + test >= n:
        valid, test = (valid - 1, test) if valid > test else (valid, test - 1)
    return [*["train"] * (n - valid - test), *["valid"] * valid, *["test"] * test]

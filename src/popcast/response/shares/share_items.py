"""Posts of a dataset, or topics of a set of responses, in one frame, with the reactions of each class that they got.

Both kinds are read through the tables that earlier stages wrote; nothing measured after posting is among the columns.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from popcast.core import tables
from popcast.core.errors import BadInput, bad_input
from popcast.features.common.contract import Context
from popcast.features.common.joined_text import joined_text
from popcast.features.metadata.block import Block as Metadata
from popcast.response.response_tables import COUNTS, SENTIMENTS, TOPICS

POSTHOC = "posthoc_"
FACT = "fact_"
FIXED = ("post_id", "user_id", "posted_at", "text", "category", "split")


@dataclass(frozen=True)
class Items:
    """n items in order of time, then id; those without a time last.

    frame: ``FIXED`` (user_id, posted_at, text and category may be null) and feature columns ``<block>.<column>``:
    numbers, categories and embeddings. counts: float64 [n, classes], all 0 where nothing was counted: such a row is
    predicted, but neither learned from nor scored. classes: their names, in the order of the columns.
    """

    frame: pl.DataFrame
    counts: np.ndarray
    classes: tuple[str, ...]

    def part(self, chosen: np.ndarray) -> Items:
        """The rows of a boolean mask or an index array."""
        return Items(self.frame[np.arange(self.frame.height)[chosen]], self.counts[chosen], self.classes)

    @property
    def totals(self) -> np.ndarray:
        """Reactions of all classes, float64 [n]."""
        return self.counts.sum(axis=1)


def items_of(frame: pl.DataFrame, counts: np.ndarray, classes: Sequence[str], file: Path | str = "items") -> Items:
    """Check the counts of a frame (see :class:`Items`) and put both in order.

    Raises BadInput for fewer than two classes, a class named twice, a count that is negative or not finite.
    """
    if len(classes) < 2 or len(set(classes)) < len(classes):
        raise BadInput(f"{file}: classes: got {list(classes)}, expected at least two, all different")
    counts = np.asarray(counts, np.float64)
    if counts.shape != (frame.height, len(classes)):
        raise BadInput(f"{file}: counts of shape {counts.shape}, expected {(frame.height, len(classes))}")
    wrong = np.argwhere(~(np.isfinite(counts) & (counts >= 0)))
    if len(wrong):
        row, column = wrong[0].tolist()
        raise bad_input(
            f"count of post {frame['post_id'][row]!r}",
            file=file,
            field=classes[column],
            value=float(counts[row, column]),
            expected="a number of reactions, 0 or more",
        )
    order = frame.select(pl.arg_sort_by("posted_at", "post_id", nulls_last=True)).to_series().to_numpy()
    return Items(frame[order], counts[order], tuple(classes))


def read_posts(
    posts_file: Path, splits_file: Path, feature_files: dict[str, Path], classes: Sequence[str], zone: str = "UTC"
) -> Items:
    """Posts of the main DAG. classes: ``posthoc_`` columns without their prefix.

    feature_files: block -> table. The block ``metadata`` is made here where it is not among them. A post with a
    missing count in any class has none. Raises BadInput for a column that the posts lack.
    """
    posts = tables.labelled(tables.read(posts_file, tables.POSTS), tables.read(splits_file, tables.SPLIT_TABLE))
    names = [POSTHOC + name.removeprefix(POSTHOC) for name in classes]
    known = sorted(name for name in posts.columns if name.startswith(POSTHOC))
    for name in names:
        if name not in known:
            raise bad_input(
                "no such column: a class of reactions", file=posts_file, field=name, expected=f"one of {known}"
            )
    complete = ~pl.any_horizontal(pl.col(names).is_null())
    counts = posts.select(pl.when(complete).then(pl.col(name)).otherwise(0.0).alias(name) for name in names).to_numpy()
    frame = posts.select(
        "post_id", "user_id", "posted_at", joined_text(posts, ["title", "tags"]).alias("text"), "category", "split"
    )
    if "metadata" not in feature_files:
        frame = frame.join(_metadata(posts, zone), on="post_id", how="left", maintain_order="left")
    for name, file in feature_files.items():
        table = tables.read_features(file)
        if table.height != frame.height or not table["post_id"].is_in(frame["post_id"].implode()).all():
            raise BadInput(f"{file}: block {name!r} and posts hold different posts: run `dvc repro`")
        frame = frame.join(table, on="post_id", how="left", maintain_order="left")
    return items_of(frame, counts, classes, posts_file)


def read_topics(folder: Path, classes: Sequence[str] = SENTIMENTS, zone: str = "UTC") -> Items:
    """A set of responses, ``data/responses/<key>``: its topics with the counts of their classes.

    A topic that the counts leave out has none. Raises BadInput for a class that no sentiment is, for a row of counts of
    another length and for one of an unknown topic.
    """
    for name in classes:
        if name not in SENTIMENTS:
            raise bad_input("unknown class", file=folder, field="classes", value=name, expected=f"one of {SENTIMENTS}")
    if tuple(classes) != SENTIMENTS:
        raise bad_input("classes of topics", file=folder, value=list(classes), expected=f"{list(SENTIMENTS)}")
    topics = tables.read(folder / "topics.parquet", TOPICS).sort("topic_id")
    file = folder / "counts.parquet"
    counted = tables.read(file, COUNTS)
    strange = counted.join(topics, left_on="post_id", right_on="topic_id", how="anti")
    if strange.height:
        raise bad_input("counts of an unknown topic", file=file, value=strange["post_id"][0])
    wrong = counted.with_row_index("row", 1).filter(pl.col("counts").list.len() != len(classes))
    if wrong.height:
        row, value = wrong.row(0, named=True)["row"], wrong["counts"][0].to_list()
        raise bad_input("counts", file=file, row=row, value=value, expected=f"{len(classes)} numbers, {list(classes)}")
    joined = topics.join(counted, left_on="topic_id", right_on="post_id", how="left", maintain_order="left")
    counts = np.array([[0.0] * len(classes) if row is None else row for row in joined["counts"].to_list()])
    posts = _as_posts(topics)
    frame = posts.select("post_id", "user_id", "posted_at", pl.col("title").alias("text"), "category", "split")
    frame = frame.join(_metadata(posts, zone), on="post_id", how="left", maintain_order="left")
    return items_of(frame, counts.reshape(-1, len(classes)), classes, file)


def _as_posts(topics: pl.DataFrame) -> pl.DataFrame:
    """Topics with the columns of ``posts``; facts become ``post_`` columns."""
    facts = [pl.col(name).alias(f"post_{name}") for name in topics.columns if name.startswith(FACT)]
    own = topics.select(
        "split", *facts, post_id="topic_id", user_id="author_id", posted_at="news_time", title="news_text"
    )
    missing = [
        pl.lit(None, dtype=dtype).alias(name) for name, dtype in tables.POSTS_COLUMNS.items() if name not in own.columns
    ]
    return own.with_columns(missing)


def _metadata(posts: pl.DataFrame, zone: str) -> pl.DataFrame:
    block = Metadata(Metadata.Params(), Context("items", 0, zone=zone))
    return block.fit(posts).transform(posts)

"""Items of both kinds come from their tables into one frame; what is wrong with counts or classes is one line."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from popcast.core import tables
from popcast.core.errors import BadInput
from popcast.response.response_tables import SENTIMENTS, TOPICS, TOPICS_KEY
from popcast.response.shares.share_items import items_of, read_posts, read_topics
from tests.response.share_world import CLASSES, share_world


@pytest.fixture
def posts(tmp_path):
    """Four posts with two classes of reactions: files of posts, splits and a block."""
    times = (pl.Series([4, 3, 2, None], dtype=pl.Int64) * 86_400_000_000).cast(tables.TIME)
    known = {
        "post_id": ["a", "b", "c", "d"],
        "user_id": ["u", "u", None, "v"],
        "posted_at": times,
        "title": ["one", None, "three", "four"],
        "tags": [None, ["x", "y"], None, None],
        "popularity": [1.0, 2.0, 3.0, None],
        "posthoc_love": [3.0, 0.0, 1.0, None],
        "posthoc_sad": [1.0, 0.0, None, None],
    }
    table = pl.DataFrame(known).with_columns(
        pl.lit(None, dtype=dtype).alias(name) for name, dtype in tables.POSTS_COLUMNS.items() if name not in known
    )
    splits = pl.DataFrame({"post_id": known["post_id"], "split": ["train", "train", "test", "unlabelled"]})
    splits = splits.with_columns(fold=pl.lit(None, pl.Int8))
    block = pl.DataFrame({"post_id": known["post_id"], "text.score": [0.1, 0.2, 0.3, 0.4]})
    files = [tmp_path / f"{name}.parquet" for name in ("posts", "splits", "text")]
    for file, content, schema in zip(
        files, (table, splits, block), (tables.POSTS, tables.SPLIT_TABLE, tables.FEATURES), strict=True
    ):
        tables.write(content, file, schema)
    return files


def test_posts_in_order_of_time_with_their_counts(posts):
    items = read_posts(posts[0], posts[1], {"text": posts[2]}, ["love", "sad"])
    assert items.frame["post_id"].to_list() == ["c", "b", "a", "d"]
    assert items.counts.tolist() == [[0, 0], [0, 0], [3, 1], [0, 0]]  # c: one count is missing, so it has none
    assert items.frame["text"].to_list() == ["three", "x y", "one", "four"]
    assert items.frame["text.score"].to_list() == [0.3, 0.2, 0.1, 0.4]
    assert not [name for name in items.frame.columns if "posthoc" in name or "popularity" in name]


def test_metadata_is_made_where_no_block_brings_it(posts):
    assert "metadata.hour" in read_posts(posts[0], posts[1], {}, ["love", "sad"]).frame.columns


def test_class_without_column(posts):
    with pytest.raises(BadInput, match=r"posts\.parquet.*posthoc_wow.*posthoc_love.*posthoc_sad"):
        read_posts(posts[0], posts[1], {}, ["love", "wow"])


def test_block_of_other_posts(posts):
    tables.write(pl.DataFrame({"post_id": ["a"], "text.score": [0.1]}), posts[2], tables.FEATURES)
    with pytest.raises(BadInput, match="hold different posts"):
        read_posts(posts[0], posts[1], {"text": posts[2]}, ["love", "sad"])


@pytest.mark.parametrize("value", [-1.0, float("nan"), float("inf")])
def test_count_that_is_none(value):
    world = share_world(20)
    counts = world.counts.copy()
    counts[3, 1] = value
    with pytest.raises(BadInput, match=rf"sad.*{world.frame['post_id'][3]}.*0 or more") as error:
        items_of(world.frame, counts, CLASSES)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("classes", [("love",), ("love", "love", "sad")])
def test_classes_that_are_none(classes):
    world = share_world(20)
    with pytest.raises(BadInput, match="at least two, all different"):
        items_of(world.frame, world.counts[:, : len(classes)], classes)


def _topics(folder, counts):
    table = pl.DataFrame(
        {
            "topic_id": ["t2", "t1", "t3"],
            "hashtag": pl.Series([None, "x", None], dtype=pl.String),
            "news_text": ["second", "first", "third"],
            "news_time": (pl.Series([2, 1, 3], dtype=pl.Int64) * 86_400_000_000).cast(tables.TIME),
            "author_id": ["a", None, "a"],
            "source": ["post", "search", "post"],
            "split": ["train", "train", "unlabelled"],
            "fact_followers": [10.0, None, 30.0],
        }
    )
    tables.write(table, folder / "topics.parquet", TOPICS, TOPICS_KEY)
    counted = pl.DataFrame(counts, schema={"post_id": pl.String, "counts": pl.List(pl.Float64)})
    counted.write_parquet(folder / "counts.parquet")


def test_topics_become_items(tmp_path):
    _topics(tmp_path, {"post_id": ["t1", "t2"], "counts": [[1.0, 0.0, 2.0], [0.0, 0.0, 5.0]]})
    items = read_topics(tmp_path)
    assert items.frame["post_id"].to_list() == ["t1", "t2", "t3"]
    assert items.frame["text"].to_list() == ["first", "second", "third"]
    assert items.frame["user_id"].to_list() == [None, "a", "a"]
    assert items.frame["metadata.post_fact_followers"].to_list() == [None, 10.0, 30.0]
    assert np.array_equal(items.counts, [[1, 0, 2], [0, 0, 5], [0, 0, 0]])


@pytest.mark.parametrize(
    ("counts", "classes", "words"),
    [
        ({"post_id": ["t9"], "counts": [[1.0, 0.0, 2.0]]}, SENTIMENTS, "unknown topic.*t9"),
        ({"post_id": ["t1"], "counts": [[1.0, 2.0]]}, SENTIMENTS, "expected 3 numbers"),
        ({"post_id": ["t1"], "counts": [[1.0, -2.0, 0.0]]}, SENTIMENTS, "-2.0"),
        ({"post_id": ["t1"], "counts": [None]}, SENTIMENTS, "counts"),
        ({"post_id": ["t1"], "counts": [[None, 1.0, 0.0]]}, SENTIMENTS, "expected"),
        ({"post_id": ["t1"], "counts": [[1.0, 0.0, 2.0]]}, ("negative", "wow", "positive"), "unknown class.*wow"),
        ({"post_id": ["t1"], "counts": [[1.0, 0.0, 2.0]]}, SENTIMENTS[::-1], "classes of topics"),
    ],
)
def test_topics_with_wrong_counts(tmp_path, counts, classes, words):
    _topics(tmp_path, counts)
    with pytest.raises(BadInput, match=words):
        read_topics(tmp_path, classes)

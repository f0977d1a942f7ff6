"""Block ``windows`` against a slow loop, in the default and in the published zero-filled form."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from popcast.core.errors import BadInput
from popcast.features.common.contract import Context
from popcast.features.windows import Block, Params
from tests.generated import make_posts, new_posts

WIDTH = 4


def embedded(posts: pl.DataFrame) -> pl.DataFrame:
    """An embedding per post that depends on the post alone; some have none."""
    ids = posts["post_id"].to_list()
    rows = [np.random.default_rng([len(i), *i.encode()]).normal(size=WIDTH).astype(np.float32) for i in ids]
    missing = [sum(i.encode()) % 11 == 0 for i in ids]
    column = pl.Series(
        "embedding",
        [None if gone else row.tolist() for row, gone in zip(rows, missing, strict=True)],
        dtype=pl.Array(pl.Float32, WIDTH),
    )
    return pl.DataFrame({"post_id": ids}).with_columns(column)


def fitted(posts: pl.DataFrame, **params) -> Block:
    return Block(Params(**params), Context("generated", 0)).fit(posts, embedded(posts))


def number_or_text(post_id: str) -> tuple:
    return (0, int(post_id), post_id) if post_id.isdigit() and int(post_id) < 2**63 else (1, 0, post_id)


def order(post: dict) -> tuple:
    return post["posted_at"], number_or_text(post["post_id"])


def expected(post: dict, rows: list[dict], vectors: dict, size: int, min_periods: int, zero_fill: bool):
    own = [r for r in rows if post["user_id"] is not None and r["user_id"] == post["user_id"]]
    older = sorted([r for r in own if r["post_id"] != post["post_id"] and order(r) < order(post)], key=order)
    window = [vectors[r["post_id"]] for r in [*older[max(len(older) - size + 1, 0) :], post]]
    present = [np.array(v, np.float64) for v in window if v is not None]
    if zero_fill and len({r["post_id"] for r in [*own, post]}) < size:
        return vectors[post["post_id"]]
    if len(present) < min_periods:
        return None
    return sum(present) / (size if zero_fill else len(present))


@pytest.mark.parametrize(
    ("size", "min_periods", "zero_fill"),
    [(3, 1, False), (5, 1, False), (3, 2, False), (3, 1, True), (5, 1, True), (1, 1, False)],
)
def test_equals_the_slow_loop(size, min_periods, zero_fill):
    posts = make_posts(250, seed=2)
    block = fitted(posts, size=size, min_periods=min_periods, zero_fill=zero_fill)
    for asked in (posts, new_posts(posts, 40)):
        table = embedded(asked)
        vectors = dict(zip(table["post_id"], table["embedding"].to_list(), strict=True))
        vectors |= dict(zip(posts["post_id"], embedded(posts)["embedding"].to_list(), strict=True))
        found = block.transform(asked, table)
        assert found.schema["windows.embedding"] == pl.Array(pl.Float32, WIDTH)
        assert found["post_id"].to_list() == asked["post_id"].to_list()
        for post, value in zip(asked.to_dicts(), found["windows.embedding"].to_list(), strict=True):
            wanted = expected(post, posts.to_dicts(), vectors, size, min_periods, zero_fill)
            assert (value is None) == (wanted is None), post["post_id"]
            if value is not None:
                assert np.allclose(value, wanted, atol=1e-6), post["post_id"]


def test_published_form_shrinks_the_first_posts():
    posts = make_posts(200).with_columns(user_id=pl.lit("a@N1"))
    vectors = pl.DataFrame({"post_id": posts["post_id"]}).with_columns(
        embedding=pl.Series([[1.0] * WIDTH] * 200, dtype=pl.Array(pl.Float32, WIDTH))
    )
    first = posts.sort("posted_at", pl.col("post_id").cast(pl.Int64))["post_id"][:3].to_list()
    for zero_fill, wanted in ((False, [1.0, 1.0, 1.0]), (True, [1 / 3, 2 / 3, 1.0])):
        block = Block(Params(zero_fill=zero_fill), Context("generated", 0)).fit(posts, vectors)
        found = dict(block.transform(posts, vectors).rows())
        assert [found[i][0] for i in first] == pytest.approx(wanted)


def test_ties_follow_ids_as_integers_then_as_text():
    moment = make_posts(20)["posted_at"][0]
    posts = pl.DataFrame({"post_id": ["b", "10", "9"], "user_id": ["a"] * 3, "posted_at": [moment] * 3})
    vectors = posts.select("post_id", embedding=pl.Series([[8.0], [1.0], [3.0]], dtype=pl.Array(pl.Float32, 1)))
    block = Block(Params(), Context("generated", 0)).fit(posts, vectors)
    assert dict(block.transform(posts, vectors).rows()) == {"b": [4.0], "10": [2.0], "9": [3.0]}


def test_rows_do_not_depend_on_one_another(tmp_path):
    posts = make_posts(150)
    block = fitted(posts)
    whole = block.transform(posts, embedded(posts))
    block.save(tmp_path / "windows")
    loaded = Block.load(tmp_path / "windows", block.context)
    assert loaded.transform(posts, embedded(posts)).equals(whole)
    assert loaded.transform(posts[9], embedded(posts[9])).equals(whole[9])
    assert fitted(posts.reverse()).transform(posts, embedded(posts)).equals(whole)


@pytest.mark.parametrize("column", ["user_id", "posted_at"])
def test_dataset_without_authors_or_times_is_refused(column):
    posts = make_posts(50)
    empty = posts.with_columns(pl.lit(None, dtype=posts.schema[column]).alias(column))
    with pytest.raises(BadInput, match=f"block 'windows' needs {column}"):
        fitted(empty)


def test_missing_embedding_is_refused():
    with pytest.raises(BadInput, match="declare it in derived"):
        Block(Params(), Context("generated", 0)).fit(make_posts(50))

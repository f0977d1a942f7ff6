"""Block ``neighbours`` against a plain loop, and the rules of who may see whose label (sheet mmra.md 3 and 13.6)."""

from datetime import timedelta
from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest

from popcast.core.errors import BadInput
from popcast.features.common import nearest, retrieval
from popcast.features.common.contract import Context
from popcast.features.neighbours import Block, Params
from tests.generated import make_posts, new_posts

WIDTH = 6


def context(final_fit: str = "labelled") -> Context:
    return Context("generated", seed=1, final_fit=final_fit)


def make_embedding(posts: pl.DataFrame, seed: int = 0) -> pl.DataFrame:
    """Few distinct vectors with noise on some of them, so that exact ties are common; some posts have none."""
    rng = np.random.default_rng(seed)
    prototypes = rng.standard_normal((25, WIDTH))
    vectors = prototypes[rng.integers(0, 25, posts.height)]
    vectors[::3] += 0.2 * rng.standard_normal(vectors[::3].shape)
    table = pl.DataFrame({"post_id": posts["post_id"], "embedding": vectors.astype(np.float32)})
    return table.with_columns(pl.when(pl.int_range(pl.len()) % 11 != 4).then("embedding"))


def without_time(posts: pl.DataFrame) -> pl.DataFrame:
    fold = pl.when(pl.col("split") == "train").then(pl.col("post_id").str.slice(-1).cast(pl.Int8) % 4)
    return posts.with_columns(posted_at=pl.lit(None, dtype=posts.schema["posted_at"]), fold=fold)


def may_see(query: dict, other: dict, posts: pl.DataFrame, params: Params, final_fit: str) -> bool:
    """The rule, spelled out for one pair of posts."""
    if other["popularity"] is None or other["post_id"] == query["post_id"]:
        return False
    late = params.test_bank == "train+valid" and query.get("split") == "test" and other["split"] == "valid"
    if other["split"] != "train" and not late and not (final_fit == "labelled" and query.get("popularity") is None):
        return False
    if query["posted_at"] is None:
        return query.get("split") != "train" or query["fold"] != other["fold"]
    if not other["posted_at"] < query["posted_at"]:
        return False
    if params.as_of == "fold" and query.get("split") == "train":
        start = posts.filter(split="train", fold=query["fold"])["posted_at"].min()
        if other["posted_at"] >= start:
            return False
    same = query["user_id"] is not None and query["user_id"] == other["user_id"]
    return not same or query["posted_at"] - other["posted_at"] >= timedelta(hours=params.exclude_hours)


def plain_neighbours(query, posts, vectors, params, final_fit, own: bool) -> list[tuple[float, str, float]]:
    """(similarity, id, label) of the nearest posts by a loop over all posts."""
    mine = vectors[query["post_id"]]
    found = []
    for other in posts.iter_rows(named=True):
        theirs = vectors[other["post_id"]]
        if theirs is None or not may_see(query, other, posts, params, final_fit):
            continue
        if own and (query["user_id"] is None or other["user_id"] != query["user_id"]):
            continue
        cosine = float(mine @ theirs / np.linalg.norm(mine) / np.linalg.norm(theirs))
        found.append((-round(cosine, 5), other["post_id"], other["popularity"]))
    return sorted(found)[: params.k_stored]


def vectors_of(embedding: pl.DataFrame) -> dict:
    return {
        post: None if vector is None else np.array(vector, np.float64)
        for post, vector in zip(embedding["post_id"], embedding["embedding"].to_list(), strict=True)
    }


@pytest.mark.parametrize("final_fit", ["labelled", "train"])
@pytest.mark.parametrize("kind", ["post", "fold", "no time"])
def test_equals_a_plain_loop(kind, final_fit, monkeypatch):
    monkeypatch.setattr(nearest, "BLOCK", 37)
    monkeypatch.setattr(nearest, "CELLS", 900)
    monkeypatch.setattr(nearest, "SPARE", 2)
    posts = make_posts(160)
    fresh = new_posts(posts, 12).with_columns(popularity=pl.lit(None, dtype=pl.Float64))
    if kind == "no time":
        posts, fresh = without_time(posts), fresh.with_columns(posted_at=pl.lit(None, dtype=fresh.schema["posted_at"]))
    params = Params(k=3, k_stored=5, as_of="fold" if kind == "fold" else "post", exclude_hours=4.0, temperature=0.2)
    params = params.model_copy(update={"test_bank": "train" if final_fit == "labelled" else "train+valid"})
    asked = pl.concat([posts, fresh], how="diagonal")
    embedding = make_embedding(asked)
    vectors = vectors_of(embedding)
    block = Block(params, context(final_fit)).fit(posts, embedding)
    table = block.transform(asked, embedding)
    assert table["post_id"].to_list() == asked["post_id"].to_list()
    with_neighbours = 0
    for query, row in zip(asked.iter_rows(named=True), table.iter_rows(named=True), strict=True):
        if vectors[query["post_id"]] is None:
            assert all(value is None for name, value in row.items() if name != "post_id")
            continue
        expected = plain_neighbours(query, posts, vectors, params, final_fit, own=False)
        index = [i for i in row["neighbours.index"] if i is not None]
        got = [s for s in row["neighbours.similarity"] if s is not None]
        np.testing.assert_allclose(got, [-s for s, _, _ in expected], atol=2e-5)
        assert [block.bank["post_id"][i] for i in index] == [post for _, post, _ in expected]
        labels = np.array([label for _, _, label in expected[: params.k]])
        assert row["neighbours.count"] == len(labels)
        own = plain_neighbours(query, posts, vectors, params, final_fit, own=True)[: params.k]
        assert row["neighbours.author_count"] == len(own)
        if own:
            weights = np.exp([-s / params.temperature for s, _, _ in own])
            mean = weights @ [label for _, _, label in own] / weights.sum()
            assert row["neighbours.author_label_mean"] == pytest.approx(mean, abs=1e-3)
            assert row["neighbours.author_similarity"] == pytest.approx(-own[0][0], abs=2e-5)
        if not len(labels):
            assert row["neighbours.label_mean"] is None
            continue
        with_neighbours += 1
        weights = np.exp([-s / params.temperature for s, _, _ in expected[: params.k]])
        mean = weights @ labels / weights.sum()
        assert row["neighbours.label_mean"] == pytest.approx(mean, abs=1e-3)
        assert row["neighbours.label_median"] == pytest.approx(np.median(labels))
        assert row["neighbours.top_similarity"] == pytest.approx(-expected[0][0], abs=2e-5)
        spread = np.sqrt(weights @ (labels - mean) ** 2 / weights.sum())
        assert row["neighbours.label_spread"] == pytest.approx(spread, abs=1e-3)
    assert with_neighbours > 100


@pytest.mark.parametrize("timed", [True, False])
def test_retriever_invariants(timed):
    posts = make_posts(200) if timed else without_time(make_posts(200))
    embedding = make_embedding(posts)
    block = Block(Params(), context()).fit(posts, embedding)
    table = block.transform(posts, embedding).join(posts.select("post_id", "split", "fold"), on="post_id")
    bank = block.bank.with_row_index("index", 0).rename({"post_id": "neighbour", "split": "of", "fold": "from"})
    pairs = table.select("post_id", "split", "fold", index="neighbours.index").explode("index").drop_nulls("index")
    pairs = pairs.with_columns(pl.col("index").cast(pl.UInt32)).join(bank, on="index")
    assert pairs.height > 1000
    assert pairs.filter(pl.col("post_id") == pl.col("neighbour")).is_empty()
    assert pairs.filter(pl.col("split") != "unlabelled")["of"].unique().to_list() == ["train"]
    assert set(pairs.filter(pl.col("split") == "unlabelled")["of"]) == {"train", "valid", "test"}
    if not timed:
        assert pairs.filter((pl.col("split") == "train") & (pl.col("fold") == pl.col("from"))).is_empty()


def test_labels_of_test_and_of_later_posts_change_nothing():
    posts = make_posts(200)
    embedding = make_embedding(posts)
    before = Block(Params(), context()).fit(posts, embedding).transform(posts, embedding)
    shuffled = posts.with_columns(
        popularity=pl.when(pl.col("split") == "test").then(20 - pl.col("popularity")).otherwise("popularity")
    )
    after = Block(Params(), context()).fit(shuffled, embedding).transform(posts, embedding)
    evaluated = pl.Series(posts["split"] != "unlabelled")
    assert before.filter(evaluated).equals(after.filter(evaluated))
    assert not before.filter(~evaluated).equals(after.filter(~evaluated))
    middle = posts.filter(split="train")["posted_at"].median()
    early = pl.Series(posts["posted_at"] <= middle)
    kept = posts.filter(early)
    shorter = Block(Params(), context()).fit(kept, embedding).transform(kept, embedding)
    assert before.filter(early).equals(shorter)


def test_order_of_rows_and_saving_change_nothing(tmp_path):
    posts = make_posts(150)
    embedding = make_embedding(posts)
    block = Block(Params(k=5, k_stored=7), context()).fit(posts, embedding)
    table = block.transform(posts, embedding)
    mixed = posts.sample(fraction=1, shuffle=True, seed=5)
    again = Block(Params(k=5, k_stored=7), context()).fit(mixed, embedding.reverse())
    assert again.transform(mixed, embedding.reverse()).sort("post_id").equals(table.sort("post_id"))
    block.save(tmp_path / "a")
    again.save(tmp_path / "b")
    for name in ("block.json", "bank.parquet", "bank.safetensors"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    loaded = Block.load(tmp_path / "a", context())
    assert loaded.transform(posts, embedding).equals(table)
    assert table.schema["neighbours.index"] == pl.Array(pl.Int32, 7)
    one = loaded.transform(posts[3:4], embedding)
    assert one.select(pl.exclude("neighbours.similarity")).equals(
        table[3:4].select(pl.exclude("neighbours.similarity"))
    )


def test_search_is_exact_on_many_rows():
    rng = np.random.default_rng(3)
    bank = nearest.unit_rows(rng.standard_normal((3000, 16)).astype(np.float32))
    bank[1000:1100] = bank[0]
    queries = np.vstack([bank[:1], bank[500:900]])
    before = np.append(3000, rng.integers(0, 3000, 400))
    visible = nearest.Visible(before, np.full(401, -1), before, np.full(3000, -1))
    index, found = nearest.nearest(queries, bank, visible, np.arange(3000)[::-1].copy(), 20)
    assert index[0].tolist() == list(range(1099, 1079, -1))  # 101 equal rows: the ones of lowest rank
    for i in range(1, 401):
        cosine = np.sort(bank[: before[i]].astype(np.float64) @ queries[i])[::-1][:20]
        np.testing.assert_allclose(found[i][: len(cosine)], cosine, atol=1e-6)
        assert (index[i] >= 0).sum() == len(cosine)


def test_refusals():
    posts = make_posts(60)
    with pytest.raises(BadInput, match="derived block"):
        Block(Params(), context()).fit(posts)
    with pytest.raises(BadInput, match="no training post has a label"):
        Block(Params(), context()).fit(posts.filter(split="unlabelled"), make_embedding(posts))


@pytest.mark.parametrize("timed", [True, False])
def test_drop_same_title_leaves_out_equal_titles_and_nothing_else(timed, monkeypatch):
    monkeypatch.setattr(retrieval, "CELLS", 40)
    posts = make_posts(140) if timed else without_time(make_posts(140))
    posts = posts.with_columns(pl.col("title").str.split(" ").list.first())
    embedding = make_embedding(posts)
    vectors = vectors_of(embedding)
    params = Params(k=4, k_stored=4, drop_same_title=True)
    block = Block(params, context()).fit(posts, embedding)
    table = block.transform(posts, embedding)
    dropped = 0
    for query, row in zip(posts.iter_rows(named=True), table.iter_rows(named=True), strict=True):
        if vectors[query["post_id"]] is None:
            continue
        title = query["title"]
        others = posts.filter(pl.col("title").ne_missing(title) | pl.col("title").is_null())
        expected = plain_neighbours(query, others, vectors, params, "labelled", own=False)
        whole = plain_neighbours(query, posts, vectors, params, "labelled", own=False)
        got = [block.bank["post_id"][i] for i in row["neighbours.index"] if i is not None]
        assert got == [post for _, post, _ in expected]
        dropped += expected != whole
    assert dropped > 5


def test_drop_same_title_survives_saving(tmp_path):
    posts = make_posts(100).with_columns(pl.col("title").str.split(" ").list.first())
    embedding = make_embedding(posts)
    block = Block(Params(k=3, k_stored=3, drop_same_title=True), context()).fit(posts, embedding)
    block.save(tmp_path)
    table = block.transform(posts, embedding)
    assert Block.load(tmp_path, context()).transform(posts, embedding).equals(table)
    plain = Block(Params(k=3, k_stored=3), context()).fit(posts, embedding)
    assert not plain.transform(posts, embedding).equals(table)
    assert "title" not in plain.bank.columns


@pytest.mark.parametrize(
    ("which", "problem"),
    [("itself", "for itself"), ("later", "later post"), ("test", "outside the training part"), ("fold", "same fold")],
)
def test_a_search_that_breaks_a_rule_is_stopped(which, problem, monkeypatch):
    """The last check before neighbours are given: here the search is made to answer one row for everybody."""
    posts = make_posts(120) if which != "fold" else without_time(make_posts(120))
    embedding = make_embedding(posts).with_columns(pl.col("embedding").fill_null(strategy="forward"))
    block = Block(Params(k=1, k_stored=1, scopes=["all"]), context()).fit(posts, embedding)
    bank = block.bank.with_row_index("row")
    training = bank.filter(split="train")
    row = {"itself": training["row"][3], "later": training["row"][-1], "fold": training["row"][0]}
    row["test"] = bank.filter(split="test")["row"][0]
    asked = posts.filter(pl.col("post_id") == bank["post_id"][row["itself"]])
    if which == "fold":
        own = bank["fold"][row["fold"]]
        asked = posts.filter((pl.col("fold") == own) & (pl.col("post_id") != bank["post_id"][row["fold"]]))[:1]
    answer = np.array([[row[which]]], np.int32), np.ones((1, 1), np.float32)
    everybody = SimpleNamespace(row=np.arange(len(block.bank)))
    monkeypatch.setattr(retrieval.Bank, "_searches", lambda *_: iter([("all", np.array([0]), everybody)]))
    monkeypatch.setattr(retrieval.Bank, "_nearest", lambda *_: answer)
    with pytest.raises(AssertionError, match=problem):
        block.transform(asked, embedding)

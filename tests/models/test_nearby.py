"""What a handful of alike posts says: found by wording, never the post itself, calibrated leave-one-out."""

import numpy as np
import orjson
import polars as pl
import pytest

from popcast.core.errors import BadInput
from popcast.features.common.nearest import unit_rows
from popcast.models.nearby import Params, Predictor
from popcast.models.nearby.alike_posts import AlikePosts
from tests.models.wide import wide


def frames(series: np.ndarray, rng: np.random.Generator) -> pl.DataFrame:
    """Embeddings of posts that belong to ``series``: near the middle of it, in columns of very different spread."""
    middles = np.random.default_rng(5).normal(size=(40, 6))
    vectors = (middles[series] + rng.normal(0, 0.05, (len(series), 6))) * [1, 1, 1, 100, 0.01, 1] + 7
    return pl.DataFrame({"text.embedding": pl.Series(vectors, dtype=pl.Array(pl.Float32, 6))})


@pytest.fixture
def world():
    rng = np.random.default_rng(1)
    series = rng.integers(0, 40, 300)
    level = np.random.default_rng(6).normal(5, 1, 40)
    posts = wide()[0].head(100)
    posts = pl.concat([posts.with_columns(post_id=pl.format(f"{i}-{{}}", "post_id")) for i in range(3)])
    return posts, frames(series, rng), level[series] + rng.normal(0, 0.3, 300), level[series]


def test_posts_of_one_series_speak_for_each_other(world):
    posts, features, target, level = world
    model = Predictor(Params(k=5), 0).fit(posts[:250], features[:250], target[:250], None)
    error = np.abs(model.predict(posts[250:], features[250:]) - level[250:])
    assert error.mean() < 0.25
    assert 0.8 < model.slope < 1.1, "neighbours are nearly as good as the truth"


def test_a_learned_post_does_not_find_itself(world):
    posts, features, target, _ = world
    shifted = target.copy()
    shifted[0] += 50.0
    before = Predictor(Params(k=5), 0).fit(posts, features, target, None)
    after = Predictor(Params(k=5), 0).fit(posts, features, shifted, None)
    own = [model._mean(posts[:1], features[:1])[0] for model in (before, after)]
    assert own[0] == pytest.approx(own[1], abs=1e-9)


def test_neighbours_that_say_nothing_are_calibrated_away():
    rng = np.random.default_rng(2)
    posts = wide()[0].head(100)
    features = pl.DataFrame({"text.embedding": pl.Series(rng.normal(size=(100, 4)), dtype=pl.Array(pl.Float32, 4))})
    target = rng.normal(5, 1, 100)
    model = Predictor(Params(), 0).fit(posts, features, target, None)
    assert np.abs(model.predict(posts, features) - target.mean()).max() < 0.6 * target.std()


def test_a_missing_column_is_named(world):
    posts, features, target, _ = world
    for params in (Params(embedding="text.other"), Params(beside=["text.other"])):
        with pytest.raises(BadInput, match=r"nearby: embedding column 'text.other' is missing"):
            Predictor(params, 0).fit(posts, features, target, None)


def test_further_embeddings_and_words_are_one_cosine_each(world):
    """Against the plain way: a mean of three cosine matrices over all pairs."""
    from sklearn.preprocessing import normalize

    from popcast.models.inputs.text_terms import TextTerms

    posts, features, target, _ = world
    rng = np.random.default_rng(8)
    titles = [" ".join(rng.choice(["cat", "dog", "cake", "tea", "rain", "song"], 3)) for _ in range(posts.height)]
    posts = posts.with_columns(title=pl.Series(titles))
    features = features.with_columns(
        frames(rng.integers(0, 40, 300), rng).rename({"text.embedding": "text_b.embedding"})
    )
    params = Params(k=7, beside=["text_b.embedding"], words=["title"])
    model = Predictor(params, 0).fit(posts[:250], features[:250], target[:250], None)

    cosines = []
    for name in ("text.embedding", "text_b.embedding"):
        values = features[name].to_numpy()
        unit = normalize((values - values[:250].mean(axis=0)) / values[:250].std(axis=0))
        cosines.append(unit[250:] @ unit[:250].T)
    terms = TextTerms().fit(titles[:250], 2)
    words = normalize(terms.transform(titles))
    cosines.append((words[250:] @ words[:250].T).toarray())
    alike = np.mean(cosines, axis=0)
    expected = []
    for row in alike:
        best = np.argsort(-row)[:7]
        weights = np.exp(row[best] / params.temperature)
        expected.append(weights @ target[:250][best] / weights.sum())
    assert model._mean(posts[250:], features[250:]) == pytest.approx(np.array(expected), abs=1e-4)


def test_words_speak_for_posts_without_vectors(world):
    posts, features, target, _ = world
    titles = ["cake and tea" if i % 2 else "rain and song" for i in range(posts.height)]
    posts, target = posts.with_columns(title=pl.Series(titles)), np.where(np.arange(300) % 2, 3.0, 7.0)
    features = features.with_columns(pl.lit(None, features.schema["text.embedding"]).alias("text.embedding"))
    blind = Predictor(Params(), 0).fit(posts[:250], features[:250], target[:250], None)
    assert np.ptp(blind.predict(posts[250:], features[250:])) == 0
    reading = Predictor(Params(words=["title"]), 0).fit(posts[:250], features[:250], target[:250], None)
    assert reading.predict(posts[250:], features[250:]) == pytest.approx(target[250:], abs=1e-6)


def test_posts_found_do_not_depend_on_who_asks_beside():
    rng = np.random.default_rng(3)
    vectors = unit_rows(rng.normal(size=(700, 5)).round(1))
    vectors[rng.choice(700, 200)] = vectors[0]  # many ties
    ids = pl.Series([f"p{i:03d}" for i in rng.permutation(700)])
    bank = AlikePosts(ids, vectors, None, 1)
    together = bank.neighbours(ids, vectors, None, 9)
    alone = [bank.neighbours(ids[i : i + 1], vectors[i : i + 1], None, 9) for i in (0, 350, 699)]
    for i, (index, similarity) in zip((0, 350, 699), alone, strict=True):
        assert index[0].tolist() == together[0][i].tolist()
        assert similarity[0].tolist() == together[1][i].tolist()
        assert i not in index[0]


def test_fewer_posts_than_neighbours():
    vectors = unit_rows(np.eye(3))
    ids = pl.Series(["a", "b", "c"])
    index, similarity = AlikePosts(ids, vectors, None, 1).neighbours(ids, vectors, None, 5)
    assert index.tolist() == [[1, 2, -1, -1, -1], [0, 2, -1, -1, -1], [0, 1, -1, -1, -1]]
    assert not similarity.any()


def test_files_of_one_embedding_alone_still_load(world, tmp_path):
    """Written before there were several: no widths, and more columns of the posts."""
    posts, features, target, _ = world
    model = Predictor(Params(k=5), 0).fit(posts[:250], features[:250], target[:250], None)
    model.save(tmp_path)
    file = tmp_path / "predictor.json"
    content = orjson.loads(file.read_bytes())
    del content["widths"]
    content["params"] = {"embedding": "text.embedding", "k": 5, "temperature": 0.125}
    file.write_bytes(orjson.dumps(content))
    loaded = Predictor.load(tmp_path)
    assert loaded.predict(posts, features).tolist() == model.predict(posts, features).tolist()

"""What a handful of alike posts says: found by wording, never the post itself, calibrated leave-one-out."""

import numpy as np
import polars as pl
import pytest

from popcast.core.errors import BadInput
from popcast.models.nearby import Params, Predictor
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
    own = [model._mean(posts[:1], model._vectors(features[:1]))[0] for model in (before, after)]
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
    with pytest.raises(BadInput, match=r"nearby: embedding column 'text.other' is missing"):
        Predictor(Params(embedding="text.other"), 0).fit(posts, features, target, None)

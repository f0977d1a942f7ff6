"""Text scores: a row's own label never reaches its score, authors have their own words, save and load are exact."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from popcast.models.inputs.text_scores import ScoreParams, TextScores

PARAMS = ScoreParams(min_df=1, alpha=1.0, author_alpha=1.0, author_posts=10, stretches=4)


@pytest.fixture
def posts():
    """200 posts: "cake" lifts author a and sinks author b; author c has too few posts for an own model."""
    rng = np.random.default_rng(3)
    words = rng.choice(["cake", "rain", "music"], 200)
    users = np.array(["a", "b"])[np.arange(200) % 2].tolist()
    users[::40] = ["c"] * 5
    return pl.DataFrame({"user_id": users, "title": [f"{word} today" for word in words]})


def residuals(posts: pl.DataFrame) -> np.ndarray:
    cake = posts["title"].str.contains("cake").to_numpy()
    return np.where(cake, np.where(posts["user_id"] == "b", -2.0, 2.0), 0.0)


def test_an_author_has_words_of_its_own(posts):
    scores = TextScores(PARAMS)
    scores.fit(posts, residuals(posts))
    new = pl.DataFrame({"user_id": ["a", "b", "c", None, "unseen"], "title": ["cake today"] * 5})
    own = scores.transform(new)["scores.author_text"].to_list()
    assert own[0] > 1.5
    assert own[1] < -1.5
    assert own[2:] == [None, None, None]
    assert scores.transform(new)["scores.text"].n_unique() == 1


def test_a_row_does_not_see_its_own_label(posts):
    y = residuals(posts)
    before = TextScores(PARAMS).fit(posts, y)
    changed = y.copy()
    changed[:50] += 7.0  # the first of four stretches
    after = TextScores(PARAMS).fit(posts, changed)
    assert after[:50].equals(before[:50])
    assert not after[50:].equals(before[50:])


def test_scores_of_training_rows_generalise(posts):
    y = np.random.default_rng(0).normal(size=200)
    titles = [f"only{i} here{i}" for i in range(200)]
    scores = TextScores(PARAMS).fit(posts.with_columns(title=pl.Series(titles)), y)
    in_sample = TextScores(PARAMS)
    in_sample.fit(posts.with_columns(title=pl.Series(titles)), y)
    seen = in_sample.transform(posts.with_columns(title=pl.Series(titles)))
    assert abs(np.corrcoef(scores["scores.text"].to_numpy(), y)[0, 1]) < 0.3
    assert np.corrcoef(seen["scores.text"].to_numpy(), y)[0, 1] > 0.8


def test_save_and_load_are_exact(posts, tmp_path):
    scores = TextScores(PARAMS)
    scores.fit(posts, residuals(posts))
    scores.save(tmp_path)
    assert TextScores.load(tmp_path).transform(posts).equals(scores.transform(posts))


@pytest.mark.parametrize("titles", [[None] * 30, [""] * 30])
def test_no_words_no_scores(titles, tmp_path):
    posts = pl.DataFrame({"user_id": ["a"] * 30, "title": pl.Series(titles, dtype=pl.String)})
    scores = TextScores(PARAMS)
    assert scores.fit(posts, np.arange(30.0)).null_count().sum_horizontal()[0] == 60
    scores.save(tmp_path)
    assert TextScores.load(tmp_path).transform(posts).null_count().sum_horizontal()[0] == 60

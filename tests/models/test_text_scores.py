"""Text scores: a row's own label never reaches its score, authors have their own words, save and load are exact."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import polars as pl
import pytest
from scipy import sparse
from sklearn.linear_model import Ridge

from popcast.models import hyfea, lightgbm, on_top
from popcast.models.contract.stopping import ASIDE, Window, stopping_window
from popcast.models.inputs.author_words import joint_weights
from popcast.models.inputs.text_scores import LEVEL_STRENGTH, ScoreParams, TextScores, author_levels

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


CENTERED = PARAMS.model_copy(update={"centered": True})
JOINT = PARAMS.model_copy(update={"authors": "joint"})
EVERY = pytest.mark.parametrize("params", [PARAMS, CENTERED, JOINT], ids=["plain", "centered", "joint"])


def test_authors_learned_together_share_what_they_agree_on(posts):
    """a and b disagree on "cake"; all agree on "news"; c, of five posts, has its own weights and the shared ones."""
    rng = np.random.default_rng(4)
    news = rng.random(200) < 0.5
    titles = [f"{title}{' news' if new else ''}" for title, new in zip(posts["title"], news, strict=True)]
    scores = TextScores(JOINT.model_copy(update={"author_alpha": 0.1}))
    scores.fit(posts.with_columns(title=pl.Series(titles)), residuals(posts) + 3.0 * news)
    new = pl.DataFrame(
        {"user_id": ["a", "b", "c", None, "unseen"] * 2, "title": ["cake today"] * 5 + ["news today"] * 5}
    )
    found = scores.transform(new)["scores.author_text"].to_numpy()
    cake, new = found[:5], found[5:]
    assert cake[0] > 1.2
    assert cake[1] < -1.2
    assert new.min() > 1.5
    assert cake[3] == cake[4]
    assert abs(cake[4]) < 1.0, "shared weights alone: the two authors cancel out"


def test_copies_are_author_by_term_columns():
    """Against a dense design matrix that is written out by hand."""
    words = sparse.csr_matrix(np.array([[1.0, 0.0], [1.0, 2.0], [0.0, 1.0], [1.0, 1.0], [3.0, 0.0]]))
    authors, target = pl.Series(["a", "b", "a", "b", None]), np.array([1.0, -1.0, 2.0, 0.5, 0.0])
    found = joint_weights(words, target, authors, 0.7, 2.0, 1)
    dense = np.zeros((5, 6))
    dense[:, :2] = words.toarray()
    for row, place in ((0, 2), (2, 2), (1, 4), (3, 4)):
        dense[row, place : place + 2] = 2.0 * words.toarray()[row]
    by_hand = Ridge(alpha=0.7, solver="cholesky").fit(dense, target)
    np.testing.assert_allclose(found.score(words, authors), by_hand.predict(dense), atol=1e-4)
    none = joint_weights(words, target, authors, 0.7, 2.0, 3)
    assert none.own == {}, "no author uses a term three times"


def test_marks_and_moments_are_terms_where_they_are_asked_for():
    """What is popular: "!", an "i" alone, the evening, and videos."""
    rng = np.random.default_rng(6)
    loud, single, late, video = (rng.random(400) < 0.5 for _ in range(4))
    posts = pl.DataFrame(
        {
            "user_id": ["a"] * 400,
            "title": [f"well{' i' if one else ''}{'!' if big else ''}" for big, one in zip(loud, single, strict=True)],
            "category": np.where(video, "live video", "link"),
            "posted_at": [datetime(2024, 3, 1, 20 if night else 8, tzinfo=UTC) for night in late],
        }
    )
    found = {}
    for name, more in {"words": {}, "all": {"marks": True, "besides": ["hour", "weekday", "category"]}}.items():
        scores = TextScores(PARAMS.model_copy(update=more))
        scores.fit(posts, 1.0 * loud + 2.0 * single + 4.0 * late + 8.0 * video)
        found[name] = scores.transform(posts)["scores.text"].to_numpy()
    assert np.ptp(found["words"]) < 1e-6
    for effect, chosen in ((1, loud), (2, single), (4, late), (8, video)):
        assert found["all"][chosen].mean() - found["all"][~chosen].mean() == pytest.approx(effect, abs=1.0)
    nothing = posts.with_columns(pl.lit(None, pl.Datetime("us", "UTC")).alias("posted_at")).drop("category")
    assert scores.transform(nothing)["scores.text"].null_count() == 0


TREES = {"loss": "mae", "rounds": 60}
MAKERS = {
    "lightgbm": lambda text, **more: lightgbm.Predictor(lightgbm.Params(text=text, blocks=[], **TREES, **more), 0),
    "hyfea": lambda text, **more: hyfea.Predictor(hyfea.Params(text=text, blocks=[], depth=4, **TREES, **more), 0),
    "on_top": lambda text, **more: on_top.Predictor(
        on_top.Params(model="lightgbm", set={"blocks": ["scores"], "rounds": 60}, loss="mae", text=text, **more), 0
    ),
}


def test_centered_scores_learn_from_the_target_whatever_the_start_value(posts):
    y = residuals(posts)
    noise = np.random.default_rng(7).normal(0, 3, 200)
    first, second = TextScores(CENTERED), TextScores(CENTERED)
    assert first.fit(posts, y, target=y).equals(second.fit(posts, y - noise, target=y))
    plain = TextScores(PARAMS)
    assert not plain.fit(posts, y, target=y).equals(TextScores(PARAMS).fit(posts, y - noise, target=y))


@EVERY
def test_a_row_does_not_see_its_own_label(posts, params):
    y = residuals(posts)
    before = TextScores(params).fit(posts, y)
    changed = y.copy()
    changed[:50] += 7.0  # the first of four stretches
    after = TextScores(params).fit(posts, changed)
    assert after[:50].equals(before[:50])
    assert not after[50:].equals(before[50:])


def test_centered_scores_do_not_tell_how_large_an_author_is():
    """A large and a small page of two words of their own each; of both, "news" brings 1 more."""
    rng = np.random.default_rng(5)
    large, news = np.arange(300) % 2 == 0, rng.random(300) < 0.5
    titles = [f"{'sport' if big else 'art'}{' news' if new else ''}" for big, new in zip(large, news, strict=True)]
    users = np.where(large, "large", "small")
    posts = pl.DataFrame({"user_id": users, "title": titles, "category": np.where(large, "video", "link")})
    residual = np.where(large, 4.0, -4.0) + news + rng.normal(0, 0.1, 300)
    asked = pl.DataFrame({"user_id": ["new"] * 3, "title": ["sport", "art", "sport news"]})
    plain, centered = (
        (scores.fit(posts, residual), scores.transform(asked)["scores.text"].to_list())[1]
        for scores in (TextScores(PARAMS), TextScores(CENTERED))
    )
    assert plain[0] - plain[1] > 6
    assert abs(centered[0] - centered[1]) < 0.2
    assert centered[2] - centered[0] == pytest.approx(1.0, abs=0.2)


def test_levels_are_means_of_authors_and_their_categories():
    posts = pl.DataFrame({"user_id": ["a", "a", "a", None], "category": ["x", "x", None, "x"]})
    value = np.array([2.0, 4.0, 6.0, 9.0])
    level = 12 / (3 + LEVEL_STRENGTH)
    finer = (2.0 - level + 4.0 - level) / (2 + LEVEL_STRENGTH)
    assert author_levels(posts, value) == pytest.approx([level + finer, level + finer, level, 0.0])


def test_scores_of_training_rows_generalise(posts):
    y = np.random.default_rng(0).normal(size=200)
    titles = [f"only{i} here{i}" for i in range(200)]
    scores = TextScores(PARAMS).fit(posts.with_columns(title=pl.Series(titles)), y)
    in_sample = TextScores(PARAMS)
    in_sample.fit(posts.with_columns(title=pl.Series(titles)), y)
    seen = in_sample.transform(posts.with_columns(title=pl.Series(titles)))
    assert abs(np.corrcoef(scores["scores.text"].to_numpy(), y)[0, 1]) < 0.3
    assert np.corrcoef(seen["scores.text"].to_numpy(), y)[0, 1] > 0.8


@EVERY
def test_save_and_load_are_exact(posts, tmp_path, params):
    scores = TextScores(params)
    scores.fit(posts, residuals(posts))
    scores.save(tmp_path)
    assert TextScores.load(tmp_path).transform(posts).equals(scores.transform(posts))


@EVERY
@pytest.mark.parametrize("titles", [[None] * 30, [""] * 30])
def test_no_words_no_scores(titles, tmp_path, params):
    posts = pl.DataFrame({"user_id": ["a"] * 30, "title": pl.Series(titles, dtype=pl.String)})
    scores = TextScores(params)
    assert scores.fit(posts, np.arange(30.0)).null_count().sum_horizontal()[0] == 60
    scores.save(tmp_path)
    assert TextScores.load(tmp_path).transform(posts).null_count().sum_horizontal()[0] == 60


@EVERY
def test_labels_of_the_stopping_window_are_in_no_score_that_decides_when_to_stop(posts, params):
    y, place = residuals(posts), np.arange(200)
    window = Window(watch=place >= 160, learn=place < 150)  # ten rows are set aside
    before = TextScores(params).fit(posts, y, window)
    changed = y.copy()
    changed[150:] = -9.0 - place[150:]
    fit = TextScores(params)
    assert fit.fit(posts, changed, window).equals(before)
    assert before[150:]["scores.text"].null_count() == 0
    whole = TextScores(params)
    whole.fit(posts, changed)
    assert fit.transform(posts).equals(whole.transform(posts)), "new posts are scored by a fit on every row"


@pytest.mark.parametrize("name", MAKERS)
def test_every_user_of_scores_keeps_the_window_out_of_them(name, monkeypatch):
    """The window's labels may change what is learned at the end, not the columns on which boosting decides to stop."""
    seen = []
    fit = TextScores.fit

    def spied(self, posts, residual, window=None, target=None):
        seen.append((window, fit(self, posts, residual, window, target)))
        return seen[-1][1]

    monkeypatch.setattr(TextScores, "fit", spied)
    rng = np.random.default_rng(1)
    titles = [" ".join(rng.choice(["cake", "rain", "music", "cat"], 3)) for _ in range(240)]
    times = pl.Series(np.arange(240) * 3_600_000_000).cast(pl.Datetime("us", "UTC"))
    world = pl.DataFrame(
        {"post_id": [f"p{i:03d}" for i in range(240)], "user_id": ["a"] * 240, "title": titles, "posted_at": times}
    )
    folds = np.repeat([0, 1, 2, 3], 60)
    folds[170:180] = ASIDE
    y = rng.normal(size=240)
    features = pl.DataFrame({"history.smoothed_mean": np.full(240, 0.1)})
    for shift in (0.0, 5.0):
        target = y + np.where(folds == 3, shift, 0.0)
        MAKERS[name](PARAMS).fit(world, features, target, folds)
    (window, first), (_, second) = seen
    expected = stopping_window(folds, 240)
    assert np.array_equal(window.watch, expected.watch)
    assert np.array_equal(window.learn, expected.learn)
    # the start value is the median of the target, so a shifted window moves every residual by one constant at most
    moved = (second["scores.text"] - first["scores.text"]).to_numpy()
    assert np.ptp(moved) < 1e-6


def test_noise_looks_no_better_than_the_constant_on_the_window():
    """1,500 posts of 30 words whose labels are noise: boosting on scores finds nothing on the window."""
    rng = np.random.default_rng(5)
    vocabulary = [f"word{i}" for i in range(400)]
    gains = []
    for _ in range(3):
        titles = [" ".join(words) for words in rng.choice(vocabulary, (1500, 8))]
        times = pl.Series(np.arange(1500) * 3_600_000_000).cast(pl.Datetime("us", "UTC"))
        users = rng.choice(["a", "b", "c"], 1500).tolist()
        ids = [f"p{i:04d}" for i in range(1500)]
        posts = pl.DataFrame({"post_id": ids, "user_id": users, "title": titles, "posted_at": times})
        y, folds = rng.normal(size=1500), np.repeat([0, 1, 2, 3], 375)
        window = stopping_window(folds, 1500)
        scores = TextScores(ScoreParams(min_df=1)).fit(posts, y, window).to_numpy()
        # what a model learned before the window makes of the scores, on the window
        slope, constant = np.polyfit(scores[window.learn, 0], y[window.learn], 1)
        guess = slope * scores[window.watch, 0] + constant
        error = np.mean((y[window.watch] - guess) ** 2)
        gains.append(1 - error / np.mean((y[window.watch] - y[window.learn].mean()) ** 2))
    assert max(gains) < 0.02

"""Authors without a past: words forecast them, trees neither learn from their posts nor speak of them."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from popcast.models import hyfea, lightgbm, on_top
from popcast.models.inputs.text_scores import ScoreParams, TextScores
from popcast.models.inputs.unknown_authors import LEAST, known_authors, rows_to_learn

LEVELS = ScoreParams(min_df=1, alpha=0.5, author_alpha=1.0, author_posts=10, stretches=4, levels=True)
PLAIN = LEVELS.model_copy(update={"levels": False})
MORE = {"loss": "mae", "baseline": "history.smoothed_mean"}
MAKERS = {
    "lightgbm": lambda text: lightgbm.Predictor(lightgbm.Params(text=text, blocks=["history"], rounds=60, **MORE), 0),
    "hyfea": lambda text: hyfea.Predictor(hyfea.Params(text=text, blocks=["history"], rounds=60, depth=4, **MORE), 0),
    "on_top": lambda text: on_top.Predictor(
        on_top.Params(model="lightgbm", set={"blocks": ["history", "scores"], "rounds": 60}, text=text, **MORE), 0
    ),
}


def sized(authors: int = 12, each: int = 20) -> tuple[pl.DataFrame, pl.DataFrame, np.ndarray]:
    """Half of the authors write of sport and are large, the others of art; nothing is known of their first posts."""
    place = np.arange(authors * each)
    large = place % authors % 2 == 1
    posts = pl.DataFrame(
        {
            "post_id": [f"p{i:03d}" for i in place],
            "user_id": [f"u{i % authors}" for i in place],
            "title": np.where(large, "sport", "art"),
            "posted_at": pl.Series(place * 3_600_000_000).cast(pl.Datetime("us", "UTC")),
        }
    )
    y = 6.0 + 4.0 * large
    count = place // authors
    features = pl.DataFrame(
        {"history.smoothed_mean": np.where(count == 0, 8.0, y), "history.count": count.astype(float)}
    )
    return posts, features, y


def asked(count: list[float | None]) -> tuple[pl.DataFrame, pl.DataFrame]:
    """A post on sport and one on art, whose authors usually get 8."""
    posts = sized()[0][:2].with_columns(user_id=pl.Series(["new", "other"]), title=pl.Series(["sport", "art"]))
    usual = [None if n is None else 8.0 for n in count]
    columns = {"history.smoothed_mean": usual, "history.count": count}
    return posts, pl.DataFrame(columns, schema=dict.fromkeys(columns, pl.Float64))


@pytest.mark.parametrize("count", [[0.0, 0.0], [None, None]], ids=["counted", "null"])
@pytest.mark.parametrize("name", MAKERS)
def test_words_forecast_authors_without_a_past(name, count, tmp_path):
    posts, features, y = sized()
    found = {}
    for text in (PLAIN, LEVELS):
        model = MAKERS[name](text).fit(posts, features, y, None)
        found[text.levels] = model.predict(*asked(count))
    assert found[True] == pytest.approx([10.0, 6.0], abs=0.3)
    assert np.abs(found[False] - [10.0, 6.0]).max() > 0.5
    model.save(tmp_path)
    kept = type(model).load(tmp_path)
    assert kept.predict(*asked(count)).tolist() == found[True].tolist()
    one = posts[:1], features[:1]
    assert kept.predict(*one).tolist() == model.predict(*one).tolist()


@pytest.mark.parametrize("name", MAKERS)
def test_trees_do_not_learn_from_their_posts(name):
    """Whatever stands in the columns of such posts, what is said of known authors stays."""
    posts, features, y = sized()
    known = (features["history.count"] > 0).to_numpy()
    y = y + np.random.default_rng(1).normal(0, 0.5, len(y))
    told = {}
    for text in (LEVELS, PLAIN):
        for spoilt in (False, True):
            odd = np.where(known | (not spoilt), 10.0 * np.sin(np.arange(len(y))), y)
            more = features.with_columns(pl.Series("history.std", odd))
            model = MAKERS[name](text).fit(posts, more, y, None)
            told[text.levels, spoilt] = model.predict(posts.filter(known), more.filter(known)).tolist()
    assert told[True, True] == told[True, False]
    assert told[False, True] != told[False, False]


def test_too_few_known_authors_are_no_reason_to_forget_the_rest():
    posts, features, y = sized(authors=6, each=4)
    scores = TextScores(LEVELS)
    scores.learn_levels(posts, y, 8.0)
    assert scores.level is not None
    assert rows_to_learn(scores, features, "history.smoothed_mean").all()
    assert known_authors(features, "history.smoothed_mean").sum() < LEAST
    assert scores.level is None, "then words alone forecast nobody"


@pytest.mark.parametrize("baseline", [None, "history.smoothed_mean"])
def test_a_baseline_without_counts_knows_by_its_nulls(baseline):
    features = pl.DataFrame({"history.smoothed_mean": [1.0, None]})
    assert known_authors(features, baseline).tolist() == [True, baseline is None]

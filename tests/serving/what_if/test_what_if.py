"""Posts at 18 to 21 h get twice as many likes: a forecaster says so; where the hour means nothing, it says that."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import orjson
import polars as pl
import pytest

import popcast
from popcast.api.posts_given import given_rows
from popcast.core.errors import BadInput
from popcast.serving.asked_posts import asked_posts
from popcast.serving.what_if.held_out_levers import FILE
from popcast.serving.what_if.levers import LEVERS
from tests.api.fixed_choice import GIVEN, WORDS

SETTINGS = {
    "splits": {"posts": {"method": "chronological", "shares": [0.6, 0.2, 0.2], "folds": 2}},
    "blocks": {
        "posts-metadata": {"dataset": "posts", "block": "metadata"},
        "posts-history": {"dataset": "posts", "block": "history"},
    },
    "suites": {
        "posts-chosen": {
            "dataset": "posts",
            "suite": "chosen",
            "features": "posts",
            "runs": {
                "lightgbm": {
                    "model": "lightgbm",
                    "blocks": ["metadata", "history"],
                    "cross_fit_from": 2,
                    "set": {"rounds": 60, "min_child_samples": 10, "baseline": "history.smoothed_mean"},
                }
            },
        }
    },
    "blend": {"fit_on": "valid"},
    "evaluation": {"bootstrap": 20},
}


def rows(effect: float, n: int = 1000, authors: int = 30, seed: int = 1) -> pl.DataFrame:
    rng = np.random.default_rng(seed)
    author, words = rng.integers(0, authors, n), rng.integers(0, len(WORDS), (n, 4))
    minutes = np.sort(rng.integers(0, 150 * 1440, n))
    late = ((minutes // 60) % 24 >= 18) & ((minutes // 60) % 24 < 21)
    likes = 2 ** (rng.normal(6, 1.5, authors)[author] + effect * late + rng.normal(0, 0.6, n))
    return pl.DataFrame(
        {
            "id": [f"p{i:05}" for i in range(n)],
            "page": [f"page {a}" for a in author],
            "created": [datetime(2025, 1, 1, tzinfo=UTC) + timedelta(minutes=int(m)) for m in minutes],
            "message": [" ".join(WORDS[w] for w in row) for row in words],
            "hashtags": [WORDS[row[0]] for row in words],
            "kind": [("photo", "video", "link")[k] for k in rng.integers(0, 3, n)],
            "likes": np.round(likes).astype(int).tolist(),
        }
    )


def fitted(effect: float) -> popcast.Forecaster:
    given = {name: column for name, column in GIVEN.items() if name != "author_numbers"}
    return popcast.Forecaster(**given, settings=SETTINGS).fit(rows(effect))


@pytest.fixture(scope="module")
def planted():
    return fitted(1.0)


DRAFT = {
    "id": "d1",
    "page": "page 3",
    "created": "2025-06-20T09:30:00Z",
    "message": "kitten storm",
    "hashtags": "kitten",
    "kind": "link",
}


def draft(forecast, **changed) -> pl.DataFrame:
    return asked_posts(given_rows([DRAFT | changed], None), forecast.contents).posts


def test_the_planted_hours_are_found_and_told_as_factors(planted):
    found = planted.what_if([DRAFT])
    time = found.lever("time")
    assert time.found
    assert len(time.options) == 7 * 24
    good = [o for o in time.options if 18 <= o.change["hour"] < 21 and o.difference is not None]
    other = [o for o in time.options if not 17 <= o.change["hour"] < 22 and o.difference is not None]
    assert np.mean([o.clear for o in good]) > 0.9
    assert 1.5 < np.mean([o.factor for o in good]) < 2.7
    assert abs(np.mean([o.difference for o in other])) < 0.3
    assert all(o.lower <= o.difference <= o.upper and o.lower_factor <= o.factor for o in good + other)
    assert "association" in found.note


def test_what_means_nothing_is_passed_over_in_silence(planted):
    found = planted.what_if([DRAFT], titles=["sunset"], tags=[["match"]])
    for key in ("category", "tags", "length", "picture"):
        answer = found.lever(key)
        assert not answer.found, key
        assert answer.options == []
        assert "chance" in answer.said


def test_an_hour_that_means_nothing_is_not_found():
    found = fitted(0.0).what_if([DRAFT])
    assert not found.lever("time").found
    assert found.lever("time").options == []
    assert found.lever("time").said.startswith("no hour differs by more than chance")


def test_what_a_changed_hour_is_said_to_get_is_what_the_forecast_of_that_hour_says(planted):
    """Day, minute and the author's past stay as they are, so the slot that the draft has is no change at all."""
    forecast = planted.forecast_
    found = forecast.what_if(draft(forecast), levers=["time"])
    own = next(o for o in found.levers[0].options if o.change == {"weekday": 4, "hour": 9})
    assert own.forecast == found.prediction
    assert (own.difference, own.factor, own.clear) == (0.0, 1.0, False)


@pytest.mark.parametrize("lost", ["page", "created", "message", "hashtags", "kind"])
def test_drafts_with_missing_fields(planted, lost):
    forecast = planted.forecast_
    found = forecast.what_if(draft(forecast, **{lost: None}))
    assert found.lever("time").found
    assert orjson.loads(orjson.dumps(found.as_dict()))["levers"][0]["key"] == "time"


def test_every_lever_moves_its_own_columns_alone(planted):
    """Were they all borne out, each would have options, and the author's past would be in none."""
    forecast = planted.forecast_
    content = orjson.loads(forecast.files[FILE])
    content["levers"] = dict.fromkeys(LEVERS, content["levers"]["time"])
    bold = replace(forecast, files=forecast.files | {FILE: orjson.dumps(content)})
    found = bold.what_if(draft(bold), titles=["kitten storm", "sunset harbour"], tags=[["match", "train"]])
    assert all(one.found for one in found.levers)
    assert found.lever("title").options[0].difference == 0
    assert {"tags": ["match", "train"]} in [o.change for o in found.lever("tags").options]
    assert {"tags": []} in [o.change for o in found.lever("tags").options]
    assert {o.change["category"] for o in found.lever("category").options} == {"photo", "video"}
    assert not LEVERS["time"].moves("history.author_hour_bucket_mean")
    assert not any(lever.moves_field("user_id") or lever.moves_field("posted_at") for lever in LEVERS.values())


@pytest.mark.parametrize(
    ("posts", "options", "said"),
    [(2, {}, "about one post"), (0, {}, "about one post"), (1, {"levers": ["author"]}, "no such lever")],
)
def test_what_cannot_be_asked_is_one_line(planted, posts, options, said):
    forecast = planted.forecast_
    with pytest.raises(BadInput, match=said) as refusal:
        forecast.what_if(pl.concat([draft(forecast)] * 2)[:posts], **options)
    assert "\n" not in str(refusal.value)


def test_a_bundle_without_slopes_says_so(planted):
    forecast = planted.forecast_
    bare = replace(forecast, files={name: one for name, one in forecast.files.items() if name != FILE})
    with pytest.raises(BadInput, match="does not say what held-out posts bear out"):
        bare.what_if(draft(bare))


def test_the_same_twice_and_from_a_saved_bundle(planted, tmp_path):
    planted.save(tmp_path / "bundle")
    found = planted.what_if([DRAFT]).as_dict()
    assert orjson.dumps(popcast.load(tmp_path / "bundle").what_if([DRAFT]).as_dict()) == orjson.dumps(found)

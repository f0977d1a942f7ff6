"""Contributions add up to the forecast whatever makes it, and depend on the post alone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import orjson
import polars as pl
import pytest

import popcast
from popcast.blend.drift import Drift
from popcast.core.errors import BadInput
from popcast.serving.reasons.background import FILE, POSTS, background, drawn
from popcast.serving.reasons.mixed_posts import predicted
from tests.serving.reasons.conftest import MEMBERS, only

FEW = 4
"""Posts of the background that tests explain against."""


def blends(blend):
    heavy = [2 * one for one in blend.weights["all"]]
    linear = replace(blend, method="nnls")
    return {
        "segments": replace(
            linear,
            weights={"all": blend.weights["all"], "known_author": heavy, "new_author": blend.weights["all"]},
            intercepts={"all": 0.0, "known_author": -4.0, "new_author": 1.0},
        ),
        "floor": replace(linear, floor=5.5),
        "drift": replace(linear, drift=Drift(0.3, 0.05, 2.0, 8.0)),
        "mean": blend,
    }


def add_up(forecast, posts, **options):
    found = forecast.explain(posts, **{"against": FEW, "words": False} | options)
    said = forecast.predict(posts)["prediction"].to_list()
    for one, prediction in zip(found, said, strict=True):
        assert one.prediction == pytest.approx(prediction, abs=1e-6)
        assert one.baseline + sum(c.value for c in one.contributions) == pytest.approx(prediction, abs=1e-6)
    return found


@pytest.mark.parametrize("member", MEMBERS)
def test_contributions_add_up_to_each_member(every, drafts, member):
    found = add_up(only(every, member), drafts[:2])
    base = predicted(only(every, member), background(every, FEW)).mean()
    assert found[0].baseline == pytest.approx(base, abs=1e-9)
    assert any(c.value for c in found[0].contributions) == (member != "median")


@pytest.mark.parametrize("kind", ["segments", "floor", "drift", "mean"])
def test_contributions_add_up_to_each_blend(forecast, drafts, kind):
    add_up(replace(forecast, blend=blends(forecast.blend)[kind]), drafts[:3])


def test_contributions_add_up_to_all_members_together(every, drafts):
    add_up(every, drafts[:1], against=4)


def test_a_member_of_one_block_has_reasons_of_that_block_alone(every, drafts):
    for one in only(every, "author_mean").explain(drafts[:2], against=FEW, words=False):
        assert {c.key for c in one.contributions if abs(c.value) > 1e-9} == {"author_past"}
    one = only(every, "knn").explain(drafts[:1], against=FEW, words=False)[0]
    assert {c.key for c in one.contributions if abs(c.value) > 1e-9} <= {"similar_posts"}


def test_neither_order_nor_other_posts_make_a_difference_and_twice_is_the_same(forecast, drafts):
    posts = drafts[:4]
    found = [one.as_dict() for one in forecast.explain(posts, against=FEW)]
    assert [one.as_dict() for one in forecast.explain(posts.reverse(), against=FEW)] == found[::-1]
    assert forecast.explain(posts[1:2], against=FEW)[0].as_dict() == found[1]
    again = [one.as_dict() for one in forecast.explain(posts, against=FEW)]
    assert orjson.dumps(again) == orjson.dumps(found)


@pytest.mark.parametrize(
    "lost", [["title"], ["user_id"], ["posted_at"], ["tags", "category"], ["title", "user_id"], "all"]
)
def test_drafts_with_missing_fields(forecast, drafts, lost):
    posts = drafts[:2].select("post_id") if lost == "all" else drafts[:2].drop(lost)
    found = add_up(forecast, posts, words=True)
    if "title" in lost or lost == "all":
        assert not [word for one in found for word in one.words if word.field == "title"]


def test_no_posts_have_no_explanations(forecast, drafts):
    assert forecast.explain(drafts[:0]) == []


def test_it_is_what_the_library_and_a_saved_forecaster_say(every_member, drafts, tmp_path):
    posts = [{"page": "page 3", "created": "2026-01-01T10:00:00Z", "message": "kitten storm", "likes": None}]
    with pytest.warns(UserWarning, match="not known"):
        found = every_member.explain(posts, words=False)
    with pytest.warns(UserWarning, match="not known"):
        said = every_member.predict(posts)["prediction"][0]
    assert found[0].prediction == pytest.approx(said, abs=1e-6)
    every_member.save(tmp_path / "bundle")
    with pytest.warns(UserWarning, match="not known"):
        assert popcast.load(tmp_path / "bundle").explain(posts, words=False) == found
    content = orjson.loads(orjson.dumps(found[0].as_dict()))
    assert set(content) == {"id", "prediction", "baseline", "contributions", "words", "similar", "said"}
    first = content["contributions"][0]
    assert first["factor"] == pytest.approx(2 ** first["value"])
    assert "some post" in str(found[0])


def test_a_bundle_without_a_background_forecasts_and_says_what_it_lacks(every_member, drafts, tmp_path):
    every_member.save(tmp_path / "bundle")
    (tmp_path / "bundle" / FILE).unlink()
    loaded = popcast.load(tmp_path / "bundle").forecast_
    assert loaded.predict(drafts[:1])["prediction"].is_finite().all()
    with pytest.raises(BadInput, match="the bundle has no background") as refusal:
        loaded.explain(drafts[:1])
    assert "\n" not in str(refusal.value)


def test_the_background_is_of_known_posts_and_does_not_depend_on_their_order(forecast):
    some = background(forecast)
    known = forecast.known.filter("labelled")
    assert len(some.segment) == POSTS
    assert set(some.posts["post_id"]) <= set(known["post_id"])
    assert drawn(known["post_id"], POSTS, forecast.contents.seed) == some.posts["post_id"].to_list()
    assert drawn(known["post_id"].reverse(), POSTS, forecast.contents.seed) == some.posts["post_id"].to_list()


def test_features_of_the_background_are_those_that_the_members_learned_from(forecast):
    some = background(forecast)
    for name, table in forecast.features(some.posts).items():
        for column in table.columns[1:]:
            if table.schema[column] == pl.Float64:
                kept = some.features[name][column].fill_null(-9).to_numpy()
                assert np.allclose(kept, table[column].fill_null(-9).to_numpy(), atol=1e-6), column

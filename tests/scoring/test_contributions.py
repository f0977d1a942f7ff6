"""What members add to a blend: the gain of a member that helps, of one that does not, of a group."""

import numpy as np
import polars as pl
import pytest

from popcast.blend.blending import blend, fit_blend, gather
from popcast.blend.params import Blend as BlendSection
from popcast.scoring.contributions import _Design, contributions
from popcast.scoring.params import Evaluation
from tests import popularity

EVALUATION = Evaluation(bootstrap=200)


@pytest.fixture(scope="module")
def world():
    return popularity.posts(900)


@pytest.fixture(scope="module")
def members(world):
    found = popularity.predictions(world)
    noise = np.random.default_rng(5).normal(5, 1, world.height)
    table = world.select("post_id", "split", "fold").with_columns(prediction=pl.Series(noise))
    return {"good": found["good"], "fair": found["fair"], "noise": table}


def rows_of(world, members, groups=None, section=None, metric="mae", evaluation=EVALUATION):
    section = BlendSection() if section is None else section
    found = contributions(world, members, groups or {}, section, evaluation, metric, seed=4)
    return {row["left_out"]: row for row in found}


@pytest.mark.parametrize("metric", ["mae", "nmse"])
def test_a_good_member_helps_and_noise_does_not(world, members, metric):
    found = rows_of(world, members, metric=metric)
    assert list(found) == ["good", "fair", "noise"]
    for part in ("valid", "test"):
        assert found["good"][f"{part}.gain"] > found["fair"][f"{part}.gain"] > 0
        assert found["good"][f"{part}.low"] > 0
        assert found["good"][f"{part}.p"] < 0.05
        assert abs(found["noise"][f"{part}.gain"]) < 0.02
        assert found["noise"][f"{part}.low"] <= found["noise"][f"{part}.gain"] <= found["noise"][f"{part}.high"]


def test_the_gain_is_the_difference_of_two_blends_and_a_valid_post_is_never_fitted_on(world, members):
    section = BlendSection(fit_on="valid")
    found = rows_of(world, members, section=section)
    keys, x = gather(members)
    y = keys.join(world.select("post_id", "popularity"), on="post_id", how="left")["popularity"].to_numpy()
    split = keys["split"].to_numpy()
    fitting, test = split == "valid", split == "test"
    labels = world.filter(pl.col("split") == "train")["popularity"].to_numpy()
    errors = []
    for columns in ([0, 1, 2], [1, 2]):
        names = [list(members)[i] for i in columns]
        segment = np.full(fitting.sum(), "all", dtype=object)
        blend = fit_blend(x[fitting][:, columns], y[fitting], segment, labels, names, section, "mae")
        predicted = blend.predict(x[test][:, columns], np.full(test.sum(), "all"), np.zeros(test.sum()))
        errors.append(np.abs(predicted - y[test]).mean())
    assert found["good"]["test.gain"] == pytest.approx(errors[1] - errors[0], abs=1e-9)

    # a member that knows the labels of one valid block only would get weight from it: it gets none from the others
    newest = world.filter(pl.col("split") == "valid").sort("posted_at").tail(36)["post_id"]
    oracle = members["noise"].join(world.select("post_id", "popularity"), on="post_id", how="left")
    known = pl.when(pl.col("post_id").is_in(newest.implode())).then("popularity").otherwise("prediction")
    oracle = oracle.with_columns(prediction=known).drop("popularity")
    with_oracle = rows_of(world, {**members, "oracle": oracle}, section=section)
    assert with_oracle["oracle"]["valid.gain"] < 0.1


def test_groups_and_the_members_that_remain(world, members):
    groups = {"simple": ["fair", "noise"], "everything": ["good", "fair", "noise"], "absent": ["other"]}
    found = rows_of(world, members, groups)
    assert list(found) == ["good", "fair", "noise", "simple"]
    assert found["simple"]["members"] == ["fair", "noise"]
    assert found["simple"]["test.gain"] == pytest.approx(found["fair"]["test.gain"], abs=0.02)
    assert rows_of(world, {"good": members["good"]}) == {}


def test_without_resamples_there_is_a_gain_and_no_interval(world, members):
    found = rows_of(world, members, evaluation=Evaluation(bootstrap=0))
    assert found["good"]["valid.gain"] > 0
    assert found["good"]["valid.low"] is None


def test_posts_without_times_are_cut_by_author(members):
    world = popularity.posts(900, times=False)
    found = rows_of(world, {name: members[name] for name in ("good", "fair")})
    assert found["good"]["valid.gain"] > 0


@pytest.fixture(scope="module")
def drifting():
    """Labels that rise week by week, and post-hoc views that half of the posts have: members are off by both."""
    world = popularity.posts(2000)
    week = (pl.col("posted_at") - pl.col("posted_at").min()).dt.total_days() / 7
    viewed = pl.int_range(pl.len()) % 2 == 0
    world = world.with_columns(posthoc_views=pl.when(viewed).then(1.0))
    risen = world.with_columns(popularity=pl.col("popularity") + 0.05 * week)
    members = popularity.predictions(world)
    known = pl.col("post_id").is_in(world.filter(viewed)["post_id"].implode())
    other = members["fair"].with_columns(prediction=pl.when(known).then("prediction").otherwise(5.0))
    return risen, {"good": members["good"], "other": other}


@pytest.mark.parametrize("allow_posthoc", [False, True])
@pytest.mark.parametrize(
    "more",
    [
        {},
        {"drift_correction": True},
        {"segments": True},
        {"segments": True, "drift_correction": True},
        {"method": "rank"},
    ],
    ids=" ".join,
)
def test_the_blend_with_all_members_is_the_blend(drifting, more, allow_posthoc):
    """What a member adds is measured on the very blend that is published: its segments, its drift correction."""
    world, members = drifting
    section = BlendSection(**more)
    table, fitted = blend(world, members, section, "mae", allow_posthoc)
    design = _Design(world, members, section, "mae", "labelled", allow_posthoc)
    published = table.filter(split="test").sort("post_id")["prediction"].to_numpy()
    assert design.ahead(list(members)) == pytest.approx(published, abs=1e-9)
    assert (fitted.drift is not None) == ("drift_correction" in more)
    assert ("profile" in fitted.weights) == (allow_posthoc and "segments" in more)


@pytest.mark.parametrize("more", [{"drift_correction": True}, {"segments": True}], ids=" ".join)
def test_drift_and_posthoc_segments_move_the_gains(drifting, more):
    world, members = drifting

    def gains(posthoc=False, **changed):
        section = BlendSection(**changed)
        found = contributions(world, members, {}, section, Evaluation(bootstrap=0), "mae", 4, allow_posthoc=posthoc)
        return [row[f"{part}.gain"] for row in found for part in ("valid", "test")]

    with_it, without = gains(**more, posthoc="segments" in more), gains(**{**more, "drift_correction": False})
    assert np.abs(np.subtract(with_it, without)).min() > 1e-4

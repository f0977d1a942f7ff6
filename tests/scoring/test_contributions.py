"""What members add to a blend: the gain of a member that helps, of one that does not, of a group."""

import numpy as np
import polars as pl
import pytest

from popcast.blend.blending import fit_blend, gather
from popcast.blend.params import Blend as BlendSection
from popcast.scoring.contributions import contributions
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

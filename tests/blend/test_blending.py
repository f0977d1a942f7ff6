"""Weights, intervals, drift and the blend as a whole."""

import datetime as dt

import numpy as np
import polars as pl
import pytest
from scipy.optimize import minimize

from popcast.blend import blending, drift, intervals, segments
from popcast.blend.params import Blend as BlendSection
from popcast.core.errors import BadInput
from popcast.models.contract.member_weights import fit_weights
from popcast.models.params import ModelRun
from tests import popularity


@pytest.fixture(scope="module")
def world():
    return popularity.posts()


@pytest.fixture(scope="module")
def members(world):
    found = popularity.predictions(world)
    return {name: found[name] for name in ("median", "good", "fair")}


def held_out(n=500, seed=0):
    generator = np.random.default_rng(seed)
    y = generator.normal(5, 2, n)
    return y[:, None] + generator.normal(0, [1.0, 1.2, 3.0], (n, 3)) + [0.3, 0, 0], y


def test_simplex_weights_are_the_constrained_optimum():
    x, y = held_out()
    weights, constant = fit_weights(x, y, "rmse")
    solved = minimize(
        lambda w: np.mean((x @ w - y) ** 2), np.full(3, 1 / 3), bounds=[(0, 1)] * 3, method="SLSQP",
        constraints={"type": "eq", "fun": lambda w: w.sum() - 1}, options={"ftol": 1e-14},
    )  # fmt: skip
    np.testing.assert_allclose(weights, solved.x, atol=1e-4)
    assert weights.sum() == pytest.approx(1, abs=1e-12)
    assert constant == 0


def test_intercept_takes_the_bias_and_free_weights_may_shrink():
    x, y = held_out()
    _, constant = fit_weights(x - 4, y, "nmse", intercept=True)
    assert constant == pytest.approx(4, abs=0.3)
    free, constant = fit_weights(x[:, 2:], y, "nmse", sum_to_one=False, intercept=True)
    slope = np.cov(x[:, 2], y)[0, 1] / np.var(x[:, 2], ddof=1)
    assert free[0] == pytest.approx(slope, abs=1e-5)
    assert constant == pytest.approx(y.mean() - slope * x[:, 2].mean(), abs=1e-4)


def test_a_member_that_only_harms_gets_nothing_and_twins_share():
    x, y = held_out()
    weights, _ = fit_weights(np.column_stack((x[:, 0], -x[:, 0])), y, "rmse", sum_to_one=False)
    assert weights[1] == 0
    twins, _ = fit_weights(np.column_stack((x[:, 0], x[:, 0])), y, "rmse")
    np.testing.assert_allclose(twins, 0.5, atol=1e-3)


@pytest.mark.parametrize("metric", ["mae", "mape"])
def test_absolute_losses_reach_their_own_optimum(metric):
    x, y = held_out()
    y = np.abs(y) + 1
    y[::10] += 30  # outliers: least squares and least absolute error part ways
    scale = 1 / y if metric == "mape" else 1

    def loss(weights):
        return np.mean(scale * np.abs(x @ weights - y))

    ours, _ = fit_weights(x, y, metric, sum_to_one=False)
    squares, _ = fit_weights(x, y, "rmse", sum_to_one=False)
    grid = [
        np.array([a, b, c]) for a in np.arange(0, 1.6, 0.05) for b in np.arange(0, 1.2, 0.05) for c in (0, 0.1, 0.2)
    ]
    assert loss(ours) < loss(squares)
    assert loss(ours) <= min(map(loss, grid)) + 1e-3


def test_conformal_half_width_and_coverage():
    residuals = np.arange(1.0, 100.0)
    assert intervals.half_width(residuals, 0.9) == 90  # the ceil(100 * 0.9)-th of 99
    assert intervals.half_width(residuals[:8], 0.9) is None
    generator = np.random.default_rng(0)
    reach = intervals.half_width(generator.normal(size=2000), 0.9)
    fresh = generator.normal(size=20000)
    zero = np.zeros(20000)
    assert intervals.measured_coverage(fresh, zero - reach, zero + reach) == pytest.approx(0.9, abs=0.02)


def test_history_length_counts_older_training_posts_only():
    day = [dt.datetime(2020, 1, d, tzinfo=dt.UTC) for d in (1, 2, 2, 3, 4, 5, 6)]
    posts = pl.DataFrame(
        {
            "post_id": list("abcdefg"),
            "user_id": ["x", "x", "x", "x", "x", None, "x"],
            "posted_at": day,
            "split": ["train", "train", "train", "valid", "test", "train", "unlabelled"],
            "popularity": [1.0, 1.0, 1.0, 1.0, 1.0, 1.0, None],
        },
        schema_overrides={"posted_at": pl.Datetime("us", "UTC")},
    )
    assert segments.history_length(posts, "labelled")["history_length"].to_list() == [0, 1, 1, 3, 3, None, 5]
    assert segments.history_length(posts, "train")["history_length"].to_list() == [0, 1, 1, 3, 3, None, 3]
    timeless = posts.with_columns(posted_at=pl.lit(None, pl.Datetime("us", "UTC")))
    assert segments.history_length(timeless, "train")["history_length"].to_list() == [2, 2, 2, 3, 3, None, 3]


def test_blend_beats_its_members_and_predicts_every_post(world, members):
    table, fitted = blending.blend(world, members, BlendSection(), "rmse")
    error = {}
    test = world.filter(pl.col("split") == "test").select("post_id", "popularity")
    for name, of in {**members, "blend": table}.items():
        rows = test.join(of, on="post_id")
        error[name] = ((rows["prediction"] - rows["popularity"]) ** 2).mean()
    assert error["blend"] < min(error["good"], error["fair"], error["median"])
    assert table.height == members["good"].height
    assert table.filter(pl.col("split") == "unlabelled").height == 40
    weights = dict(zip(fitted.members, fitted.weights["all"], strict=True))
    assert weights["good"] > weights["fair"] > weights["median"]
    rows = test.join(table, on="post_id")
    assert 0.8 < rows["popularity"].is_between(rows["lower"], rows["upper"]).mean() < 0.98


@pytest.mark.parametrize("method", ["nnls", "mean", "rank"])
def test_test_labels_have_no_influence_and_rows_stand_alone(world, members, method, tmp_path):
    section = BlendSection(method=method, segments=True, drift_correction=True)
    table, fitted = blending.blend(world, members, section, "mae")
    shuffled = world.with_columns(
        popularity=pl.when(pl.col("split") == "test").then(pl.lit(60.0)).otherwise(pl.col("popularity"))
    )
    again, _ = blending.blend(shuffled.reverse(), members, section, "mae", final_fit="train")
    held = pl.col("split") != "unlabelled"  # the age of the model of unlabelled posts depends on final_fit
    assert again.filter(held).equals(table.filter(held))
    fitted.save(tmp_path)
    loaded = blending.Blend.load(tmp_path)
    assert loaded == fitted
    keys, x = blending.gather(members)
    age = np.full(len(x), 2.0)
    segment = np.array(["known_author", "new_author"] * len(x), dtype=object)[: len(x)]
    whole = loaded.predict(x, segment, age)
    assert loaded.predict(x[5:6], segment[5:6], age[5:6])[0] == whole[5]
    assert keys["post_id"].is_sorted()


def test_floor_is_the_lowest_training_label(world, members):
    low = {
        name: table.with_columns(
            prediction=pl.when(pl.col("split") == "test").then(pl.lit(-50.0)).otherwise(pl.col("prediction"))
        )
        for name, table in members.items()
    }
    table, _ = blending.blend(world, low, BlendSection(), "mae")
    floor = world.filter(pl.col("split") == "train")["popularity"].min()
    assert table.filter(pl.col("split") == "test")["prediction"].unique().to_list() == [floor]


def test_rank_average_has_the_spread_of_the_labels(world, members):
    table, _ = blending.blend(world, members, BlendSection(method="rank"), "mae")
    labels = world.filter(pl.col("split") == "train")["popularity"]
    assert labels.min() <= table["prediction"].min()
    assert table["prediction"].max() <= labels.max()
    assert table["prediction"].std() == pytest.approx(labels.std(), rel=0.15)


def test_small_segments_lean_on_the_global_weights(world, members):
    _, fitted = blending.blend(world, members, BlendSection(segments=True), "rmse")
    assert set(fitted.weights) == {"all", "known_author", "new_author"}
    for weights in fitted.weights.values():
        assert sum(weights) == pytest.approx(1, abs=1e-5)
    _, allowed = blending.blend(world, members, BlendSection(segments=True), "rmse", allow_posthoc=True)
    assert "profile" in allowed.weights


def test_rows_without_a_member_do_not_fit_and_parts_must_agree(world, members):
    fewer = {**members, "fair": members["fair"].filter((pl.col("split") != "train") | (pl.col("fold") > 2))}
    keys, x = blending.gather(fewer)
    assert keys.filter(pl.col("split") == "train")["fold"].unique().to_list() == [3]
    assert x.shape == (keys.height, 3)
    broken = {**members, "fair": members["fair"].filter(pl.col("split") != "valid")}
    with pytest.raises(BadInput, match="fair and median predict different posts"):
        blending.gather(broken)


def test_drift_is_found_where_it_is_and_vanishes_in_noise():
    generator = np.random.default_rng(0)
    age = generator.uniform(0, 10, 4000)
    found = drift.fit_drift(age, -0.1 * age + generator.normal(0, 1, 4000))
    assert found.slope == pytest.approx(-0.1, abs=0.02)
    assert found.correction(np.array([12.0]))[0] == pytest.approx(-1.2, abs=0.2)
    assert found.correction(np.array([25.0]))[0] == found.correction(np.array([20.0]))[0]
    assert found.correction(np.array([np.nan]))[0] == 0
    assert drift.fit_drift(np.array([0.5, 1.5, 2.5]), np.ones(3)) is None


def test_unsupported_drift_is_shrunk_to_nothing():
    age = np.arange(8) + 0.5
    found = drift.fit_drift(age, np.array([1.0, -1.0, -1.0, 1.0, 1.0, -1.0, -1.0, 1.0]) + 0.001 * age)
    assert (found.level, found.slope) == (0, 0)


def test_model_age_starts_where_the_model_stopped_learning(world):
    age = drift.model_age(world, "labelled").join(world.select("post_id", "split", "posted_at"), on="post_id")
    unlabelled = age.filter(pl.col("split") == "unlabelled")["age"]
    assert unlabelled.min() == pytest.approx(5 / 24 / 7)
    assert age.filter(pl.col("split") == "valid")["age"].min() == pytest.approx(5 / 24 / 7)
    assert drift.model_age(world, "train").join(age, on="post_id")["age"].max() > unlabelled.max()


def test_posthoc_runs_and_left_out_runs_do_not_enter():
    def run(name, **more):
        return ModelRun(dataset="tiny", name=name, model="m", features="tiny", **more)

    runs = [run("a", blocks=["profile"]), run("b", blocks=["profile"], allow_posthoc=True), run("c", blocks=["text"])]
    assert blending.entering(runs, BlendSection(), False, "tiny") == ["a", "c"]
    assert blending.entering(runs, BlendSection(leave_out=["c"]), True, "tiny") == ["a", "b"]
    with pytest.raises(BadInput, match="no model of tiny is left to blend"):
        blending.entering(runs, BlendSection(leave_out=["a", "c"]), False, "tiny")


def test_no_valid_part_is_refused(world, members):
    tables = {name: table.filter(pl.col("split") != "valid") for name, table in members.items()}
    with pytest.raises(BadInput, match="no valid part"):
        blending.blend(world, tables, BlendSection(), "mae")


def test_the_width_comes_from_posts_that_the_blend_did_not_see():
    """Many members and few posts: weights, and the drift, fit noise of the valid part, and its own errors flatter."""
    covered, naive = [], []
    for seed in range(30):
        generator = np.random.default_rng(seed)
        n, names = 260, [f"m{i:02d}" for i in range(25)]
        y = generator.normal(0, 1, n)
        split = np.array(["train"] * 20 + ["valid"] * 60 + ["test"] * 180)
        times = [dt.datetime(2020, 1, 1, tzinfo=dt.UTC) + dt.timedelta(hours=6 * i) for i in range(n)]
        posts = pl.DataFrame(
            {
                "post_id": [f"p{i:03d}" for i in range(n)],
                "user_id": [f"u{i % 90}" for i in range(n)],
                "posted_at": pl.Series(times, dtype=pl.Datetime("us", "UTC")),
                "popularity": y,
                "split": split.tolist(),
                "fold": [i // 10 if i < 20 else None for i in range(n)],
            }
        )
        keys = posts.select("post_id", "split", "fold")
        members = {name: keys.with_columns(prediction=pl.Series(generator.normal(0, 1, n))) for name in names}
        section = BlendSection(fit_on="valid", sum_to_one=False, intercept=True)
        table, fitted = blending.blend(posts, members, section, "rmse")
        error = np.abs((table["prediction"] - posts["popularity"]).to_numpy())
        covered.append(np.mean(error[split == "test"] <= fitted.half_width))
        naive.append(np.mean(error[split == "test"] <= intervals.half_width(error[split == "valid"], 0.9)))
    assert np.mean(naive) < 0.87, "the errors of the fit itself promise too much"
    assert np.mean(covered) == pytest.approx(0.9, abs=0.02)


def test_blocks_are_contiguous_in_time_or_keep_authors_together():
    rows, authors = np.array([9, 3, 5, 1, 7, 0]), np.array([2, 0, 0, 1, 0, 1, 0, 2, 0, 1])
    times = np.array([50, 0, 0, 20, 0, 10, 0, 40, 0, 30])
    by_time = intervals.blocks(rows, np.where(np.arange(10) == 1, 60, times), authors)
    assert [block.tolist() for block in by_time] == [[5, 3], [9], [7], [0], [1]]
    by_author = intervals.blocks(rows, None, authors)
    assert [block.tolist() for block in by_author] == [[1, 3], [5], [9], [0], [7]]
    assert [block.tolist() for block in intervals.blocks(np.array([4, 2]), None, authors)] == [[2], [4]]


@pytest.mark.parametrize("fit_on", ["oof+valid", "valid"])
def test_what_the_weights_were_fitted_on_is_counted(world, members, fit_on, tmp_path):
    short = {**members, "fair": members["fair"].filter((pl.col("split") != "train") | (pl.col("fold") == 3))}
    _, fitted = blending.blend(world, short, BlendSection(fit_on=fit_on), "rmse")
    train = 90 if fit_on == "oof+valid" else 0
    assert fitted.rows == {"out_of_fold": train, "valid": 120}
    fitted.save(tmp_path)
    assert blending.Blend.load(tmp_path).rows == fitted.rows


def test_a_member_without_out_of_fold_rows_does_not_empty_those_of_the_others(world, members):
    none = {**members, "fair": members["fair"].filter(pl.col("split") != "train")}
    with pytest.raises(BadInput, match=r"(?s)blend.fit_on.*no training post .*fair in folds \[\].*expected valid"):
        blending.blend(world, none, BlendSection(), "rmse")
    _, fitted = blending.blend(world, none, BlendSection(fit_on="valid"), "rmse")
    assert fitted.rows["out_of_fold"] == 0


def test_drift_is_never_carried_back_before_age_zero():
    found = drift.Drift(level=1.0, slope=0.05, middle=5.0, oldest=10.0)
    assert found.correction(np.array([-100.0, -1.0, 0.0])).tolist() == [0.75] * 3
    assert found.correction(np.array([20.0, 300.0])).tolist() == [1.75] * 2
    assert found.correction(np.array([np.nan])).tolist() == [0.0]

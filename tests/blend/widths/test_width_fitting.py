"""Widths learned from held-out residuals: coverage, no look at test labels, single rows, same bytes, few posts."""

import datetime as dt

import numpy as np
import polars as pl
import pytest

from popcast.blend import blending, intervals
from popcast.blend.params import Blend as BlendSection
from popcast.blend.widths.held_out_posts import LEAST_AUTHORS, folds
from popcast.blend.widths.params import Widths
from popcast.blend.widths.width_fitting import learn_widths
from popcast.blend.widths.width_model import WidthModel
from popcast.blend.widths.winkler_score import interval_scores
from popcast.core.errors import BadInput

SECTION = Widths(rounds=40, most_posts=3000)
DAY = dt.datetime(2024, 1, 1, tzinfo=dt.UTC)


def world(valid=1500, test=1500, train=600, authors=200, seed=0):
    """Posts whose error is 0.3 to 3 wide, as the column ``metadata.doubt`` says; the blend predicts 5 for all."""
    generator = np.random.default_rng(seed)
    n = train + valid + test
    doubt = generator.random(n)
    spread = 0.3 * 10**doubt
    posts = pl.DataFrame({
        "post_id": [f"p{i:05}" for i in range(n)],
        "user_id": [f"u{i}" for i in generator.integers(0, authors, n)],
        "posted_at": pl.Series([DAY + dt.timedelta(hours=i) for i in range(n)], dtype=pl.Datetime("us", "UTC")),
        "split": ["train"] * train + ["valid"] * valid + ["test"] * test,
        "popularity": 5 + generator.normal(0, spread),
        "warm": generator.random(n) < 0.5,
    })  # fmt: skip
    noise = generator.normal(size=n)
    table = posts.select("post_id").with_columns(pl.Series("metadata.doubt", doubt), pl.Series("metadata.noise", noise))
    return posts, {"metadata": table}


def learned(posts, features, section=SECTION, coverage=0.9):
    """Widths of posts that the blend predicts as 5, and the width that all would get."""
    rows = posts.filter(pl.col("split") != "train").sort("post_id")
    residual = (rows.filter(split="valid")["popularity"] - 5).to_numpy()
    same = intervals.half_width(residual, coverage)
    predicted = rows.select("post_id", prediction=pl.lit(5.0))
    return learn_widths(posts, predicted, np.full((rows.height, 1), 5.0), features, same, coverage, section, 3), same


def asked(model, posts, features):
    """Spread of the test posts, and their labels."""
    rows = posts.filter(split="test")
    shown = features["metadata"].join(rows.select("post_id"), on="post_id", how="semi").drop("post_id")
    n = rows.height
    spread = model.apply(shown, np.full(n, 5.0), np.full((n, 1), 5.0), rows["warm"].to_numpy())
    return spread, rows["popularity"].to_numpy(), shown["metadata.doubt"].to_numpy()


@pytest.mark.parametrize("method", ["cqr", "normalised"])
@pytest.mark.parametrize("coverage", [0.8, 0.9])
def test_widths_follow_the_post_and_hold_what_they_promise(method, coverage):
    posts, features = world()
    model, same = learned(posts, features, SECTION.model_copy(update={"method": method, "rounds": 120}), coverage)
    spread, y, doubt = asked(model, posts, features)
    inside = (spread.lower <= y) & (y <= spread.upper)
    bound = 4 * np.sqrt(coverage * (1 - coverage) * (1 / 1500 + 1 / 1500))  # of calibration and of test posts
    assert abs(inside.mean() - coverage) < bound
    for part in (doubt < 0.5, doubt >= 0.5):
        assert abs(inside[part].mean() - coverage) < 0.06
    width = spread.upper - spread.lower
    assert np.corrcoef(width, 10**doubt)[0, 1] > 0.8
    assert model.scores[method] < 0.93 * model.scores["constant"]
    ours, all_alike = (interval_scores(y, *ends, coverage).mean()
                       for ends in ((spread.lower, spread.upper), (5 - same, 5 + same)))  # fmt: skip
    assert ours < 0.93 * all_alike
    below = (y[:, None] <= spread.quantiles).mean(axis=0)
    np.testing.assert_allclose(below, spread.levels, atol=0.06)
    assert (np.diff(spread.quantiles, axis=1) >= 0).all()


def test_nothing_to_follow_is_one_width():
    posts, features = world()
    blind = {"metadata": features["metadata"].select("post_id", "metadata.noise")}
    model, same = learned(posts, blind)
    assert model.method == "constant"
    assert set(model.scores) == {"cqr", "normalised", "constant"}
    spread = model.apply(pl.DataFrame(), np.array([5.0]), np.empty((1, 0)), np.array([True]))
    assert (spread.lower[0], spread.upper[0]) == pytest.approx((5 - same, 5 + same), abs=1e-6)


@pytest.mark.parametrize("part", ["test", "unlabelled"])
def test_no_label_outside_the_valid_and_training_part_is_read(part):
    posts, features = world(valid=600, test=300)
    posts = posts.with_columns(split=pl.col("split").replace("test", part))
    changed = posts.with_columns(popularity=pl.when(split=part).then(60.0).otherwise("popularity"))
    missing = posts.with_columns(popularity=pl.when(pl.col("split") != part).then("popularity"))
    first, _ = learned(posts, features)
    for other in (changed, missing, posts.reverse()):
        assert text(learned(other, features)[0]) == text(first)


def text(model) -> list[str]:
    shape = [booster.model_to_string() for booster in model.shape.boosters]
    return [*shape, repr((model.method, model.levels, model.offsets, model.scores, model.rows))]


@pytest.mark.parametrize("method", ["cqr", "normalised", "constant"])
def test_saved_widths_are_exact_have_the_same_bytes_and_rows_stand_alone(method, tmp_path):
    posts, features = world(valid=600, test=300)
    section = SECTION.model_copy(update={"method": method})
    model, _ = learned(posts, features, section)
    model.save(tmp_path / "a")
    learned(posts, features, section)[0].save(tmp_path / "b")
    names = sorted(path.name for path in (tmp_path / "a").iterdir())
    assert len(names) == {"cqr": 8, "normalised": 2, "constant": 1}[method]
    for name in names:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    loaded = WidthModel.load(tmp_path / "a")
    whole, _, _ = asked(model, posts, features)
    again, _, _ = asked(loaded, posts, features)
    assert (again.quantiles == whole.quantiles).all()
    rows = posts.filter(split="test")
    for i in (0, 7, 299):
        one = features["metadata"].filter(post_id=rows["post_id"][i]).drop("post_id")
        alone = loaded.apply(one, np.array([5.0]), np.full((1, 1), 5.0), rows["warm"].to_numpy()[i : i + 1])
        assert (alone.quantiles[0] == whole.quantiles[i]).all()


def test_a_broken_folder_is_one_line(tmp_path):
    with pytest.raises(BadInput, match=r"widths\.json"):
        WidthModel.load(tmp_path)
    posts, features = world(valid=400, test=50)
    learned(posts, features, SECTION.model_copy(update={"method": "normalised"}))[0].save(tmp_path)
    (tmp_path / "widths-0.txt").write_text("tree\n")
    with pytest.raises(BadInput, match=r"widths-0\.txt"):
        WidthModel.load(tmp_path)


@pytest.mark.parametrize("valid", [30, 299])
def test_few_posts_get_one_width(valid):
    posts, features = world(valid=valid, test=20)
    model, same = learned(posts, features)
    assert (model.method, model.scores, model.rows["all"]) == ("constant", {}, valid)
    spread, _, _ = asked(model, posts, features)
    np.testing.assert_allclose(spread.upper - spread.lower, 2 * same, atol=3e-6)
    assert (np.diff(spread.quantiles, axis=1) >= 0).all()
    assert (spread.chance(5.0) > 0).all()


def test_a_small_segment_gets_the_offset_of_all_and_a_large_one_leans_on_its_own():
    posts, features = world()
    few = posts.with_columns(warm=pl.int_range(pl.len()) % 40 > 0)
    model, _ = learned(few, features, SECTION.model_copy(update={"method": "cqr"}))
    assert model.rows["cold"] < SECTION.least_segment
    both, _ = learned(posts, features, SECTION.model_copy(update={"method": "cqr"}))
    assert both.rows["cold"] > SECTION.least_segment
    assert both.offsets["cold"] != both.offsets["warm"]
    shared, _ = learned(posts, features, SECTION.model_copy(update={"method": "cqr", "least_segment": 10**6}))
    assert shared.offsets["cold"] == shared.offsets["warm"]


@pytest.mark.parametrize("what", ["one account", "no account", "no time", "no features", "constant labels"])
def test_odd_worlds(what):
    posts, features = world(valid=600, test=200)
    if what == "one account":
        posts = posts.with_columns(user_id=pl.lit("u"))
    elif what == "no account":
        posts = posts.with_columns(user_id=pl.lit(None, pl.String), warm=pl.lit(False))
    elif what == "no time":
        posts = posts.with_columns(user_id=pl.lit("u"), posted_at=pl.lit(None, pl.Datetime("us", "UTC")))
    elif what == "constant labels":
        posts = posts.with_columns(popularity=pl.lit(7.0))
    model, same = learned(posts, {} if what == "no features" else features)
    spread, y, _ = asked(model, posts, features)
    follows = what not in ("no features", "constant labels")
    assert model.follows_posts == follows
    assert ((spread.lower <= y) & (y <= spread.upper)).mean() > 0.83
    if not follows:
        np.testing.assert_allclose(spread.upper - spread.lower, 2 * same, atol=3e-6)


def test_folds_hold_whole_authors_or_stretches_of_time():
    posts, _ = world(valid=300, test=0)
    found = posts.with_columns(fold=pl.Series(folds(posts)))
    assert found.group_by("user_id").agg(pl.col("fold").n_unique())["fold"].max() == 1
    counts = found["fold"].value_counts()["count"]
    assert counts.len() == 5
    assert counts.max() - counts.min() < 30
    few = posts.with_columns(user_id=pl.int_range(pl.len()) % (LEAST_AUTHORS - 1)).cast({"user_id": pl.String})
    assert (np.diff(folds(few.sort("posted_at"))) != 0).sum() < 20


@pytest.mark.parametrize("method", ["cqr", "constant"])
def test_the_blend_carries_its_widths(method, tmp_path):
    posts, features = world(valid=700, test=300)
    posts = posts.drop("warm").with_columns(fold=pl.lit(0, pl.Int8))
    keys = posts.filter(pl.col("split") != "train").select("post_id", "split", "fold")
    members = {name: keys.with_columns(prediction=pl.lit(value)) for name, value in (("a", 5.0), ("b", 5.5))}
    section = BlendSection(fit_on="valid", widths=SECTION.model_copy(update={"method": method}))
    table, fitted = blending.blend(posts, members, section, "mae", features=features, seed=3)
    fitted.save(tmp_path)
    loaded = blending.Blend.load(tmp_path)
    assert (loaded, loaded.levels, loaded.widths.method) == (fitted, fitted.levels, method)
    assert (table["upper"] - table["lower"]).n_unique() > 1 or method == "constant"
    assert table["quantiles"].list.len().unique().to_list() == [len(fitted.levels)]
    rows = posts.join(table, on="post_id").filter(pl.col("split").is_in(["test"]))
    assert 0.8 < rows["popularity"].is_between(rows["lower"], rows["upper"]).mean() < 0.97

"""popcast.scoring.evaluation on generated posts."""

import datetime as dt

import numpy as np
import polars as pl
import pytest

from popcast.blend import blending
from popcast.blend.params import Blend as BlendSection
from popcast.core.errors import BadInput
from popcast.scoring import bootstrap, evaluation, metrics
from popcast.scoring.params import Evaluation
from tests import popularity

SECTION = Evaluation(bootstrap=200, baselines=["median"])


@pytest.fixture(scope="module")
def scored():
    """Posts, prediction tables and scores, with ``posthoc`` outside the singles."""
    world = popularity.posts()
    tables = popularity.predictions(world)
    blend, _ = blending.blend(world, {name: tables[name] for name in ("median", "good", "fair")}, BlendSection(), "mae")
    tables["blend"] = blend
    posts = evaluation.scored_posts(world, "Asia/Shanghai")
    return posts, tables, evaluation.evaluate(posts, tables, "mae", SECTION, 7, ["median", "good", "fair"])


def test_every_part_is_scored_on_labelled_posts(scored):
    posts, tables, scores = scored
    for split, part in evaluation.PARTS.items():
        rows = posts.drop("split").join(tables["good"].filter(pl.col("split") == split), on="post_id")
        expected = metrics.score(rows["popularity"].to_numpy(), rows["prediction"].to_numpy())
        assert scores["good"][f"{part}.mae"] == pytest.approx(expected["mae"])
        assert scores["good"][f"{part}.posts"] == rows.height > 0
    assert scores["good"]["test.posts"] == 120


def test_intervals_hold_the_estimate(scored):
    for name, of in scored[2].items():
        for metric in metrics.METRICS:
            if of[f"test.{metric}"] is not None:
                assert of[f"test.{metric}_low"] < of[f"test.{metric}"] < of[f"test.{metric}_high"], (name, metric)


def test_best_single_is_chosen_on_valid_among_the_singles(scored):
    scores = scored[2]
    assert [name for name, of in scores.items() if of["flags.best_single"]] == ["good"]
    assert scores["posthoc"]["valid.mae"] < scores["good"]["valid.mae"]
    assert evaluation.best_single(scores, "mae", [*popularity.SKILL]) == "posthoc"


def test_paired_differences(scored):
    scores = scored[2]
    for name in ("blend", "median", "fair"):
        of = scores[name]
        assert of["test.vs_best.difference"] == pytest.approx(of["test.mae"] - scores["good"]["test.mae"])
        assert of["test.vs_best.low"] < of["test.vs_best.difference"] < of["test.vs_best.high"]
    assert scores["median"]["test.vs_best.p"] < 0.02
    assert scores["blend"]["test.vs_median.high"] < 0
    assert "test.vs_best.p" not in scores["good"]
    assert "test.vs_median.p" not in scores["median"]


def test_segments(scored):
    posts, tables, scores = scored
    of = scores["good"]
    assert of["test.cold.posts"] + of["test.warm.posts"] == 120
    test = posts.filter(pl.col("split") == "test").join(tables["good"].drop("split"), on="post_id")
    cold = test.filter(pl.col("history_length") == 0)
    assert of["test.cold.posts"] == cold.height > 0
    assert of["test.cold.mae"] == pytest.approx((cold["prediction"] - cold["popularity"]).abs().mean())
    assert of["test.category.Food & Drink.posts"] == of["test.category.v1 0.posts"] == 40
    months = [key for key in of if key.startswith("test.month.") and key.endswith(".posts")]
    assert sum(of[key] for key in months) == 120
    assert months == ["test.month.2016-04.posts", "test.month.2016-05.posts"]


def test_constant_prediction_is_flagged(scored):
    median = scored[2]["median"]
    assert median["flags.constant"] is True
    assert median["test.src"] is None
    assert median["test.src_low"] is None
    assert scored[2]["good"]["flags.constant"] is False


def test_coverage_of_the_blend_is_that_of_its_intervals(scored):
    posts, tables, scores = scored
    rows = posts.filter(pl.col("split") == "test").join(tables["blend"].drop("split"), on="post_id")
    inside = rows["popularity"].is_between(rows["lower"], rows["upper"]).mean()
    assert scores["blend"]["test.coverage"] == pytest.approx(inside)
    assert "test.coverage" not in scores["good"]


def test_single_seeds_have_a_mean_and_a_deviation():
    world = popularity.posts()
    tables = popularity.predictions(world)
    shifts = np.array([-0.3, 0.0, 0.3])
    middle = tables["good"]["prediction"].to_numpy()
    tables["good"] = tables["good"].with_columns(seeds=pl.Series(middle[:, None] + shifts).cast(pl.List(pl.Float64)))
    posts = evaluation.scored_posts(world, "UTC")
    scores = evaluation.evaluate(posts, tables, "mae", Evaluation(bootstrap=0), 7, ["good", "fair"])
    for part in ("valid", "test"):
        rows = posts.drop("split").join(tables["good"].filter(split=part), on="post_id")
        y, p = rows["popularity"].to_numpy(), rows["prediction"].to_numpy()
        values = [metrics.score(y, p + shift)["nmse"] for shift in shifts]
        of = scores["good"]
        assert of[f"{part}.seeds"] == 3
        assert of[f"{part}.nmse_seed_mean"] == pytest.approx(np.mean(values))
        assert of[f"{part}.nmse_seed_sd"] == pytest.approx(np.std(values, ddof=1))
        assert of[f"{part}.nmse"] == pytest.approx(metrics.score(y, p)["nmse"])
    assert not [
        key for of in (scores["fair"], scores["good"]) for key in of if key.startswith("oof.") and "seed" in key
    ]
    assert not [key for key in scores["fair"] if "seed" in key]


def test_batches_follow_the_ids_as_numbers():
    world = popularity.posts(n=1500)
    numbers = dict(zip(world["post_id"], np.random.default_rng(5).permutation(world.height) * 7, strict=True))

    def renamed(table: pl.DataFrame) -> pl.DataFrame:
        return table.with_columns(post_id=pl.col("post_id").replace_strict(numbers).cast(pl.String))

    tables = {name: renamed(table) for name, table in popularity.predictions(world).items()}
    posts = evaluation.scored_posts(renamed(world), "UTC")
    section = Evaluation(bootstrap=100, baselines=["median"], metric_mode="batch256")
    of = evaluation.evaluate(posts, tables, "nmse", section, 7, ["good", "fair"])["good"]
    rows = posts.filter(split="test").join(tables["good"].drop("split"), on="post_id")
    rows = rows.sort(pl.col("post_id").cast(pl.Int64))
    assert rows["post_id"].to_list() != sorted(rows["post_id"].to_list())
    y, p = rows["popularity"].to_numpy(), rows["prediction"].to_numpy()
    parts = [metrics.score(y[rows], p[rows])["nmse"] for rows in (slice(256), slice(256, 300))]
    assert of["test.nmse"] == pytest.approx(np.mean(parts))
    assert of["test.nmse_low"] < of["test.nmse"] < of["test.nmse_high"]
    letters = evaluation.by_number(evaluation.scored_posts(world, "UTC"))
    assert letters["post_id"].is_sorted(), "ids that are no numbers stay in their order"


def test_no_bootstrap_no_intervals():
    world = popularity.posts(authors=False, times=False)
    tables = popularity.predictions(world)
    posts = evaluation.scored_posts(world, "UTC")
    of = evaluation.evaluate(posts, tables, "nmse", Evaluation(bootstrap=0), 7, ["good", "fair"])["good"]
    assert not [key for key in of if key.endswith("_low") or "vs_" in key]
    assert not [key for key in of if key.startswith(("test.cold", "test.warm", "test.month"))]


def test_a_model_without_a_test_post_is_refused():
    world = popularity.posts()
    tables = popularity.predictions(world)
    first = world.filter(pl.col("split") == "test")["post_id"].min()
    tables["fair"] = tables["fair"].filter(pl.col("post_id") != first)
    posts = evaluation.scored_posts(world, "UTC")
    with pytest.raises(BadInput, match=f"fair has no prediction for a test post: got '{first}'"):
        evaluation.evaluate(posts, tables, "mae", SECTION, 7, ["good"])


def test_rows_in_any_order_give_the_same_scores(scored):
    posts, tables, scores = scored
    turned = {name: table.reverse() for name, table in tables.items()}
    again = evaluation.evaluate(posts, turned, "mae", SECTION, 7, ["median", "good", "fair"])
    assert {k: evaluation.rounded(v) for k, v in again.items()} == {k: evaluation.rounded(v) for k, v in scores.items()}


def test_generated_data_are_known_by_their_folder():
    assert evaluation.is_generated("tiny", "data/raw/tiny")
    assert not evaluation.is_generated("tiny", "../shared/data/raw")
    assert np.isclose(evaluation.rounded({"x": 1.23456789})["x"], 1.234568, atol=0)


def test_labelled_posts_outside_the_split_are_not_scored():
    """A rolling origin leaves labelled posts out: their split is ``unlabelled``."""
    world = popularity.posts()
    left_out = world.filter(split="train")["post_id"][:7]
    named = pl.when(pl.col("post_id").is_in(left_out.implode())).then(pl.lit("unlabelled")).otherwise("split")
    scored = evaluation.scored_posts(world.with_columns(split=named), "UTC")
    assert scored.height == evaluation.scored_posts(world, "UTC").height - 7
    assert set(scored["split"]) == {"train", "valid", "test"}


def spread(days: int, authors: int, n: int = 120, times: bool = True) -> pl.DataFrame:
    """n posts over some days by some authors."""
    start = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)
    at = [start + dt.timedelta(minutes=round(i * days * 1440 / n)) if times else None for i in range(n)]
    return pl.DataFrame(
        {
            "post_id": [f"p{i:03d}" for i in range(n)],
            "user_id": [f"u{i % authors}" for i in range(n)],
            "posted_at": pl.Series(at, dtype=pl.Datetime("us", "UTC")),
        }
    )


@pytest.mark.parametrize(
    ("posts", "unit", "count"),
    [
        (spread(60, 20), "authors", 20),
        (spread(60, 19), "days", 60),
        (spread(60, 1), "days", 60),
        (spread(20, 1), "days", 20),
        (spread(19, 1), "hours", 120),
        (spread(1, 1), "hours", 24),
        (spread(1, 1).with_columns(pl.col("posted_at").first()), "posts", 120),
        (spread(60, 1, times=False), "posts", 120),
        (spread(60, 25, times=False), "authors", 25),
        (spread(60, 1, n=30), "days", 30),
        (spread(60, 29, n=29), None, None),
    ],
)
def test_what_is_drawn(posts, unit, count):
    found = bootstrap.clusters_of(posts)
    assert (unit, count) == (None, None) if found is None else (found.unit, found.count) == (unit, count)


def one_author(posts: pl.DataFrame) -> pl.DataFrame:
    return posts.with_columns(user_id=pl.lit("me"))


def test_one_account_has_intervals_of_width_and_no_sure_findings_in_noise():
    posts = one_author(popularity.posts())
    generator = np.random.default_rng(2)
    table = popularity.predictions(posts)["good"]
    noise = {
        name: table.with_columns(prediction=pl.Series(5 + generator.normal(0, 1, table.height)))
        for name in ("first", "second", "third")
    }
    predictions = {**noise, "blend": table.with_columns(lower=pl.lit(None, pl.Float64), upper=pl.lit(None, pl.Float64))}
    rows = evaluation.scored_posts(posts, "UTC")
    section = Evaluation(bootstrap=300, baselines=["first"])
    scores = evaluation.evaluate(rows, predictions, "mae", section, 1, ["first", "second", "third"])
    for of in scores.values():
        assert of["test.drawn"] == "days"
        assert of["test.drawn_of"] >= 20
        assert of["test.mae_high"] - of["test.mae_low"] > 0.01
    p = [of["test.vs_best.p"] for name, of in scores.items() if name in noise and "test.vs_best.p" in of]
    assert len(p) == 2
    assert min(p) > 0.01


def test_a_handful_of_posts_has_neither_interval_nor_p():
    posts = popularity.posts(n=140)
    predictions = {name: popularity.predictions(posts)[name] for name in ("good", "fair")}
    rows = evaluation.scored_posts(posts, "UTC")
    assert rows.filter(split="test").height == 28
    scores = evaluation.evaluate(rows, predictions, "mae", Evaluation(bootstrap=50, baselines=["fair"]), 1, ["good"])
    for of in scores.values():
        assert of["test.drawn"] is None
        assert not [key for key in of if key.endswith((".p", "_low", "_high"))]
        assert of["test.mae"] > 0

"""The ablation: planted effects are found, noise is not, test labels reach nothing, refusals, the picture's table."""

from datetime import datetime

import numpy as np
import polars as pl
import pytest

from popcast.core.errors import BadInput
from popcast.features.common.contract import Context
from popcast.scoring.params import Evaluation
from popcast.simulation.ablation import ablation_plots, variants
from popcast.simulation.ablation.learners import LEARNERS, completed, ridge
from popcast.simulation.params import Ablation, FieldFeatures
from tests.simulation.states import make_states, make_triggers

CONTEXT = Context("generated", seed=7)
EVALUATION = Evaluation(bootstrap=400)
SECTION, FIELDS = Ablation(rounds=40), FieldFeatures(dim=3)
N, RUNS, EPOCHS = 420, 2, 2


def make_posts(seed: int = 0) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    """Labelled generated posts, their text block and their history block; the label follows author and words a bit."""
    rng = np.random.default_rng(seed)
    ids = [f"p{i:04d}" for i in range(N)]
    author, words = rng.integers(0, 60, N), rng.normal(size=(N, 4)).astype(np.float32)
    y = np.round(5 + (author % 7) / 3 + 0.5 * words[:, 0] + rng.normal(0, 1.2, N), 6)
    part = np.where(np.arange(N) < 240, "train", np.where(np.arange(N) < 300, "valid", "test"))
    known = rng.random(N) > 0.3
    at = pl.datetime_range(datetime(2016, 1, 1), datetime(2017, 1, 1), "6h", time_zone="UTC", eager=True)[:N]
    posts = pl.DataFrame({"post_id": ids, "split": part, "popularity": y, "posted_at": at}).with_columns(
        user_id=pl.Series([None if i % 50 == 0 else f"u{a}" for i, a in enumerate(author)])
    )
    text = pl.DataFrame({"post_id": ids, "text.svd_embedding": pl.Series(words)})
    history = pl.DataFrame(
        {
            "post_id": ids,
            "history.mean": pl.Series(np.where(known, 5 + (author % 7) / 3, np.nan)).fill_nan(None),
            "history.count": pl.Series(rng.integers(0, 30, N).astype(float)),
            "history.kind": ["a"] * N,
        }
    )
    return posts, text, history


def scaled(posts: pl.DataFrame, triggers: pl.DataFrame) -> dict[str, float]:
    y = triggers.join(posts, on="post_id", maintain_order="left")
    level = 1 + 8 * (y["popularity"] - y["popularity"].min()) / (y["popularity"].max() - y["popularity"].min())
    return dict(zip(y["trigger"], level, strict=True))


@pytest.fixture(scope="module")
def tables():
    return make_posts()


@pytest.fixture(scope="module")
def triggers(tables):
    return make_triggers(tables[0]["post_id"].to_list(), runs=RUNS)


@pytest.fixture(scope="module")
def design(tables, triggers):
    return variants.make_design(tables[0], triggers, tables[1], tables[2], SECTION, "generated")


@pytest.fixture(scope="module")
def noise(triggers):
    return make_states(triggers, EPOCHS, seed=11)


@pytest.fixture(scope="module")
def noise_predictions(design, noise):
    return variants.predict_all(design, noise, SECTION, FIELDS, CONTEXT)


def test_a_planted_effect_is_found(tables, triggers, design):
    planted = make_states(triggers, EPOCHS, scaled(tables[0], triggers), noise=0.5, seed=1)
    predictions = variants.predict_all(design, planted, SECTION, FIELDS, CONTEXT)
    scores = variants.score(design, predictions, EVALUATION, seed=7)
    for learner in LEARNERS:
        assert scores[f"{learner}.none.mae"] > 0.8
        for epoch in (1, 2):
            for variant in ("numeric", "both"):
                stem = f"{learner}.{variant}.{epoch}"
                assert scores[f"{stem}.mae"] < 0.5 * scores[f"{learner}.none.mae"]
                assert scores[f"{stem}.vs_none.high"] < 0
                assert scores[f"{stem}.vs_none.p"] < 0.01
                assert scores[f"{stem}.vs_none.src_low"] > 0
            assert scores[f"{learner}.both.{epoch}.vs_shuffled.high"] < 0
            assert scores[f"{learner}.numeric.{epoch}.vs_raw.high"] < 0
            for variant in ("shuffled", "raw", "text"):
                assert scores[f"{learner}.{variant}.{epoch}.vs_none.high"] > 0
            stem = f"{learner}.both.{epoch}"
            difference = scores[f"{stem}.mae"] - scores[f"{learner}.none.mae"]
            assert scores[f"{stem}.vs_none.difference"] == pytest.approx(difference, abs=1e-12)
            assert scores[f"{stem}.vs_none.low"] <= difference <= scores[f"{stem}.vs_none.high"]


def test_noise_wins_nothing(design, noise_predictions):
    scores = variants.score(design, noise_predictions, EVALUATION, seed=7)
    highs = {key: value for key, value in scores.items() if key.endswith("vs_none.high")}
    assert len(highs) == len(LEARNERS) * 5 * EPOCHS
    assert min(highs.values()) > 0


def test_test_labels_change_no_prediction(tables, triggers, design, noise, noise_predictions):
    test = pl.col("split") == "test"
    posts = tables[0].with_columns(popularity=pl.when(test).then(20 - pl.col("popularity")).otherwise("popularity"))
    other = variants.make_design(posts, triggers, tables[1], tables[2], SECTION, "generated")
    again = variants.predict_all(other, noise, SECTION, FIELDS, CONTEXT)
    assert again.keys() == noise_predictions.keys()
    assert all((again[cell] == values).all() for cell, values in noise_predictions.items())
    assert variants.score(other, again, EVALUATION, 7) != variants.score(design, noise_predictions, EVALUATION, 7)


def test_no_label_changes_a_column(tables, triggers, design, noise):
    posts = tables[0].with_columns(popularity=pl.col("popularity").reverse())
    other = variants.make_design(posts, triggers, tables[1], tables[2], SECTION, "generated")
    np.testing.assert_array_equal(other.base, design.base)
    columns = [variants.field_columns(d, noise, 1, 2, FIELDS, CONTEXT) for d in (design, other)]
    assert all(np.array_equal(columns[0][name], columns[1][name], equal_nan=True) for name in columns[0])


def test_fields_of_valid_and_test_teach_nobody(design, noise):
    training = design.triggers.join(design.rows.filter(split="train"), on="post_id", how="semi")["trigger"]
    own = pl.col("trigger").is_in(training.implode())
    other = noise.with_columns(field_text=pl.when(own).then("field_text").otherwise(pl.lit("zebra zeppelin")))
    columns = [variants.field_columns(design, s, 0, 1, FIELDS, CONTEXT)["text"] for s in (noise, other)]
    train = design.part("train")
    np.testing.assert_array_equal(columns[0][train], columns[1][train])
    assert not columns[1][~train][:-1].any()


def test_columns_of_the_variants(design, noise):
    columns = variants.field_columns(design, noise, 1, 2, FIELDS, CONTEXT)
    assert {name: values.shape[1] for name, values in columns.items()} == {
        "text": 3, "numeric": 3, "both": 6, "shuffled": 6, "raw": 2
    }  # fmt: skip
    state = noise.filter((pl.col("run") == 1) & (pl.col("trigger") == design.triggers["trigger"][4])).sort("epoch")
    mean = state["mean_attitude"].to_list()
    sd = np.std(state["attitudes"][1].to_list())
    np.testing.assert_allclose(columns["numeric"][4], [mean[1], sd, mean[1] - mean[0]], atol=1e-12)
    raw = state["mean_raw_score"].to_list()
    np.testing.assert_allclose(columns["raw"][4], [raw[1], raw[1] - raw[0]], atol=1e-12)
    rows = variants.shuffled_rows(design.rows, CONTEXT.seed, 1)
    np.testing.assert_array_equal(columns["shuffled"], columns["both"][rows])
    assert sorted(rows) == list(range(N))
    assert (rows != np.arange(N)).all()
    split = design.rows["split"].to_numpy()
    assert (split[rows] == split).all()
    assert (rows != variants.shuffled_rows(design.rows, CONTEXT.seed, 0)).any()


def test_order_of_the_tables_means_nothing(tables, triggers, design, noise):
    mixed = [table.sample(fraction=1, shuffle=True, seed=3) for table in (tables[0], triggers, tables[1], tables[2])]
    other = variants.make_design(*mixed, SECTION, "generated")
    np.testing.assert_array_equal(other.base, design.base)
    assert other.rows.equals(design.rows)
    columns = [
        variants.field_columns(d, s, 0, 2, FIELDS, CONTEXT)
        for d, s in ((design, noise), (other, noise.sample(fraction=1, shuffle=True, seed=4)))
    ]
    assert all(np.array_equal(columns[0][name], columns[1][name], equal_nan=True) for name in columns[0])


def test_only_repeated_labelled_posts_take_part(tables, design):
    runs = [RUNS if i % 4 else 1 for i in range(N)]
    posts = tables[0].with_columns(
        popularity=pl.when(pl.int_range(pl.len()) % 10 != 1).then("popularity"),
        split=pl.when(pl.int_range(pl.len()) % 10 == 2).then(pl.lit("unlabelled")).otherwise("split"),
    )
    triggers = make_triggers(posts["post_id"].to_list(), runs=runs)
    some = variants.make_design(posts, triggers, tables[1], tables[2], SECTION, "generated")
    numbers = [int(post[1:]) for post in some.rows["post_id"]]
    assert numbers == [i for i in range(N) if i % 4 and i % 10 not in (1, 2)]
    assert some.runs == RUNS
    assert some.triggers["post_id"].to_list() == some.rows["post_id"].to_list()


def test_no_authors_and_no_history(tables, triggers, noise):
    posts = tables[0].with_columns(user_id=pl.lit(None, pl.String))
    section = Ablation(rounds=5, history=False)
    bare = variants.make_design(posts, triggers, tables[1], None, section, "generated")
    assert bare.base.shape == (N, 4)
    once = noise.filter(pl.col("epoch") == 0)
    predictions = variants.predict_all(bare, once, section, FIELDS, CONTEXT)
    scores = variants.score(bare, predictions, Evaluation(bootstrap=50), seed=7)
    assert scores["ridge.none.mae_low"] < scores["ridge.none.mae"] < scores["ridge.none.mae_high"]
    about = variants.about(bare, 1, section, EVALUATION)
    assert about["posts"] == {"train": 240, "valid": 60, "test": 120}
    assert (about["authors"], about["base"], about["comparisons"]) == (0, ["text.svd_embedding"], 10)
    plain = variants.score(bare, predictions, Evaluation(bootstrap=0), seed=7)
    assert plain["ridge.both.1.mae"] == scores["ridge.both.1.mae"]
    assert not [key for key in plain if key.endswith(("low", "high", ".p"))]


def test_means_and_spread_are_over_runs(design, noise_predictions):
    scores = variants.score(design, noise_predictions, EVALUATION, seed=7)
    y = design.y[design.part("test")]
    single = [np.abs(noise_predictions["lightgbm", "both", 2, run] - y).mean() for run in range(RUNS)]
    assert scores["lightgbm.both.2.mae"] == pytest.approx(np.mean(single), abs=1e-12)
    assert scores["lightgbm.both.2.mae_run_sd"] == pytest.approx(np.std(single, ddof=1), abs=1e-12)
    assert scores["ridge.none.mae_run_sd"] == 0.0
    assert scores["lightgbm.none.mae_run_sd"] > 0


def test_ridge_against_the_textbook_and_gaps():
    rng = np.random.default_rng(2)
    x = rng.normal(size=(300, 3))
    y = 4 + x @ [1.0, -2.0, 0.0] + rng.normal(0, 0.1, 300)
    train, valid = np.arange(300) < 200, (np.arange(300) >= 200) & (np.arange(300) < 250)
    found = ridge(x, np.where(np.arange(300) < 250, y, np.nan), train, valid, 0, 0)
    from sklearn.linear_model import Ridge
    from sklearn.preprocessing import StandardScaler

    z = np.clip(StandardScaler().fit(x[train]).transform(x), -5, 5)
    expected = Ridge(alpha=1.0).fit(z[train], y[train]).predict(z)
    np.testing.assert_allclose(found, expected, atol=1e-8)
    nan = np.nan
    gaps = np.array([[1.0, nan, 7.0, nan], [3.0, 2.0, 7.0, nan], [nan, nan, 7.0, 1.0], [9.0, 4.0, 7.0, 2.0]])
    full = completed(gaps, np.array([True, True, True, False]))
    assert full.shape == (4, 4)  # one column varies over the training rows, and three patterns of gaps do
    assert np.isfinite(full).all()
    assert full[2, 0] == pytest.approx(0.0, abs=1e-9)  # the median of 1 and 3 is their mean too


def test_refusals(tables, triggers):
    posts, text, history = tables
    with pytest.raises(BadInput, match=r"'simulations.generated.ablation.text': no such embedding column in the block"):
        variants.make_design(posts, triggers, text, history, Ablation(text="text.nothing"), "generated")
    few = posts.filter(pl.col("split") != "test")
    with pytest.raises(BadInput, match=r"'simulations.generated.simulate': too few labelled posts of the test part"):
        variants.make_design(few, triggers, text, history, SECTION, "generated")
    with pytest.raises(BadInput, match=r"'post_id': block history lacks a post: run `dvc repro`: got 'p0003'"):
        variants.make_design(posts, triggers, text, history.filter(pl.col("post_id") != "p0003"), SECTION, "generated")


def test_table_of_the_picture(tmp_path, design, noise_predictions):
    from popcast.scoring import plots

    scores = variants.score(design, noise_predictions, EVALUATION, seed=7)
    pictured = ablation_plots.tables_of(scores, EPOCHS)
    table = pictured["ablation"]
    assert table.height == len(LEARNERS) * (1 + 5 * EPOCHS)
    row = table.row(by_predicate=(pl.col("learner") == "ridge") & (pl.col("variant") == "raw") & (pl.col("epoch") == 2),
                    named=True)  # fmt: skip
    assert row["difference"] == scores["ridge.raw.2.vs_none.difference"]
    plots.write(pictured, tmp_path / "a", "generated", ablation_plots.DRAW)
    plots.write(pictured, tmp_path / "b", "generated", ablation_plots.DRAW)
    assert sorted(file.name for file in (tmp_path / "a").iterdir()) == ["ablation.csv", "ablation.png"]
    assert (tmp_path / "a" / "ablation.png").read_bytes() == (tmp_path / "b" / "ablation.png").read_bytes()

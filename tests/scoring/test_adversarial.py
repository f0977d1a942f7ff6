"""Adversarial validation: AUC that is out-of-fold, the ladder, weights, and the stage as a user runs it."""

from __future__ import annotations

import numpy as np
import orjson
import polars as pl
import pytest
from ruamel.yaml import YAML

from popcast.core import paths, tables
from popcast.core.errors import BadInput
from popcast.planning import project_params
from popcast.planning.leftovers import leftovers
from popcast.scoring import adversarial, adversarial_plots, plots
from popcast.scoring.params import Adversarial
from tests.plans import run_stage

N, LATE = 500, 150
SMALL = {"features": "tiny", "blocks": ["a"], "rounds": 20, "steps": 1, "step_size": 1, "depth": 3}


def section(**more) -> Adversarial:
    return Adversarial.model_validate({**SMALL, **more})


def world(seed: int = 0, authors: int | None = None) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Generated splits and features: a clock, a column and a category that drift a little, and three that do not.

    authors: posts are theirs at random; None: posts have none.
    """
    rng = np.random.default_rng(seed)
    late = np.arange(N) >= N - LATE
    splits = pl.DataFrame(
        {
            "post_id": [f"p{i:04d}" for i in rng.permutation(N)],
            "split": np.where(late, "test", np.where(np.arange(N) % 9 == 0, "valid", "train")),
            "fold": pl.Series([None] * N, dtype=pl.Int8),
            "user_id": pl.Series(
                [None] * N if authors is None else rng.integers(0, authors, N).astype(str).tolist(), dtype=pl.String
            ),
        }
    )
    some = rng.normal(size=N)
    features = splits.select("post_id").with_columns(
        pl.Series("a.clock", np.arange(N) + 0.5),
        pl.Series("a.drifts", rng.normal(size=N) + 1.0 * late),
        pl.Series("a.kind", rng.choice(["x", "y", "z"], N)),
        pl.Series("a.steady", np.where(rng.random(N) < 0.2, np.nan, some)).fill_nan(None),
        pl.Series("a.noise", rng.normal(size=N)),
        pl.Series("a.embedding", rng.normal(size=(N, 3)), dtype=pl.Array(pl.Float32, 3)),
    )
    return splits, features


def run(splits, features, seed: int = 3, **more) -> adversarial.Result:
    return adversarial.validate(splits, features, section(**more), seed, lambda name, work: work())


def test_auc_is_the_share_of_pairs_in_the_right_order():
    rng = np.random.default_rng(0)
    positive, score = rng.random(60) < 0.4, rng.integers(0, 9, 60).astype(float)
    pairs = score[positive][:, None] - score[~positive][None, :]
    assert adversarial.auc(positive, score) == pytest.approx(np.mean((pairs > 0) + 0.5 * (pairs == 0)))


def test_ladder_leaves_out_the_named_then_the_strongest():
    result = run(*world(), drop=["a.clock"])
    assert [step.dropped for step in result.steps] == [[], ["a.clock"], ["a.drifts"]]
    assert result.base == 1
    whole, base, last = (step.auc for step in result.steps)
    assert whole > 0.99
    assert 0.68 < base < 0.85
    assert 0.4 < last < 0.6
    assert [set(step.shares) for step in result.steps] == [
        {"a.clock", "a.drifts", "a.kind", "a.steady", "a.noise"},
        {"a.drifts", "a.kind", "a.steady", "a.noise"},
        {"a.kind", "a.steady", "a.noise"},
    ]
    for step in result.steps:
        assert sum(step.shares.values()) == pytest.approx(1)
    assert result.columns["column"][0] == "a.clock"


def test_parts_that_are_alike_cannot_be_told_apart():
    """Out-of-fold: 200 trees on noise, which would tell every post that they have learned."""
    splits, features = world()
    result = run(splits, features.select("post_id", "a.steady", "a.noise", "a.kind"), rounds=200, depth=5, steps=0)
    assert 0.4 < result.steps[0].auc < 0.6


def test_each_fold_is_predicted_by_trees_that_did_not_see_it():
    """The features of a post decide its own probability and those of the other folds, never of its fold mates."""
    splits, features = world()
    features = features.drop("a.clock", "a.embedding", "a.kind")
    first = run(splits, features, steps=0)
    against = first.posts["against"].to_numpy()
    fold = adversarial._folds(first.posts["post_id"], against, 5, 3)
    assert np.bincount(fold[against]).tolist() == [LATE // 5] * 5
    mates = first.posts["post_id"].to_numpy()[fold == 2]
    changed = features.with_columns(
        pl.when(pl.col("post_id") == mates[0]).then(9.0).otherwise("a.drifts").alias("a.drifts")
    )
    second = run(splits, changed, steps=0)
    same = first.steps[0].probability == second.steps[0].probability
    assert same[fold == 2][1:].all()
    assert not same[fold != 2].all()


def parts_by_author(seed: int = 0) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Whole authors fall to train or test by lot, and a post shows facts of its author: nothing has drifted."""
    rng = np.random.default_rng(seed)
    authors, facts = rng.integers(0, 120, 1200), rng.normal(size=(120, 4))
    test = rng.permutation(120) < 40
    ids = pl.Series("post_id", [f"p{i:04d}" for i in range(1200)])
    part = pl.Series("split", np.where(test[authors], "test", "train"))
    splits = pl.DataFrame([ids, part, pl.Series("user_id", authors.astype(str))])
    return splits, pl.DataFrame([ids, *(pl.Series(f"a.{i}", facts[authors, i]) for i in range(4))])


def test_authors_that_fell_to_a_part_by_lot_are_not_drift():
    """Folds of single posts know the authors of the test part; folds of whole authors can only guess."""
    splits, features = parts_by_author()
    result = run(splits, features, steps=0, rounds=150, depth=5)
    assert result.by_author
    assert result.steps[0].auc_by_post > 0.97
    assert 0.35 < result.steps[0].auc < 0.65
    assert result.steps[0].auc == adversarial.auc(result.posts["against"].to_numpy(), result.steps[0].probability)
    facts = adversarial.numbers(result, 0.01)
    assert facts["auc.all"] == round(result.steps[0].auc, 6)
    assert facts["auc_by_post.all"] == round(result.steps[0].auc_by_post, 6)


def test_an_author_has_one_fold_and_a_post_without_author_its_own():
    splits, _ = parts_by_author()
    splits = splits.with_columns(user_id=pl.when(pl.int_range(pl.len()) % 3 > 0).then("user_id"))
    against = (splits["split"] == "test").to_numpy()
    fold = pl.Series(adversarial.author_folds(splits, against, 5, 1))
    assert (
        splits.with_columns(fold=fold)
        .drop_nulls("user_id")
        .group_by("user_id")
        .agg(pl.col("fold").n_unique())["fold"]
        .max()
        == 1
    )
    alone = fold.filter(splits["user_id"].is_null())
    assert alone.n_unique() == 5
    for part in (against, ~against):
        assert fold.filter(pl.Series(part)).value_counts()["count"].min() > part.sum() / 10
    other = pl.Series(adversarial.author_folds(splits, against, 5, 2))
    assert not fold.equals(other)


@pytest.mark.parametrize(
    "authors", [[None] * 40, ["a"] * 40, ["a", "b", "c", "d"] * 10, ["late"] * 10 + [str(i) for i in range(30)]]
)
def test_too_few_authors_leave_folds_of_single_posts(authors):
    """Without authors, with one, with fewer than folds, and where one author wrote all of a part."""
    splits = pl.DataFrame({"post_id": [f"p{i:02d}" for i in range(40)], "split": ["test"] * 10 + ["train"] * 30})
    splits = splits.with_columns(pl.Series("user_id", authors, dtype=pl.String))
    features = splits.select("post_id").with_columns(pl.Series("a.x", np.arange(40.0) % 7))
    result = run(splits, features, steps=0)
    assert not result.by_author
    assert result.steps[0].auc == result.steps[0].auc_by_post
    assert adversarial.numbers(result, 0.01)["folds.by_author"] is False


def test_embeddings_are_one_column_each_and_only_where_named():
    result = run(*world(), embeddings=["a.embedding"], steps=0)
    assert "a.embedding" in result.steps[0].shares
    row = result.columns.filter(column="a.embedding")
    assert row["shift"].to_list() == [None]
    assert row["train_mean"].to_list() == [None]


def test_order_of_rows_changes_nothing_and_the_seed_something():
    splits, features = world()
    first = run(splits, features, drop=["a.clock"])
    mixed = run(splits.sample(fraction=1, shuffle=True, seed=1), features.reverse(), drop=["a.clock"])
    assert adversarial.post_weights(first, 0.01).equals(adversarial.post_weights(mixed, 0.01))
    assert adversarial.numbers(first, 0.01) == adversarial.numbers(mixed, 0.01)
    other = run(splits, features, seed=4, drop=["a.clock"])
    assert adversarial.numbers(first, 0.01) != adversarial.numbers(other, 0.01)


def test_distances_of_distributions():
    against = np.array([False] * 4 + [True] * 4)
    features = pl.DataFrame(
        {
            "post_id": list("abcdefgh"),
            "a.same": [1.0, 2.0, 3.0, 4.0] * 2,
            "a.apart": [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0],
            "a.half": [1.0, 1.0, 3.0, 4.0, 3.0, 4.0, 4.0, 3.0],
            "a.gone": [1.0, 2.0, 3.0, 4.0, None, None, 3.0, 4.0],
            "a.kind": ["x", "x", "y", "y", "x", "y", "y", None],
        }
    )
    step = adversarial.Step([], 0.5, 0.5, dict.fromkeys(features.columns[1:], 0.2), np.zeros(8))
    table = adversarial.drifting(features, against, [step], 0)
    found = dict(table.select("column", "shift").iter_rows())
    assert found == pytest.approx({"a.same": 0, "a.apart": 1, "a.half": 0.5, "a.gone": 0.5, "a.kind": 0.25})
    missing = table.filter(column="a.gone")
    assert (missing["train_missing"][0], missing["against_missing"][0]) == (0, 0.5)
    assert missing["against_mean"][0] == 3.5


def test_weights_are_odds_of_training_posts_with_mean_one():
    against = np.array([False, False, False, True])
    found = adversarial.weights(np.array([0.5, 0.8, 0.001, 0.7]), against, 0.1)
    odds = np.array([1.0, 4.0, 1 / 9])
    np.testing.assert_allclose(found[:3], odds / odds.mean())
    assert np.isnan(found[3])


def test_refusals():
    splits, features = world()
    with pytest.raises(BadInput, match=r"no column is called 'a\.tme'"):
        run(splits, features, drop=["a.tme"])
    with pytest.raises(BadInput, match="names every column"):
        run(splits, features, drop=["a.*"])
    with pytest.raises(BadInput, match="0 posts in the part 'unlabelled': expected at least 5"):
        run(splits, features, against="unlabelled")
    with pytest.raises(BadInput, match="no column that varies"):
        run(splits, features.select("post_id", pl.lit(1.0).alias("a.one")))


def table_of_posts(splits: pl.DataFrame, label: float | None) -> pl.DataFrame:
    """The table ``posts`` of some splits, every post with the same label."""
    empty = [pl.lit(None, dtype).alias(name) for name, dtype in tables.POSTS_COLUMNS.items()]
    return (
        splits.select("post_id")
        .with_columns(empty[1:])
        .with_columns(splits["user_id"], popularity=pl.lit(label, pl.Float64))
    )


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A project with generated splits and one feature block, as the working folder."""
    monkeypatch.chdir(tmp_path)
    values = {
        "base": {"seed": 7},
        "datasets": {"tiny": {"kind": "smpd", "raw": "data/raw/tiny"}},
        "splits": {"tiny": {"method": "chronological", "shares": [0.6, 0.2, 0.2]}},
        "blocks": {f"tiny-{block}": {"dataset": "tiny", "block": block} for block in ("a", "profile")},
        "features": {"a": {}, "profile": {}},
        "runs": {}, "models": {}, "blend": {}, "evaluation": {},
        "adversarial": {"tiny": {**SMALL, "drop": ["a.clock"]}},
    }  # fmt: skip
    YAML().dump(values, paths.PARAMS)
    splits, features = world(authors=120)
    tables.write(splits.drop("user_id"), paths.splits("tiny"), tables.SPLIT_TABLE)
    tables.write(table_of_posts(splits, None), paths.posts("tiny"), tables.POSTS)
    tables.write(features, paths.features("tiny", "a"), tables.FEATURES)
    return values


def outs() -> dict[str, bytes]:
    files = [paths.adversarial("tiny"), paths.adversarial_metrics("tiny"), *paths.adversarial_plots("tiny").iterdir()]
    return {path.name: path.read_bytes() for path in files}


def test_stage_writes_table_metrics_and_pictures(project):
    assert run_stage("adversarial", "tiny", catch_exceptions=False).exit_code == 0
    table = tables.read(paths.adversarial("tiny"), tables.ADVERSARIAL)
    splits, features = world(authors=120)
    chosen = splits.filter(pl.col("split") != "valid")
    assert table["post_id"].to_list() == sorted(chosen["post_id"])
    with_weight = table.filter(pl.col("weight").is_not_null())
    assert set(with_weight["post_id"]) == set(splits.filter(split="train")["post_id"])
    assert with_weight["weight"].mean() == pytest.approx(1, abs=1e-4)
    facts = orjson.loads(paths.adversarial_metrics("tiny").read_bytes())
    result = run(splits, features, seed=7, drop=["a.clock"])
    assert facts == adversarial.numbers(result, 0.01)
    assert facts["auc.base"] == facts["auc.step_1"] < facts["auc.all"] == facts["auc.step_0"]
    assert facts["posts.against"] == LATE
    first = outs()
    assert {name.split(".")[0] for name in first} >= set(adversarial_plots.DRAW)
    ladder = pl.read_csv(paths.adversarial_plots("tiny") / "ladder.csv")
    for name in ("auc", "auc_by_post"):
        assert ladder[name].to_list() == [facts[f"{name}.step_{i}"] for i in range(3)]
    assert facts["folds.by_author"] is True
    assert facts["auc.all"] != facts["auc_by_post.all"]
    assert not list(paths.SCRATCH.glob("*/*"))
    run_stage("adversarial", "tiny", catch_exceptions=False)
    assert outs() == first


def test_a_killed_stage_goes_on_where_it_stopped(project, monkeypatch):
    calls = []
    whole = adversarial._Task.one_fold

    def counted(task, held, columns):
        calls.append(len(columns))
        if len(calls) == 8:
            raise KeyboardInterrupt
        return whole(task, held, columns)

    monkeypatch.setattr(adversarial._Task, "one_fold", counted)
    run_stage("adversarial", "tiny")
    assert not paths.adversarial("tiny").exists()
    run_stage("adversarial", "tiny", catch_exceptions=False)
    assert len(calls) == 8 + 30 - 7
    resumed = outs()
    paths.adversarial("tiny").unlink()
    run_stage("adversarial", "tiny", catch_exceptions=False)
    assert len(calls) == 8 + 30 - 7 + 30
    assert outs() == resumed


def test_no_label_is_read(project):
    """Other labels give the same bytes, and a block measured after posting is refused."""
    assert run_stage("adversarial", "tiny", catch_exceptions=False).exit_code == 0
    without = outs()
    splits, _ = world(authors=120)
    tables.write(table_of_posts(splits, 3.0), paths.posts("tiny"), tables.POSTS)
    assert run_stage("adversarial", "tiny", catch_exceptions=False).exit_code == 0
    assert outs() == without
    project["adversarial"]["tiny"]["blocks"] = ["profile"]
    YAML().dump(project, paths.PARAMS)
    result = run_stage("adversarial", "tiny")
    assert result.exit_code == 1
    assert result.output == "error: params.yaml: adversarial.tiny.blocks: 'profile' was measured after posting\n"


@pytest.mark.parametrize(
    ("key", "value", "line"),
    [
        ("blocks", ["b"], "no stage makes block 'b' of tiny"),
        ("features", "other", "expected tiny or tiny/<block>.parquet"),
        ("aginst", "test", "adversarial.tiny.aginst: unknown key"),
    ],
)
def test_bad_params_are_one_line(project, key, value, line):
    project["adversarial"]["tiny"][key] = value
    YAML().dump(project, paths.PARAMS)
    result = run_stage("adversarial", "tiny")
    assert result.exit_code == 1
    assert line in result.output
    assert result.output.count("\n") == 1


def test_pictures_of_a_ladder_of_one_step(tmp_path):
    result = run(*world(), steps=0)
    plots.write(adversarial_plots.tables_of(result), tmp_path / "a", "tiny (generated data)", adversarial_plots.DRAW)
    assert {path.suffix for path in (tmp_path / "a").iterdir()} == {".csv", ".png"}
    shares = pl.read_csv(tmp_path / "a" / "probability.csv")
    assert shares["train"].sum() == pytest.approx(1, abs=1e-4)
    assert shares["against"].sum() == pytest.approx(1, abs=1e-4)


def test_tidy_knows_what_the_stage_makes(project):
    run_stage("adversarial", "tiny", catch_exceptions=False)
    made = {paths.adversarial("tiny"), paths.adversarial_metrics("tiny"), paths.adversarial_plots("tiny")}
    found = set(leftovers(project_params.load()))
    assert not found & (made | {path.parent for path in made})
    del project["adversarial"]
    YAML().dump(project, paths.PARAMS)
    found = set(leftovers(project_params.load()))
    assert [path for path in made if not found & {path, *path.parents}] == []

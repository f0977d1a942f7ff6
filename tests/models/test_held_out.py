"""Labels that a model is judged by are in none of the columns it learned from, not even through a neighbour."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from scipy.stats import spearmanr

from popcast.core import paths, tables
from popcast.core.scratch import Scratch
from popcast.features.common.block_run import run_block
from popcast.features.common.contract import Context
from popcast.features.knn_values import block as knn_values
from popcast.features.neighbours import block as neighbours
from popcast.models.contract.finished import Inputs
from popcast.models.contract.fitting import make_design, predict_all
from tests.plans import write_plan

GROUPS, SIZE, FOLDS = 96, 5, 4
N = GROUPS * SIZE
MEAN = "neighbours.label_mean"


@pytest.fixture
def world(tmp_path, monkeypatch) -> pl.DataFrame:
    """480 posts without times, 96 groups of five near-duplicates whose labels are noise: one per fold, one held out."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    rng = np.random.default_rng(4)
    group = np.arange(N) % GROUPS
    place = np.arange(N) // GROUPS
    part = np.where(place == FOLDS, np.where(group % 2, "valid", "test"), "train")
    fold = pl.Series(place, dtype=pl.Int8).set(pl.Series(part != "train"), None)
    values = {
        "post_id": [f"p{i:04d}" for i in rng.permutation(N)],
        "title": [f"group {g}" for g in group],
        "popularity": rng.normal(size=N),
    }
    empty = {name: pl.lit(None, kind) for name, kind in tables.POSTS_COLUMNS.items() if name not in values}
    return pl.DataFrame(values).with_columns(**empty, split=pl.Series(part), fold=fold).sort("post_id")


def vectors(posts: pl.DataFrame, column: str = "embedding") -> pl.DataFrame:
    """Nearly the same vector for all posts of a group."""
    rng = np.random.default_rng(0)
    centers = rng.normal(size=(GROUPS, 12))
    group = posts["title"].str.extract(r"(\d+)").cast(pl.Int64).to_numpy()
    found = centers[group] + 0.01 * rng.normal(size=(posts.height, 12))
    return posts.select("post_id", pl.Series(column, found.astype(np.float32)))


BLOCKS = {
    "neighbours": lambda context: neighbours.Block(neighbours.Params(k=5, k_stored=5, scopes=["all"]), context),
    "knn_values": lambda context: knn_values.Block(knn_values.Params(columns=["title_words"], labels=True), context),
}


class Within:
    """Least squares of the label on the mean label of the neighbours, within groups of posts of the same title."""

    def fit(self, posts, features, target, folds):
        rows = posts.select("title").with_columns(m=features[MEAN], y=pl.Series(target))
        means = rows.group_by("title").agg(pl.col("m", "y").mean())
        apart = rows.join(means, on="title", suffix="_mean").select(
            m=pl.col("m") - pl.col("m_mean"), y=pl.col("y") - pl.col("y_mean")
        )
        self.slope = float((apart["m"] * apart["y"]).sum() / max((apart["m"] ** 2).sum(), 1e-9))
        self.means = means
        return self

    def predict(self, posts, features):
        rows = posts.select("title").with_columns(asked=features[MEAN])
        found = rows.join(self.means, on="title", how="left", maintain_order="left")
        return (found["y"] + self.slope * (found["asked"] - found["m"])).fill_null(0.0).to_numpy()

    def save(self, folder):
        folder.mkdir(parents=True, exist_ok=True)
        self.means.write_parquet(folder / "means.parquet")
        (folder / "slope").write_text(repr(self.slope))

    @classmethod
    def load(cls, folder):
        model = cls()
        model.means, model.slope = pl.read_parquet(folder / "means.parquet"), float((folder / "slope").read_text())
        return model


@pytest.mark.parametrize("name", BLOCKS)
def test_columns_of_a_held_out_fold_do_not_move_with_its_labels(world, name):
    def columns(posts: pl.DataFrame) -> dict[int, pl.DataFrame]:
        block = BLOCKS[name](Context("noise", 1)).fit(posts, vectors(posts))
        return block.held_out(posts, vectors(posts))

    before = columns(world)
    assert sorted(before) == list(range(FOLDS))
    moved = 0
    for fold in before:
        labels = pl.when(pl.col("fold") == fold).then(pl.col("popularity") + 100).otherwise("popularity")
        after = columns(world.with_columns(labels))
        learned = ((world["split"] == "train") & (world["fold"] != fold)).fill_null(False)
        assert before[fold].filter(learned).equals(after[fold].filter(learned))
        other = (fold + 1) % FOLDS
        moved += not before[other].filter(learned).equals(after[other].filter(learned))
    assert moved == FOLDS, "labels of a fold that is not held out are seen"


def test_with_times_posts_see_older_ones_and_nothing_is_held_out(world):
    times = pl.Series(np.arange(N) * 3_600_000_000).cast(pl.Datetime("us", "UTC"))
    timed = world.with_columns(posted_at=times)
    for make in BLOCKS.values():
        assert make(Context("noise", 1)).fit(timed, vectors(timed)).held_out(timed, vectors(timed)) == {}


def test_noise_with_near_duplicates_cannot_be_predicted_out_of_fold(world, capsys):
    """Who knows a group and the mean of its other labels can work out the label that is missing."""
    posts = world.drop("split", "fold")
    tables.write(posts, paths.posts("noise"), tables.POSTS)
    tables.write(world.select("post_id", "split", "fold"), paths.splits("noise"), tables.SPLIT_TABLE)
    tables.write(vectors(world, "text.embedding"), paths.features("noise", "text"), tables.FEATURES)
    plan = {
        "dataset": "noise", "block": "neighbours", "of": "text", "final_fit": "labelled", "seed": 1,
        "params": {"k": 5, "k_stored": 5, "scopes": ["all"]},
    }  # fmt: skip
    run_block(write_plan("derive", "noise-neighbours", plan), of="text")
    assert "480 posts, 7 columns" in capsys.readouterr().out
    inputs = Inputs("noise")
    shown = inputs.block("neighbours").columns
    assert not [column for column in shown if column.startswith(tables.HELD_OUT)]
    held_out = {"neighbours": inputs.held_out("neighbours")}
    assert sorted(held_out["neighbours"]) == list(range(FOLDS))

    def correlation(held: dict) -> float:
        design = make_design(inputs.posts, inputs.blocks(["neighbours"]), False, held)
        with Scratch(write_plan("train", f"noise-{len(held)}", {}), []) as scratch:
            table, _ = predict_all(lambda: Within(), design, "train", scratch)
        rows = table.filter(split="train").join(world.select("post_id", "popularity"), on="post_id")
        return spearmanr(rows["prediction"], rows["popularity"]).statistic

    assert correlation({}) > 0.9, "the leak that this test is about does not show"
    assert abs(correlation(held_out)) < 0.15  # three standard errors of no correlation

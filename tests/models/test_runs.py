"""What a run offers a predictor beyond fit and predict: single seeds, a folder for its work, pseudo-labels."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import polars as pl
import pytest

from popcast.core.errors import BadInput
from popcast.core.scratch import Scratch
from popcast.models import lightgbm, reference
from popcast.models.contract.fitting import make_design, predict_all, with_pseudo_rows
from popcast.models.contract.stopping import stopping_window
from popcast.models.params import ModelRun
from tests.models.test_train import ROWS, SPLIT, table
from tests.plans import maker_of, write_plan


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")


def run(make, posts=None, final_fit="labelled", **more):
    """Prediction table and models of a whole run on the small world of test_train."""
    world, blocks = table()
    with Scratch(write_plan("train", "a", {}), []) as scratch:
        return predict_all(
            make, make_design(world if posts is None else posts, blocks, False), final_fit, scratch, **more
        )


class Seeded(reference.Predictor):
    """Three seeds that are apart by one."""

    def predict_seeds(self, posts, features):
        return super().predict(posts, features)[:, None] + np.array([-1.0, 0.0, 4.0])


def test_single_seeds_stand_beside_their_mean():
    plain, _ = run(lambda: reference.Predictor(reference.Params(), 0))
    found, _ = run(lambda: Seeded(reference.Params(), 0))
    assert "seeds" not in plain.columns
    assert found["post_id"].to_list() == plain["post_id"].to_list()
    assert found.schema["seeds"] == pl.List(pl.Float64)
    seeds = np.array(found["seeds"].to_list())
    assert seeds.shape == (plain.height, 3)
    assert seeds[:, 1] == pytest.approx(plain["prediction"].to_numpy())
    assert found["prediction"].to_numpy() == pytest.approx(seeds.mean(axis=1))
    without_folds, _ = run(lambda: Seeded(reference.Params(), 0), cross_fit_from=99)
    assert without_folds.equals(found.filter(pl.col("split") != "train"))


class Worker(reference.Predictor):
    """Leaves a file in its scratch folder, and notes what it found there."""

    scratch = None
    notes: ClassVar[list] = []
    killed_at = None

    def fit(self, posts, features, target, folds):
        self.notes.append((self.scratch.name, sorted(f.name for f in self.scratch.glob("*"))))
        self.scratch.mkdir(parents=True, exist_ok=True)
        (self.scratch / "epoch-1").touch()
        if self.scratch.name == Worker.killed_at:
            raise KeyboardInterrupt
        return super().fit(posts, features, target, folds)


def test_every_fit_has_a_folder_of_its_own_that_survives_a_kill_and_ends_with_the_fit(monkeypatch):
    monkeypatch.setattr(Worker, "notes", [])
    monkeypatch.setattr(Worker, "killed_at", "final-work")
    posts, blocks = table()
    design = make_design(posts, blocks, False)

    def fit() -> Scratch:
        with Scratch(write_plan("train", "a", {}), []) as scratch:
            predict_all(lambda: Worker(reference.Params(), 0), design, "labelled", scratch, test_fit="train+valid")
            assert not list(scratch.folder.glob("*-work"))

    with pytest.raises(KeyboardInterrupt):
        fit()
    names = ["fold-1-work", "fold-2-work", "fold-3-work", "evaluation-work", "test-work", "final-work"]
    assert Worker.notes == [(name, []) for name in names]
    Worker.notes.clear()
    monkeypatch.setattr(Worker, "killed_at", None)
    fit()
    assert Worker.notes == [("final-work", ["epoch-1"])]


class Spy(reference.Predictor):
    """Notes what it is taught."""

    notes: ClassVar[list[pl.DataFrame]] = []

    def fit(self, posts, features, target, folds):
        self.notes.append(pl.DataFrame({"post_id": posts["post_id"], "target": target, "fold": folds}))
        return super().fit(posts, features, target, folds)


def test_pseudo_labels_are_predicted_and_belong_to_the_oldest_fold(monkeypatch):
    monkeypatch.setattr(Spy, "notes", [])
    posts, _ = table()
    run(lambda: Spy(reference.Params(kind="history_ridge"), 0), pseudo_labels="predicted")
    ids = {part: posts.filter(split=part)["post_id"] for part in ("train", "valid", "test", "unlabelled")}
    taught = [set(of["post_id"]) for of in Spy.notes]
    train, held_out = set(ids["train"]), set(ids["valid"]) | set(ids["test"])
    assert len(taught) == 7, "three folds, and two models fitted twice"
    assert all(of < train for of in taught[:3]), "out-of-fold models know no pseudo-label"
    assert taught[3:] == [train, train | held_out, train | held_out, set(posts["post_id"])]
    plain, _ = run(lambda: reference.Predictor(reference.Params(kind="history_ridge"), 0))
    for second, first, pseudo in ((4, plain, ["valid", "test"]), (6, plain, ["unlabelled"])):
        rows = Spy.notes[second].join(first.filter(pl.col("split").is_in(pseudo)), on="post_id", suffix="_run")
        assert rows.height == sum(len(ids[part]) for part in pseudo)
        assert rows["target"].to_numpy() == pytest.approx(rows["prediction"].to_numpy())
        assert set(rows["fold"]) == {0}
    real = Spy.notes[6].filter(~pl.col("post_id").is_in(ids["unlabelled"].implode())).join(posts, on="post_id")
    assert real["target"].to_list() == real["popularity"].to_list()
    assert real.filter(split="test")["fold"].unique().to_list() == [5], "the newest real labels are the window"


def test_each_model_learns_pseudo_labels_of_the_posts_that_it_predicts(monkeypatch):
    monkeypatch.setattr(Spy, "notes", [])
    posts, _ = table()
    run(lambda: Spy(reference.Params(), 0), pseudo_labels="predicted", test_fit="train+valid", cross_fit_from=99)
    known = ["train"]
    expected = []
    for asked, later in (("valid", ["train", "valid"]), ("test", ["train", "valid", "test"]), ("unlabelled", [])):
        expected += [known, [*known, asked]]
        known = later
    assert [set(of["post_id"]) for of in Spy.notes] == [
        set(posts.filter(pl.col("split").is_in(parts))["post_id"]) for parts in expected
    ]


@pytest.mark.parametrize("model", ["history_ridge", "lightgbm"])
def test_pseudo_labels_move_predictions_but_labels_of_test_posts_do_not(model):
    def make():
        if model == "lightgbm":
            return lightgbm.Predictor(lightgbm.Params(rounds=15, early_stopping=5, min_child_samples=5), 3)
        return reference.Predictor(reference.Params(kind=model), 3)

    posts, _ = table()
    held_out = pl.col("split").is_in(["valid", "test"])
    labels = posts["popularity"].to_numpy().copy()
    rows = np.isin(SPLIT, ["valid", "test"])
    labels[rows] = np.random.default_rng(2).permutation(labels[rows]) * 3
    permuted = posts.with_columns(popularity=pl.Series(labels).fill_nan(None))
    tables = [run(make, of, "train", pseudo_labels="predicted")[0] for of in (posts, permuted)]
    assert tables[0].equals(tables[1])
    plain = run(make, posts, "train")[0]
    assert plain.filter(split="train").equals(tables[0].filter(split="train"))
    moved = (plain.filter(held_out)["prediction"] - tables[0].filter(held_out)["prediction"]).abs()
    assert moved.max() > 1e-6


@pytest.mark.parametrize(
    ("folds", "window"),
    [
        (np.arange(ROWS) * 4 // ROWS, 60),  # the last fold
        (np.zeros(ROWS), 48),  # one fold: its newest fifth
        (np.full(ROWS, 2), 48),
        (np.zeros(60), 0),  # too few for a window alone, and pseudo-rows make it no larger
        (np.zeros(5), 0),
    ],
)
@pytest.mark.parametrize("pseudo", [1, 500])
def test_no_pseudo_row_is_ever_in_a_stopping_window(folds, window, pseudo):
    together = with_pseudo_rows(folds.astype(np.int64), pseudo)
    assert together.shape == (len(folds) + pseudo,)
    assert set(together[len(folds) :]) == {0}
    found = stopping_window(together, len(together))
    if window and len(folds) + pseudo - window >= 20:
        assert found.watch.sum() == window
        assert found.watch[len(folds) - window : len(folds)].all()
    else:
        assert found is None


def test_stop_on_valid_is_one_model_for_networks_only(monkeypatch):
    monkeypatch.setattr(Spy, "notes", [])
    posts, _ = table()
    found, _ = run(lambda: Spy(reference.Params(), 0), test_fit="stop_on_valid", cross_fit_from=99)
    learned = [sorted(of["post_id"]) for of in Spy.notes]
    assert learned[0] == sorted(posts.filter(pl.col("split").is_in(["train", "valid"]))["post_id"])
    assert Spy.notes[0].join(posts, on="post_id").filter(split="valid")["fold"].unique().to_list() == [4], "the window"
    assert len(learned) == 2, "evaluation and final"
    assert set(found.filter(split="test")["post_id"]) == set(posts.filter(split="test")["post_id"])

    def refused(model, **settings):
        asked = {"dataset": "d", "name": "n", "model": model, "features": "d", "blocks": [], **settings}
        with pytest.raises(BadInput, match="d/n: test_fit stop_on_valid is for networks"):
            maker_of(ModelRun(test_fit="stop_on_valid", **asked), {}, "mae", 1)

    refused("lightgbm")
    refused("cnn", set={"refit": True})
    refused("cnn", set={"early_stopping": False})
    refused("cnn", pseudo_labels="predicted")
    asked = {"dataset": "d", "name": "n", "model": "cnn", "features": "d", "blocks": [], "test_fit": "stop_on_valid"}
    assert maker_of(ModelRun(**asked), {}, "mae", 1)().params.early_stopping


def test_stop_on_valid_takes_nothing_from_valid_but_when_to_stop():
    def asked(model, **settings):
        return {"dataset": "d", "name": "n", "model": model, "features": "d", "blocks": [], "set": settings}

    for model, said, more in (
        ("lightgbm", "text", {"text": {}}),
        ("hyfea", "text", {"text": {}}),
        ("cr", "model: cr", {}),
    ):
        with pytest.raises(BadInput, match=f"d/n: test_fit stop_on_valid with {said}"):
            maker_of(ModelRun(test_fit="stop_on_valid", **asked(model, refit=False, **more)), {}, "mae", 1)
        if more:  # without it they only stop there
            maker_of(ModelRun(test_fit="stop_on_valid", **asked(model, refit=False)), {}, "mae", 1)
    with pytest.raises(BadInput, match=r"stop_on_valid with bank: train\+valid"):
        maker_of(ModelRun(test_fit="stop_on_valid", **asked("mmra", bank="train+valid")), {}, "mae", 1)
    for settings in ({"bank": "train"}, {"variant": "ref"}):
        maker_of(ModelRun(test_fit="stop_on_valid", **asked("mmra", **settings)), {}, "mae", 1)

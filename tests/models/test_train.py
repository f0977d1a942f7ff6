"""Out-of-fold predictions, the two models of a run, resuming, and the stage script on a small generated project."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from popcast.core.errors import BadInput
from popcast.core.scratch import Scratch
from popcast.models import reference
from popcast.models.contract.crossfit import out_of_fold
from popcast.models.contract.fitting import make_design, predict_all
from popcast.models.contract.stopping import ASIDE, stopping_window
from popcast.models.params import ModelRun
from tests.models.wide import wide
from tests.plans import maker_of, write_plan

ROWS = 240
SPLIT = np.array(["train"] * 140 + ["valid"] * 30 + ["test"] * 40 + ["unlabelled"] * 30)


class Recorder:
    """Predicts the mean label that it learned from, and notes what it was shown."""

    def __init__(self, notes: list) -> None:
        self.notes = notes

    def fit(self, posts, features, target, folds):
        self.mean = float(target.mean())
        self.notes.append((posts["post_id"].to_list(), folds.tolist()))
        return self

    def predict(self, posts, features):
        return np.full(posts.height, self.mean)


def table(with_time: bool = True) -> tuple[pl.DataFrame, dict[str, pl.DataFrame]]:
    """posts with split and fold, and one feature table per block."""
    posts, features, target, _ = wide(ROWS, with_time=with_time)
    train = SPLIT == "train"
    fold = [i * 4 // 140 if inside else None for i, inside in enumerate(train)]
    posts = posts.with_columns(
        popularity=pl.Series(np.round(target, 6)).set(pl.Series(SPLIT == "unlabelled"), None),
        posthoc_views=pl.Series(target),
        split=pl.Series(SPLIT),
        fold=pl.Series(fold, dtype=pl.Int8),
    )
    names = sorted({column.split(".")[0] for column in features.columns})
    blocks = {n: features.select(posts["post_id"], *(c for c in features.columns if c.startswith(n))) for n in names}
    return posts, blocks


def test_forward_chaining_and_plain_folds():
    posts, features, target, folds = wide(80)
    notes = []
    rows, predictions = out_of_fold(lambda: Recorder(notes), posts, features, target, folds, in_time=True)
    assert rows.tolist() == np.flatnonzero(folds > 0).tolist()
    assert [set(seen) for _, seen in notes] == [{0}, {0, 1}, {0, 1, 2}]
    assert predictions.shape == (60, 1)
    assert predictions[:20, 0] == pytest.approx(np.full(20, target[folds == 0].mean()))
    notes.clear()
    rows, predictions = out_of_fold(lambda: Recorder(notes), posts, features, target, folds, in_time=False)
    assert rows.tolist() == list(range(80))
    assert [set(seen) for _, seen in notes] == [{1, 2, 3}, {0, 2, 3}, {0, 1, 3}, {0, 1, 2}]
    assert predictions[60:, 0] == pytest.approx(np.full(20, target[folds < 3].mean()))
    rows, _ = out_of_fold(lambda: Recorder(notes), posts, features, target, np.zeros(80, int), in_time=True)
    assert len(rows) == 0


def bursty() -> tuple[pl.DataFrame, dict[str, pl.DataFrame]]:
    """200 posts, 140 of them training; every other of a fold.s first ten posts is of an older burst."""
    posts, features, target, _ = wide(200)
    row = np.arange(200)
    split = np.where(row < 140, "train", np.where(row < 170, "valid", "test"))
    belated = (row >= 35) & (row % 35 < 10) & (row % 2 == 0)
    fold = pl.Series(row // 35 - belated, dtype=pl.Int8).set(pl.Series(row >= 140), None)
    posts = posts.with_columns(popularity=pl.Series(target), split=pl.Series(split), fold=fold)
    names = sorted({column.split(".")[0] for column in features.columns})
    blocks = {n: features.select(posts["post_id"], *(c for c in features.columns if c.startswith(n))) for n in names}
    return posts, blocks


def test_what_is_learned_is_older_than_the_first_post_that_it_is_judged_on(tmp_path, monkeypatch):
    """Out-of-fold models and the stopping windows of all models, where bursts reach into the next fold."""
    monkeypatch.chdir(tmp_path)
    posts, blocks = bursty()
    train = posts.filter(split="train")
    first = dict(train.group_by("fold").agg(pl.col("posted_at").min()).iter_rows())
    reach = dict(train.group_by("fold").agg(pl.col("posted_at").max()).iter_rows())
    assert any(reach[fold] > first[fold + 1] for fold in range(3)), "no burst reaches into the next fold"
    at, notes = dict(zip(posts["post_id"], posts["posted_at"], strict=True)), []

    class Noting(reference.Predictor):
        def fit(self, posts, features, target, folds):
            notes.append((posts["post_id"].to_list(), folds.tolist()))
            return super().fit(posts, features, target, folds)

    with Scratch(write_plan("train", "bursts", {}), []) as scratch:
        predict_all(lambda: Noting(reference.Params(), 0), make_design(posts, blocks, False), "train", scratch)
    assert len(notes) == 4, "three out-of-fold models and the one that is evaluated"
    for number, (ids, folds) in enumerate(notes):
        times, folds = np.array([at[i].timestamp() for i in ids]), np.array(folds)
        if number < 3:
            assert times.max() < first[number + 1].timestamp()
        else:
            assert len(ids) == 140, "the last model learns everything in the end"
            assert (folds == ASIDE).any()
        window = stopping_window(folds, len(folds))
        if window is not None:
            assert times[window.learn].max() < times[window.watch].min()
            assert not (window.learn & window.watch).any()
            assert np.array_equal(~(window.learn | window.watch), folds == ASIDE)


def test_finished_folds_are_not_computed_again(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    posts, features, target, folds = wide(80)
    notes = []

    def run():
        with Scratch(write_plan("train", "a", {}), []) as scratch:
            out_of_fold(lambda: Recorder(notes), posts, features, target, folds, True, scratch)
            raise KeyboardInterrupt

    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            run()
    assert len(notes) == 3


def test_the_design_hides_labels_and_what_was_measured_later():
    posts, blocks = table()
    design = make_design(posts[::-1], blocks, allow_posthoc=False)
    assert design.rows["post_id"].to_list() == posts["post_id"].to_list()
    assert not {"popularity", "split", "fold", "posthoc_views"} & set(design.posts.columns)
    assert not any(name.startswith("profile.") for name in design.features.columns)
    assert "post_id" not in design.features.columns
    allowed = make_design(posts, blocks, allow_posthoc=True)
    assert "profile.followers" in allowed.features.columns
    assert "posthoc_views" not in allowed.posts.columns
    with pytest.raises(BadInput, match="'history' and posts hold different posts"):
        make_design(posts, {"history": blocks["history"][:-1]}, False)


def test_a_test_model_may_learn_from_valid_too(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    posts, blocks = table(True)
    label, design = posts["popularity"].to_numpy(), make_design(posts, blocks, False)
    with Scratch(write_plan("train", "b", {}), []) as scratch:
        found, models = predict_all(
            lambda: reference.Predictor(reference.Params(), 0), design, "train", scratch, test_fit="train+valid"
        )
    assert sorted(models) == ["evaluation", "test"]
    known = (SPLIT == "train") | (SPLIT == "valid")
    assert set(found.filter(split="test")["prediction"]) == {np.median(label[known])}
    for part in ("valid", "unlabelled"):
        assert set(found.filter(split=part)["prediction"]) == {np.median(label[SPLIT == "train"])}


@pytest.mark.parametrize(("final_fit", "with_time"), [("labelled", True), ("train", True), ("labelled", False)])
def test_who_predicts_what(final_fit, with_time, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    posts, blocks = table(with_time)
    label = posts["popularity"].to_numpy()
    design = make_design(posts, blocks, False)
    with Scratch(write_plan("train", "a", {}), []) as scratch:
        found, models = predict_all(lambda: reference.Predictor(reference.Params(), 0), design, final_fit, scratch)
    out = found.sort("post_id")
    train, labelled = SPLIT == "train", SPLIT != "unlabelled"
    assert sorted(models) == (["evaluation", "final"] if final_fit == "labelled" else ["evaluation"])
    expected = np.median(label[labelled]) if final_fit == "labelled" else np.median(label[train])
    assert set(out.filter(split="unlabelled")["prediction"]) == {expected}
    assert set(out.filter(pl.col("split").is_in(["valid", "test"]))["prediction"]) == {np.median(label[train])}
    folds = posts["fold"].to_numpy()
    assert out.filter(split="train")["fold"].unique().to_list() == ([1, 2, 3] if with_time else [0, 1, 2, 3])
    learned = folds < 2 if with_time else (folds != 2) & train
    assert set(out.filter(fold=2)["prediction"]) == {np.median(label[learned])}
    assert out.height == ROWS - (35 if with_time else 0)


def test_the_final_model_stops_on_the_newest_posts(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    posts, blocks = table()
    shown = []

    class Spy(reference.Predictor):
        def fit(self, posts, features, target, folds):
            shown.append((posts["post_id"].to_list(), folds))
            return super().fit(posts, features, target, folds)

    with Scratch(write_plan("train", "a", {}), []) as scratch:
        predict_all(lambda: Spy(reference.Params(), 0), make_design(posts, blocks, False), "labelled", scratch)
    ids, folds = shown[-1]
    assert len(ids) == 210
    assert set(folds[140:170]) == {4}
    assert set(folds[170:]) == {5}


def test_no_training_post_is_a_clear_refusal(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    posts, blocks = table()
    none = posts.with_columns(
        popularity=pl.lit(None, pl.Float64), split=pl.lit("unlabelled"), fold=pl.lit(None, pl.Int8)
    )
    with Scratch(write_plan("train", "a", {}), []) as scratch, pytest.raises(BadInput, match="nothing to learn from"):
        predict_all(
            lambda: reference.Predictor(reference.Params(), 0), make_design(none, blocks, False), "train", scratch
        )


def test_loss_metric_is_the_loss_of_the_datasets_metric():
    run = ModelRun(
        dataset="d", name="l", model="lightgbm", features="d", blocks=[], set={"loss": "metric", "rounds": 7}
    )
    for metric, loss in (("nmse", "rmse"), ("mape", "mape"), ("mae", "mae"), ("rmse", "rmse")):
        predictor = maker_of(run, {"loss": "huber"}, metric, 3)()
        assert (predictor.params.loss, predictor.params.rounds, predictor.seed) == (loss, 7, 3)
    with pytest.raises(BadInput, match=r"models\.lightgbm\.leaves: unknown key"):
        maker_of(run, {"leaves": 3}, "mae", 3)

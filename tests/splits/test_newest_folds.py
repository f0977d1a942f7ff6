"""Folds of authors whose newest training post is held out: who is in one, and who learns what."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from pydantic import ValidationError

from popcast.core.scratch import Scratch
from popcast.models import reference
from popcast.models.contract.fitting import make_design, predict_all
from popcast.models.contract.stopping import stopping_window
from popcast.planning import instances, project_params
from popcast.splits.making import make_splits
from popcast.splits.params import Split
from tests.conftest import ROOT
from tests.plans import write_plan

AUTHORS, EACH, FOLDS = 60, 5, 4
SECTION = {"method": "newest_per_author", "shares": (0.6, 0.2, 0.2)}


@pytest.fixture(scope="module")
def posts() -> pl.DataFrame:
    """Labelled posts of 60 authors, five each, joined with their split and fold."""
    row, start = np.arange(AUTHORS * EACH), datetime(2020, 1, 1, tzinfo=UTC)
    made = pl.DataFrame(
        {
            "post_id": [f"p{i:03}" for i in row],
            "user_id": [f"u{i % AUTHORS:02}" for i in row],
            "posted_at": pl.Series([start + timedelta(hours=int(i)) for i in row], dtype=pl.Datetime("us", "UTC")),
            "popularity": (row % 7).astype(float),
        }
    )
    splits = make_splits(made, Split(**SECTION, newest_folds=FOLDS), "UTC", 1, "demo")
    return made.join(splits, on="post_id").sort("posted_at")


def test_an_authors_newest_training_post_alone_is_in_a_fold(posts):
    train = posts.filter(split="train")
    held = train.drop_nulls("fold")
    newest = train.group_by("user_id").agg(pl.col("post_id").last())
    assert sorted(held["post_id"]) == sorted(newest["post_id"])
    assert sorted(held["fold"].unique()) == list(range(FOLDS))
    assert posts.filter(pl.col("split") != "train")["fold"].null_count() == posts.height - train.height


def test_the_draw_of_an_author_depends_on_no_other(posts):
    some = posts.filter(pl.col("user_id") < "u20")
    again = make_splits(some.drop("split", "fold"), Split(**SECTION, newest_folds=FOLDS), "UTC", 1, "demo")
    told = some.select("post_id", "split", "fold").sort("post_id")
    assert again.sort("post_id").equals(told)


def test_folds_of_authors_go_with_newest_posts_only():
    with pytest.raises(ValidationError, match="newest_folds goes with method newest_per_author only"):
        Split(method="random", newest_folds=3)


def test_every_model_learns_all_but_its_own_fold_and_stops_on_newest_posts(posts, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    notes = []

    class Noting(reference.Predictor):
        def fit(self, posts, features, target, folds):
            notes.append((posts["post_id"].to_list(), folds))
            return super().fit(posts, features, target, folds)

    with Scratch(write_plan("train", "newest", {}), []) as scratch:
        table, models = predict_all(
            lambda: Noting(reference.Params(), 0), make_design(posts, {}, False), "labelled", scratch, always_final=True
        )
    train = posts.filter(split="train")
    held = {fold: set(rows["post_id"]) for (fold,), rows in train.drop_nulls("fold").group_by("fold")}
    for fold, (ids, folds) in enumerate(notes[:FOLDS]):
        assert set(ids) == set(train["post_id"]) - held[fold]
        window = stopping_window(folds, len(folds))
        if window is not None:
            assert {ids[i] for i in np.flatnonzero(window.watch)} == held[max(set(held) - {fold})]
            assert (window.watch | window.learn).all()
    assert sorted(models) == ["evaluation", "final"]
    assert [len(ids) for ids, _ in notes[FOLDS:]] == [train.height, posts.height]
    last = np.array(notes[-1][1])
    test = set(posts.filter(split="test")["post_id"])
    assert {notes[-1][0][i] for i in np.flatnonzero(last == last.max())} == test
    assert set(table.filter(split="train")["post_id"]) == set().union(*held.values())


def test_plans_of_other_splits_know_nothing_of_it():
    p = project_params.load(ROOT / "params.yaml")
    assert all("newest_folds" not in one.settings["splits"] for one in instances.posts(p))

"""One forecaster with every kind of member that the chooser chooses, all of the same weight."""

from __future__ import annotations

from dataclasses import replace

import polars as pl
import pytest

import popcast
from popcast.api.posts_given import given_rows
from popcast.serving.asked_posts import asked_posts
from tests.api.fixed_choice import GIVEN, SETTINGS, rows

START = "history.smoothed_mean"
BASE = ["metadata", "history"]
SCORES = {"text": {"fields": ["title", "tags"], "min_df": 3}}
MEMBERS = {
    "median": {"model": "reference", "blocks": []},
    "author_mean": {"model": "reference", "blocks": ["history"], "set": {"kind": "author_mean"}},
    "history_ridge": {"model": "reference", "blocks": ["history"], "set": {"kind": "history_ridge"}},
    "lightgbm": {"model": "lightgbm", "blocks": [*BASE, "text", "neighbours"], "set": {"rounds": 20, **SCORES}},
    "hyfea": {"model": "hyfea", "blocks": BASE, "set": {"rounds": 20, "baseline": START, **SCORES}},
    "text_ridge": {"model": "text_ridge", "blocks": BASE, "set": {"fields": ["title", "tags"], "columns": [START]}},
    "stacker": {"model": "on_top", "blocks": BASE, "set": {"model": "stacker", "baseline": START, **SCORES}},
    "cnn": {
        "model": "on_top",
        "blocks": BASE,
        "set": {"model": "cnn", "baseline": START, "set": {"training": {"max_epochs": 1}}},
    },
    "kernel_ridge": {"model": "kernel_ridge", "blocks": ["text"], "set": {"embedding": "text.svd_embedding"}},
    "knn": {"model": "knn", "blocks": ["neighbours"]},
}


@pytest.fixture(scope="session")
def every_member() -> popcast.Forecaster:
    """Fitted; tests leave it as it is."""
    suite = SETTINGS["suites"]["posts-chosen"] | {
        "runs": {name: {"cross_fit_from": 3, **run} for name, run in MEMBERS.items()}
    }
    sections = {"suites": {"posts-chosen": suite}, "models": {"on_top": {"loss": "metric"}}}
    settings = SETTINGS | sections | {"blend": {"method": "mean", "fit_on": "valid"}}
    return popcast.Forecaster(**GIVEN, settings=settings).fit(rows(400, unlabelled=20))


@pytest.fixture(scope="session")
def every(every_member):
    """Its forecast, of all members."""
    return every_member.forecast_


@pytest.fixture(scope="session")
def forecast(every):
    """The trees alone, which are fast."""
    return only(every, "lightgbm")


def only(every, name: str):
    """The forecast of one member."""
    weights = [1.0 if one == name else 0.0 for one in every.blend.members]
    blend = replace(every.blend, method="nnls", weights={"all": weights})
    return replace(every, blend=blend, members={name: every.members[name]})


@pytest.fixture(scope="session")
def drafts(every) -> pl.DataFrame:
    """The posts without a label, as the table ``posts``."""
    table = rows(400, unlabelled=20).filter(pl.col("likes").is_null()).drop("likes")
    return asked_posts(given_rows(table, None), every.contents).posts

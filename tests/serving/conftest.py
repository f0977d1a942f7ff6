"""A bundle of a small invented network, fitted once."""

from __future__ import annotations

import shutil
from pathlib import Path

import polars as pl
import pytest

import popcast
import stages  # noqa: F401  it sets the number of threads, which models remember
from popcast.serving.forecast import Forecast
from tests.api.fixed_choice import GIVEN, SETTINGS, rows


@pytest.fixture(scope="session")
def bundle_folder(tmp_path_factory) -> Path:
    """Tests leave it as it is."""
    folder = tmp_path_factory.mktemp("bundle") / "posts"
    blocks = {"knn_values": {"columns": ["title_words", "user_followers"], "labels": True}}
    derived = SETTINGS["derived"] | {
        "posts-knn_values": {"dataset": "posts", "block": "knn_values", "of": "text", "set": blocks["knn_values"]}
    }
    runs = {
        "boosted": {
            "model": "lightgbm",
            "blocks": ["metadata", "history", "text", "neighbours", "knn_values", "windows"],
            "set": {"rounds": 20, "min_child_samples": 5},
        },
        "author_mean": {"model": "reference", "blocks": ["history"], "set": {"kind": "author_mean"}},
    }
    suite = SETTINGS["suites"]["posts-chosen"] | {"runs": runs}
    settings = SETTINGS | {"derived": derived, "suites": {"posts-chosen": suite}}
    settings |= {"blend": {"method": "mean"}}  # every member and every block has its share
    popcast.Forecaster(**GIVEN, settings=settings).fit(rows()).save(folder)
    return folder


@pytest.fixture
def forecast(bundle_folder, tmp_path) -> Forecast:
    """A copy of the bundle, whose folder may grow."""
    shutil.copytree(bundle_folder, tmp_path / "bundle")
    return Forecast.load(tmp_path / "bundle")


@pytest.fixture(scope="module")
def later() -> pl.DataFrame:
    """Posts after those that the bundle knows, with likes."""
    made = rows(n=40, unlabelled=0, seed=9)
    moved = pl.col("created").str.replace("2025-01-0", "2025-07-0").str.replace("2025-01-1", "2025-07-1")
    return made.with_columns(id=pl.lit("later ") + pl.col("id"), created=moved)

"""A forecaster that is fitted once for all tests of the library."""

from __future__ import annotations

import polars as pl
import pytest

import popcast
import stages  # noqa: F401  it sets the number of threads, which models remember
from tests.api.fixed_choice import GIVEN, SETTINGS, rows


@pytest.fixture(scope="session")
def posts() -> pl.DataFrame:
    return rows()


@pytest.fixture(scope="session")
def drafts(posts) -> pl.DataFrame:
    """The posts without a label, in an order of their own."""
    return posts.filter(pl.col("likes").is_null()).drop("likes").sample(fraction=1, shuffle=True, seed=5)


@pytest.fixture(scope="session")
def forecaster(posts) -> popcast.Forecaster:
    """Fitted; tests leave it as it is."""
    return popcast.Forecaster(**GIVEN, settings=SETTINGS).fit(posts)


@pytest.fixture(scope="session")
def saved(forecaster, tmp_path_factory):
    """Its bundle."""
    folder = tmp_path_factory.mktemp("bundles") / "posts"
    forecaster.save(folder)
    return folder

"""Scores of shares: known values, intervals that belong to them, rows that are scored on fewer posts."""

from __future__ import annotations

import numpy as np
import pytest

from popcast.response.judging.share_distances import jsd, normalised
from popcast.response.shares.share_items import Items
from popcast.response.shares.share_model import best_power
from popcast.response.shares.share_scores import calibration, noise_floor, share_scores
from popcast.response.shares.share_words import softmax
from tests.response.share_world import settings, share_world


@pytest.fixture(scope="module")
def world():
    items = share_world(600)
    return items.part(items.totals > 0)


def rows_of(items: Items) -> dict[str, np.ndarray]:
    real = normalised(items.counts)
    uniform = np.full_like(real, 1 / 3)
    return {"model": 0.7 * real + 0.3 * uniform, "uniform": uniform, "exact": real}


def test_values_by_hand():
    items = share_world(40).part([0, 1, 2])
    items = Items(items.frame, np.array([[10.0, 10, 0], [0, 0, 40], [3, 0, 0]]), items.classes)
    shares = np.array([[0.5, 0.5, 0], [0, 1.0, 0], [1, 0, 0]])
    scores = share_scores(items, {"model": shares}, settings(ordered=True), 0)
    assert scores["posts"] == 2  # the third has 3 reactions
    assert scores["model.jsd"] == pytest.approx(0.5)
    assert scores["model.jsd_weighted"] == pytest.approx(40 / 60)
    assert scores["model.tv"] == pytest.approx(0.5)
    assert scores["model.wasserstein"] == pytest.approx(0.25)  # one step of two, in one post of two
    assert scores["model.dominant"] == pytest.approx(0.5)
    assert scores["model.log_loss"] == pytest.approx(-(20 * np.log(0.5) + 40 * np.log(1e-6)) / 60)
    assert not [key for key in scores if "low" in key or "vs_" in key]  # two posts are not resampled
    assert "model.wasserstein" not in share_scores(items, {"model": shares}, settings(), 0)


def test_intervals_hold_their_means_and_differences_their_sign(world):
    scores = share_scores(world, rows_of(world), settings(), 1)
    for name in ("model", "uniform"):
        assert scores[f"{name}.jsd_low"] < scores[f"{name}.jsd"] < scores[f"{name}.jsd_high"]
    assert scores["exact.jsd"] == pytest.approx(0, abs=1e-12)
    assert scores["model.vs_uniform.difference"] == pytest.approx(scores["model.jsd"] - scores["uniform.jsd"])
    assert scores["model.vs_uniform.low"] < scores["model.vs_uniform.difference"] < scores["model.vs_uniform.high"] < 0
    assert scores["model.vs_uniform.p"] < 0.05
    assert scores["model.vs_exact.low"] > 0
    assert scores == share_scores(world, rows_of(world), settings(), 1)


def test_a_row_like_the_model_does_not_differ(world):
    model = rows_of(world)["model"]
    scores = share_scores(world, {"model": model, "twin": model.copy()}, settings(), 1)
    assert scores["model.vs_twin.difference"] == 0
    assert scores["model.vs_twin.p"] == 1


def test_a_row_that_knows_few_posts_is_compared_there(world):
    rows = rows_of(world)
    scored = np.flatnonzero(world.totals >= 10)
    partial = np.full_like(rows["uniform"], np.nan)
    partial[scored[:50]] = rows["uniform"][scored[:50]]
    scores = share_scores(world, {"model": rows["model"], "audience": partial}, settings(), 1)
    assert scores["audience.posts"] == 50
    own, other = (jsd(normalised(world.counts[scored[:50]]), r[scored[:50]]).mean() for r in (rows["model"], partial))
    assert scores["audience.jsd"] == pytest.approx(other)
    assert scores["model.vs_audience.difference"] == pytest.approx(own - other)
    nothing = share_scores(world, {"model": rows["model"], "audience": partial * np.nan}, settings(), 1)
    assert nothing["audience.posts"] == 0
    assert not [key for key in nothing if "vs_audience" in key or key.startswith("audience.jsd")]


def test_nothing_to_score(world):
    few = Items(world.frame, world.counts * 0, world.classes)
    assert share_scores(few, rows_of(world), settings(), 1) == {"posts": 0}
    assert calibration(few, rows_of(world)["model"], 10) == []


def test_noise_floor_falls_with_the_number_of_reactions():
    few, many = (noise_floor(np.full((300, 3), n), 0) for n in (5, 500))
    assert 0 < many < 0.01 < few
    assert noise_floor(np.array([[7.0, 0, 0]]), 0) == 0
    assert noise_floor(np.array([[7e9, 2e9, 1e12]]), 0) < 1e-6


def test_calibration_of_exact_shares(world):
    exact = rows_of(world)["exact"]
    rows = calibration(world, exact, 10, bins=4)
    assert len(rows) == 12
    assert all(row["predicted"] == pytest.approx(row["real"]) for row in rows)
    assert sum(row["posts"] for row in rows if row["class"] == "sad") == (world.totals >= 10).sum()


def test_power_of_flattened_shares():
    rng = np.random.default_rng(0)
    shares = softmax(rng.normal(0, 1, (200, 3)))
    counted = normalised(np.stack([rng.multinomial(2000, p) for p in shares]))
    assert best_power(np.log(shares), counted) == pytest.approx(1, abs=0.051)
    assert best_power(np.log(shares) / 1.4, counted) == pytest.approx(1.4, abs=0.051)
    assert best_power(np.empty((0, 3)), np.empty((0, 3))) == 1


def test_without_resamples_there_are_figures_and_no_intervals(world):
    scores = share_scores(world, rows_of(world), settings(resamples=0), 1)
    assert scores["model.jsd"] > 0
    assert not [key for key in scores if "low" in key or "vs_" in key]

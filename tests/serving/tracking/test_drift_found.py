"""Planted drift is found and planted stationarity is not: residuals, inputs, and the line about a refit."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from popcast.serving.tracking.post_inputs import authors_of, inputs_of, reference_of
from popcast.serving.tracking.refit_verdict import verdict
from popcast.serving.tracking.residual_drift import shift_in
from popcast.serving.tracking.stability_index import moved_inputs
from popcast.serving.tracking.track_figures import by_week, drift_of, figures

START = datetime(2025, 3, 3, tzinfo=UTC)


def compared(seed: int, shift: float = 0.0, growth: float = 1.0, count: int = 600, level: float = 0.0) -> pl.DataFrame:
    """Forecasts and outcomes of posts of 60 authors, each with a level of its own; in the last third outcomes lie
    ``shift`` higher, and errors are ``growth`` times as large."""
    rng = np.random.default_rng(seed)
    author = rng.integers(0, 60, count)
    late = np.arange(count) >= count * 2 // 3
    truth = rng.normal(8, 2, count)
    error = rng.normal(0, 0.4, 60)[author] + rng.normal(0, 1, count)
    error = np.where(late, error * growth + shift, error) + level
    return pl.DataFrame({
        "post_id": [f"p{i:04}" for i in range(count)], "user_id": [f"a{a}" for a in author],
        "posted_at": [START + timedelta(hours=3 * i) for i in range(count)], "popularity": truth + error,
        "prediction": truth, "lower": truth - 1.8, "upper": truth + 1.8,
    }, schema_overrides={"posted_at": pl.Datetime("us", "UTC")})  # fmt: skip


def said(rows: pl.DataFrame) -> dict:
    before = figures(compared(99), 0.9, 0)
    return verdict(figures(rows, 0.9, 0), before, drift_of(rows), None)


@pytest.mark.parametrize("seed", range(5))
def test_a_planted_shift_of_the_level_is_found_where_it_is(seed):
    rows = compared(seed, shift=1.0)
    found = drift_of(rows)["level"]
    assert found["moved"]
    assert abs(datetime.fromisoformat(found["since"]) - rows["posted_at"][400]) < timedelta(days=7)
    assert found["after"] - found["before"] == pytest.approx(1.0, abs=0.35)
    assert said(rows)["refit"] is True
    assert "outcomes moved" in said(rows)["line"]


@pytest.mark.parametrize("seed", range(5))
def test_errors_that_grow_are_found(seed):
    rows = compared(seed, growth=2.0)
    assert drift_of(rows)["error"]["moved"]
    assert said(rows)["refit"] is True


def test_planted_stationarity_is_not_drift():
    """Of 40 drawn worlds, authors with levels of their own in all, at most one is said to drift (level .01)."""
    worlds = [compared(seed) for seed in range(100, 140)]
    moved = [any(one["moved"] for one in drift_of(rows).values()) for rows in worlds]
    assert sum(moved) <= 1
    assert said(worlds[0]) == {"refit": False, "line": said(worlds[0])["line"]}
    assert said(worlds[0])["line"].startswith("No refit: ")


def test_errors_in_runs_are_no_drift():
    """Each error is half the one before: the long-run variance knows."""
    found = []
    for seed in range(40):
        noise = np.random.default_rng(seed).normal(size=600)
        series = noise.copy()
        for place in range(1, 600):
            series[place] = 0.5 * series[place - 1] + noise[place]
        found.append(shift_in(series).p < 0.005)
    assert sum(found) <= 2


def test_a_level_that_was_always_off_and_too_few_outcomes():
    off = said(compared(3, level=-1.0))
    assert off["refit"] is True
    assert "too high on average" in off["line"]
    few = said(compared(3, count=20))
    assert few == {"refit": None, "line": "Too early to say: 20 outcomes, 30 are needed."}
    assert shift_in(np.zeros(100)) is None
    assert shift_in(np.arange(10.0)) is None


def test_weeks_add_up_and_have_their_own_error():
    rows = compared(1)
    weeks = by_week(rows, "UTC")
    assert sum(week["posts"] for week in weeks) == rows.height
    first = rows.filter(pl.col("posted_at") < START + timedelta(days=7))
    assert weeks[0]["week"] == "2025-03-03"
    assert weeks[0]["mae"] == pytest.approx((first["prediction"] - first["popularity"]).abs().mean(), abs=1e-6)


def posts(
    seed: int, count: int, hours: tuple[int, int] = (0, 24), size: float = 1.0, words: str = "abc"
) -> pl.DataFrame:
    rng = np.random.default_rng(seed)
    hour, day = rng.integers(*hours, count), rng.integers(0, 70, count)
    times = [START + timedelta(days=int(d), hours=int(h)) for d, h in zip(day, hour, strict=True)]
    return pl.DataFrame(
        {
            "post_id": [str(i) for i in range(count)],
            "user_id": [f"a{a}" for a in rng.integers(0, 300, count)],
            "posted_at": pl.Series(times, dtype=pl.Datetime("us", "UTC")),
            "title": ["x" * int(n) for n in rng.integers(5, 90, count)],
            "tags": [["t"] * int(n) for n in rng.integers(0, 5, count)],
            "category": rng.choice(list(words), count),
            "media": [["m.jpg"] if one else None for one in rng.random(count) < 0.5],
            "post_length": rng.normal(size=count) * size,
        }
    )


def moved(new: pl.DataFrame, seed: int = 0) -> set[str]:
    old = posts(seed, 3000)
    reference = reference_of(inputs_of(old, "UTC"), authors_of(old["user_id"]))
    return {one["input"] for one in moved_inputs(reference, inputs_of(new, "UTC"), 300) if one["moved"]}


def test_inputs_that_moved_are_named_and_others_are_not():
    assert moved(posts(1, 400, hours=(8, 16))) == {"hour"}
    assert moved(posts(1, 400, size=4.0)) == {"post_length"}
    assert moved(posts(1, 400, words="abz")) == {"category"}


@pytest.mark.parametrize("count", [30, 100, 1000])
def test_a_sample_of_the_same_posts_has_not_moved(count):
    """PSI of 30 posts is often above .25: chance alone. Level .01 in each of ten samples."""
    assert sum(bool(moved(posts(seed, count))) for seed in range(10, 20)) <= 1


def test_values_that_are_not_known_have_a_bin_and_a_word_that_nobody_had_too():
    old = posts(0, 500)
    reference = reference_of(inputs_of(old, "UTC"), 300)
    unknown = posts(1, 200).with_columns(post_length=pl.lit(None, pl.Float64), category=pl.lit("new"))
    found = {one["input"]: one for one in moved_inputs(reference, inputs_of(unknown, "UTC"), 300)}
    assert found["post_length"]["moved"]
    assert found["category"]["moved"]
    assert np.isfinite([one["psi"] for one in found.values()]).all()

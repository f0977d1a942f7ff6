"""Intervals find back to their coverage where outcomes come in, and are the same after every start."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from popcast.blend.widths.spread import Spread
from popcast.datasets.reading.open_rows import rows_of_frame
from popcast.serving.asked_posts import asked_posts
from popcast.serving.forecast import Forecast
from popcast.serving.tracking.adaptive_widths import ALL, LEAST, WIDEST, AdaptiveWidths, given, reach_in
from tests.api.fixed_choice import rows

LEVELS = (0.05, 0.25, 0.5, 0.75, 0.95)
NORMAL = np.array([-1.644854, -0.67449, 0.0, 0.67449, 1.644854])
LATER = datetime(2026, 1, 1, tzinfo=UTC)


def spread_of(count: int) -> Spread:
    """Quantiles of a normal distribution."""
    quantiles = np.tile(NORMAL, (count, 1))
    return Spread(LEVELS, quantiles, quantiles[:, 0], quantiles[:, -1])


def played(outcomes: np.ndarray, warm: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Whether each outcome lay in the interval it was given, and how wide that was."""
    state, inside, width = AdaptiveWidths.start(0.9), [], []
    for y, known in zip(outcomes, warm, strict=True):
        one = state.applied(spread_of(1), np.array([known]))
        inside.append(one.lower[0] <= y <= one.upper[0])
        width.append(one.upper[0] - one.lower[0])
        state = state.after([(bool(known), float(reach_in(spread_of(1), np.array([y]))[0]))])
    return np.array(inside), np.array(width)


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("drift", ["wider", "shifted", "warm only"])
def test_coverage_comes_back_under_planted_drift(drift, seed):
    """Outcomes spread twice as far, or lie a standard deviation higher, from the 200th on: 90 % +- 2 is back after
    200."""
    rng = np.random.default_rng(seed)
    warm = rng.random(3000) < 0.7
    y = rng.normal(size=3000)
    late = np.arange(3000) >= 200
    if drift == "wider":
        y[late] *= 2
    elif drift == "shifted":
        y[late] += 1
    else:
        y[late & warm] *= 2
    inside, _ = played(y, warm)
    fixed = np.abs(y) <= NORMAL[-1]
    assert fixed[400:].mean() < 0.85
    assert inside[400:].mean() == pytest.approx(0.9, abs=0.02)
    assert inside[400:][warm[400:]].mean() == pytest.approx(0.9, abs=0.025)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_where_nothing_drifts_little_is_paid(seed):
    rng = np.random.default_rng(seed)
    y = rng.normal(size=3000)
    inside, width = played(y, rng.random(3000) < 0.7)
    assert inside.mean() == pytest.approx(0.9, abs=0.015)
    assert np.median(width) == pytest.approx(2 * NORMAL[-1], rel=0.1)


def test_an_outcome_lies_inside_at_its_reach_and_no_sooner():
    y = np.array([-3.0, -1.0, 0.4, 1.5, 6.0])
    reach = reach_in(spread_of(5), y)
    for share, inside in ((1e-6, True), (-1e-6, False)):
        ends = [spread_of(1).interval(one + share) for one in reach]
        held = [low[0] <= one <= high[0] for one, (low, high) in zip(y, ends, strict=True)]
        assert held == [inside] * 5


def test_the_widest_interval_is_finite_and_a_segment_needs_enough_outcomes():
    state = AdaptiveWidths.start(0.9).after([(True, 1.0)] * (LEAST - 1))
    assert state.used(True) is state.states[ALL]
    assert given(state.used(True)) == WIDEST
    found = state.applied(spread_of(2), np.array([True, False]))
    assert np.isfinite([*found.lower, *found.upper]).all()
    more = state.after([(True, 1.0)])
    assert more.used(True) is more.states["warm"]
    assert more.used(False) is more.states[ALL]
    assert AdaptiveWidths.start(0.9).applied(spread_of(1), np.array([True])).lower[0] == NORMAL[0]


@pytest.mark.parametrize("reach", [0.99, 0.2])
def test_quantiles_and_chances_follow_the_interval(reach):
    """The ends of the interval are the quantiles of its tails, and what is told stays one distribution."""
    state = AdaptiveWidths.start(0.9).after([(True, reach)] * 150)
    before = spread_of(1)
    found = state.applied(before, np.array([True]))
    assert (found.lower[0] < before.lower[0]) == (reach > 0.9)
    assert found.quantile(0.05)[0] == pytest.approx(found.lower[0], abs=1e-5)
    assert found.quantile(0.95)[0] == pytest.approx(found.upper[0], abs=1e-5)
    assert found.quantile(0.5)[0] == pytest.approx(0, abs=1e-5)
    assert (np.diff(found.quantiles[0]) >= 0).all()
    assert found.chance(found.upper)[0] == pytest.approx(0.05, abs=1e-4)


def test_reaches_are_measured_by_what_was_fitted(forecast, later):
    posts, labels = posts_of(forecast, later), labels_of(later)
    prepared = forecast.prepared(posts[200:])
    fitted = forecast.spread_of(prepared)[1]
    forecast.observe(posts[:200], labels[:200], AFTER)
    again = forecast.spread_of(prepared, adapted=False)[1]
    told = forecast.spread_of(prepared)[1]
    assert np.allclose(again.lower - again.quantile(0.5), fitted.lower - fitted.quantile(0.5), atol=1.5)
    assert ((told.upper - told.lower) > (again.upper - again.lower)).mean() > 0.9
    assert np.allclose(told.quantile(0.05), told.lower, atol=1e-4)


@pytest.fixture(scope="module")
def later() -> pl.DataFrame:
    """Posts after those that the bundle knows; of every other one the likes are eight times, or an eighth of, what is
    usual."""
    made = rows(n=240, unlabelled=0, seed=9)
    moved = pl.col("created").str.replace("2025-0", "2026-0")
    far = pl.Series(np.random.default_rng(1).choice([8.0, 0.125, 1.0, 1.0], 240))
    likes = (made["likes"] * far).round(0).cast(pl.Int64)
    return made.with_columns(id=pl.lit("later ") + pl.col("id"), created=moved, likes=likes)


def posts_of(forecast: Forecast, frame: pl.DataFrame) -> pl.DataFrame:
    return asked_posts(rows_of_frame(frame.drop("likes")), forecast.contents).posts


def labels_of(frame: pl.DataFrame) -> pl.Series:
    return (frame["likes"] + 1).log(2)


def seen(forecast: Forecast) -> dict[str, tuple[float, int]]:
    return {name: (state.current, state.seen) for name, state in forecast.adaptive.states.items()}


AFTER = datetime(2027, 1, 1, tzinfo=UTC)


def test_observed_outcomes_move_alpha_and_it_is_the_same_after_a_start(forecast, later, tmp_path):
    posts, labels = posts_of(forecast, later), labels_of(later)
    before = forecast.predict(posts[200:])
    for start in range(0, 200, 40):
        forecast.observe(posts[start : start + 40], labels[start : start + 40], AFTER)
    assert forecast.adaptive.states[ALL].seen == 200
    assert forecast.adaptive.states[ALL].current < 0.1
    again = Forecast.load(tmp_path / "bundle")
    assert seen(again) == seen(forecast)
    after = again.predict(posts[200:])
    assert after.equals(forecast.predict(posts[200:]))
    assert (after["upper"] - after["lower"]).mean() > (before["upper"] - before["lower"]).mean()
    forecast.save(tmp_path / "copy")
    assert seen(Forecast.load(tmp_path / "copy")) == seen(forecast)


def test_the_outcome_is_compared_with_the_forecast_of_just_before(forecast, later):
    posts, labels = posts_of(forecast, later)[:30], labels_of(later)[:30]
    for place in range(8):
        said = forecast.predict(posts[place : place + 1])
        inside = said["lower"][0] <= labels[place] <= said["upper"][0]
        before = forecast.adaptive.states[ALL].current
        forecast.observe(posts[place : place + 1], labels[place : place + 1], AFTER)
        moved = before + 0.01 * (0.1 - (not inside))
        assert forecast.adaptive.states[ALL].current == pytest.approx(moved, abs=1e-9)


def test_a_post_counts_once_when_it_is_old_enough_and_only_as_a_forecast(forecast, later, tmp_path):
    posts, labels = posts_of(forecast, later), labels_of(later)
    hour = posts["posted_at"][0] + timedelta(hours=1)
    forecast.observe(posts[:1], labels[:1], hour)
    assert forecast.adaptive.states[ALL].seen == 0
    forecast.observe(posts[:1].select("post_id"), labels[:1], AFTER)  # its first account tells what it is
    assert forecast.adaptive.states[ALL].seen == 1
    forecast.observe(posts[:1], pl.Series([1.0]), AFTER)
    assert forecast.adaptive.states[ALL].seen == 1
    learned = forecast.known.filter(pl.col("labelled") & ~pl.col("observed"))["post_id"][:3]
    forecast.observe(pl.DataFrame({"post_id": learned}), pl.Series([3.0, 4.0, 5.0]), AFTER)
    nobody = pl.DataFrame({"post_id": ["of which nothing is told"]})
    forecast.observe(nobody, pl.Series([3.0]), AFTER)
    assert forecast.adaptive.states[ALL].seen == 1
    assert seen(Forecast.load(tmp_path / "bundle")) == seen(forecast)
    assert Forecast.load(tmp_path / "bundle", maturity_days=0).adaptive.states[ALL].seen == 1


def test_two_processes_that_tell_of_one_post_move_alpha_once(forecast, later, tmp_path):
    posts, labels = posts_of(forecast, later)[:20], labels_of(later)[:20]
    other = Forecast.load(tmp_path / "bundle")
    other.observe(posts, labels, AFTER)
    forecast.observe(posts, labels, AFTER)
    assert forecast.adaptive.states[ALL].seen == 20
    assert seen(Forecast.load(tmp_path / "bundle")) == seen(forecast) == seen(other)

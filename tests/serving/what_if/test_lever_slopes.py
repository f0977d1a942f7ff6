"""A lever that means something is found, one that means nothing is not: over many made data sets, with the rates."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from popcast.core.tables import TIME
from popcast.serving.what_if.asking import borne_out
from popcast.serving.what_if.lever_slopes import STRETCHES, Slope, slope_of

SETS = 200


def made(seed: int, effect: float, authors: int = 40, n: int = 400):
    """What a model that learned hourly means from n posts says of n others: e, r and these posts."""
    rng = np.random.default_rng(seed)
    level = rng.normal(6, 1.5, authors)

    def posts():
        author, hour = rng.integers(0, authors, n), rng.integers(0, 24, n)
        late = (hour >= 18) & (hour < 21)
        return author, hour, effect * late + rng.normal(0, 1, n), level[author]

    _, hour, rest, _ = posts()
    learned = np.array([rest[hour == h].mean() if (hour == h).any() else 0.0 for h in range(24)])
    author, hour, rest, own = posts()
    times = pl.Series(np.arange(n) * 3_600_000_000).cast(TIME)
    table = pl.DataFrame({"user_id": [f"a{a}" for a in author], "posted_at": times})
    return learned[hour] - learned.mean(), rest + own * 0.1, table


def share_found(effect: float, **options) -> float:
    found = [slope_of(*made(seed, effect, **options), seed=seed) for seed in range(SETS)]
    return float(np.mean([one.found for one in found]))


@pytest.mark.parametrize("authors", [40, 5, 1])
def test_a_planted_effect_is_found_and_a_planted_non_effect_is_not(authors):
    """Twice as many likes at 18 to 21 h; by chance alone one set of 200 would be found."""
    assert share_found(1.0, authors=authors) > 0.95
    assert share_found(0.0, authors=authors) <= 0.03


def test_the_interval_holds_what_is_true():
    """Half an effect told twice: the slope that is true of each set is that of the truth on what was told."""
    held = []
    for seed in range(SETS):
        added, rest, posts = made(seed, 1.0)
        truth = 0.7 * added
        noise = np.random.default_rng(seed).normal(0, 1, len(rest))
        found = slope_of(added, truth + noise, posts, seed)
        held.append(found.lower <= 0.7 <= found.upper)
    assert 0.9 <= np.mean(held) <= 0.99


def test_what_goes_with_authors_alone_is_no_lever():
    """Authors who post late are popular: between authors hour and likes go together, within an author they do not."""
    found = []
    for seed in range(50):
        rng = np.random.default_rng(seed)
        author = rng.integers(0, 40, 600)
        popular = rng.normal(0, 1, 40)
        added = popular[author] + rng.normal(0, 0.5, 600)
        rest = popular[author] + rng.normal(0, 1, 600)
        posts = pl.DataFrame({"user_id": [f"a{a}" for a in author], "posted_at": pl.Series([None] * 600, dtype=TIME)})
        slope = slope_of(added, rest, posts, seed)
        assert slope.within_authors
        found.append(slope.found)
    assert np.mean(found) <= 0.04


def test_too_few_posts_and_a_lever_that_is_not_looked_at_have_no_slope():
    added, rest, posts = made(0, 1.0)
    assert slope_of(added[:49], rest[:49], posts[:49], 0) is None
    assert slope_of(np.zeros(400), rest, posts, 0) is None


def test_one_account_is_drawn_in_stretches_of_time_and_nobody_post_by_post():
    added, rest, posts = made(0, 1.0, authors=1)
    assert slope_of(added, rest, posts, 0).clusters == STRETCHES
    unknown = posts.with_columns(user_id=pl.lit(None, pl.String), posted_at=pl.lit(None, TIME))
    found = slope_of(added, rest, unknown, 0)
    assert found.clusters == 400
    assert not found.within_authors


def test_differences_carry_both_doubts_and_change_sides():
    slope = Slope(0.8, 0.5, 1.0, 0.4, 0.1, 500, 40, True)
    up, down = borne_out(1.0, slope), borne_out(-1.0, slope)
    assert down == pytest.approx((-up[0], -up[2], -up[1]))
    assert up[0] == 0.8
    assert up[1] == pytest.approx(0.8 - np.hypot(0.3, np.sqrt(2) * 0.196), abs=1e-6)
    assert borne_out(0.0, slope) == (0.0, 0.0, 0.0)

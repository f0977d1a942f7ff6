"""Adaptive conformal inference: the coverage finds back under drift, and the state survives as JSON."""

import json

import numpy as np
import pytest

from popcast.blend.widths.adaptive_alpha import AdaptiveAlpha
from popcast.blend.widths.spread import Spread

LEVELS = (0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95)
NORMAL = (-1.645, -1.282, -0.674, 0.0, 0.674, 1.282, 1.645)


def followed(outcomes: np.ndarray, state: AdaptiveAlpha) -> tuple[np.ndarray, AdaptiveAlpha]:
    """Whether each outcome lay in its interval, which was given before."""
    spread = Spread(LEVELS, np.array([NORMAL]), np.array([-1.645]), np.array([1.645]))
    inside = []
    for outcome in outcomes:
        low, high = spread.interval(state.coverage)
        inside.append(bool(low[0] <= outcome <= high[0]))
        state = state.after(inside[-1:])
    return np.array(inside), state


def test_coverage_returns_to_nominal_after_outcomes_have_become_twice_as_wide():
    generator = np.random.default_rng(4)
    outcomes = np.concatenate([generator.normal(0, 1, 1000), generator.normal(0, 2, 3000)])
    inside, state = followed(outcomes, AdaptiveAlpha.start(0.9, gamma=0.02))
    assert inside[:1000].mean() == pytest.approx(0.9, abs=0.02)
    still = np.abs(outcomes) <= 1.645
    assert still[1500:].mean() < 0.65
    assert inside[1500:].mean() == pytest.approx(0.9, abs=0.02)
    assert state.seen == 4000


@pytest.mark.parametrize("held", [True, False])
def test_the_bound_of_the_paper_holds_for_any_outcomes(held):
    """|share outside - alpha| <= (max(alpha, 1 - alpha) + gamma) / (gamma T), with intervals as alpha_t asks for."""
    state, outside = AdaptiveAlpha.start(0.9, gamma=0.05), 0
    for _ in range(500):
        inside = True if state.current <= 0 else False if state.current >= 1 else held
        outside += not inside
        state = state.after([inside])
    assert abs(outside / 500 - 0.1) <= (0.9 + 0.05) / (0.05 * 500)


def test_the_state_is_plain_json():
    state = AdaptiveAlpha.start(0.8).after([True, False, False])
    assert AdaptiveAlpha(**json.loads(json.dumps(state.as_dict()))) == state
    assert state.after([True, True]) == state.after([True]).after([True])
    assert state.coverage == pytest.approx(0.8 + 2 * 0.005 * 0.8 - 0.005 * 0.2)

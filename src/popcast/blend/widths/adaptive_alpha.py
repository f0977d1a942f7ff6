"""Coverage that finds back to its nominal value under drift, where outcomes come in one after the other.

Gibbs and Candes, "Adaptive conformal inference under distribution shift", 2021, equation 2:
alpha_(t+1) = alpha_t + gamma * (alpha - err_t), err_t = 1 where the outcome lies outside the interval. Whatever the
data do, the share outside over T steps is within (max(alpha_1, 1 - alpha_1) + gamma) / (gamma T) of alpha (their
proposition 4.1), as long as an interval with alpha_t <= 0 holds all numbers and one with alpha_t >= 1 none.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from typing import Any, Self


@dataclass(frozen=True)
class AdaptiveAlpha:
    """``alpha``: nominal share outside. ``current``: alpha_t, may leave [0, 1]. ``seen``: outcomes so far."""

    alpha: float
    current: float
    gamma: float = 0.005
    seen: int = 0

    @classmethod
    def start(cls, coverage: float, gamma: float = 0.005) -> Self:
        """Nothing observed yet. coverage: nominal, 1 - alpha. gamma: the paper's value, a step per outcome."""
        return cls(1 - coverage, 1 - coverage, gamma)

    @property
    def coverage(self) -> float:
        """What to ask :meth:`popcast.blend.widths.spread.Spread.interval` for: in [0, 1]."""
        return min(max(1 - self.current, 0.0), 1.0)

    def after(self, inside: Iterable[bool]) -> AdaptiveAlpha:
        """The state after outcomes in the order of time; ``inside``: whether each lay in the interval it was given.

        >>> AdaptiveAlpha.start(0.9, gamma=0.1).after([False, True]).current
        0.02
        """
        state = self
        for held in inside:
            current = round(state.current + state.gamma * (state.alpha - (0.0 if held else 1.0)), 12)
            state = replace(state, current=current, seen=state.seen + 1)
        return state

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON; ``AdaptiveAlpha(**content)`` is the same state again."""
        return asdict(self)

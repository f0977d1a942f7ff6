"""Have the inputs moved? The population stability index of each against the posts that were learned from.

PSI = sum over bins of (new share - old share) * ln(new share / old share): Kullback and Leibler's divergence taken both
ways; below .1 little, above .25 much, by the rule of credit scoring (Siddiqi, "Credit Risk Scorecards", 2006). Few
posts give a large PSI by chance: where nothing moved it lies about (1/n + 1/m) * chi2 with bins - 1 degrees of freedom
(Yurdakul and Naranjo, "Statistical properties of the population stability index", 2020). So an input has moved where
its PSI is above ``MUCH`` and above that law's quantile too. Every count has half a post added, so that no share is 0.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from popcast.serving.tracking.post_inputs import Inputs, counts_in

LITTLE, MUCH = 0.1, 0.25
LEVEL = 0.01
"""Chance that any of all inputs is said to have moved while none has (Bonferroni)."""
ADDED = 0.5


def stability_index(old: np.ndarray, new: np.ndarray) -> float:
    """PSI of counts [bins].

    >>> round(stability_index(np.array([500, 500]), np.array([200, 800])), 2)
    0.41
    """
    old, new = old + ADDED, new + ADDED
    was, now = old / old.sum(), new / new.sum()
    return float(((now - was) * np.log(now / was)).sum())


def by_chance(bins: int, old: int, new: int, level: float) -> float:
    """PSI that samples of these sizes exceed with probability ``level`` where nothing moved."""
    from scipy.stats import chi2

    return float((1 / max(old, 1) + 1 / max(new, 1)) * chi2.ppf(1 - level, max(bins - 1, 1)))


def moved_inputs(reference: Mapping[str, Mapping[str, Any]], inputs: Inputs, authors: int) -> list[dict[str, Any]]:
    """Of each input ``input``, ``bins``, ``psi``, ``limit`` (what chance alone reaches) and ``moved``, largest first.

    authors: of the posts. Inputs that the posts do not have are left out. Numbers of an author are drawn once per
    author, however many posts that is; all others are taken as drawn post by post.
    """
    there = {*inputs.numbers.columns, *inputs.words.columns}
    names = [name for name in reference if name in there]
    found = []
    for name in names:
        old, new = np.array(reference[name]["counts"]), counts_in(reference[name], inputs, name)
        drawn = (reference[name]["authors"], authors) if name.startswith("user_") else (old.sum(), new.sum())
        used = int(((old + new) > 0).sum())
        psi, limit = stability_index(old, new), by_chance(used, *drawn, level=LEVEL / len(names))
        found.append({
            "input": name, "bins": used, "psi": round(psi, 6), "limit": round(limit, 6),
            "moved": bool(psi > max(MUCH, limit)),
        })  # fmt: skip
    return sorted(found, key=lambda one: (-one["psi"], one["input"]))

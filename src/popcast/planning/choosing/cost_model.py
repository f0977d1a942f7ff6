"""Seconds that stages take, as measured on two cores: enough to choose by, not a promise.

``stage`` is what every process takes before it does anything (imports, reading, DVC's hashes). The rest is per 1,000
posts, and per 1,000 rows learned from where it is a run; measured in November 2026 with ``popcast run`` on 3,000, 50,000
and 176,000 real posts.
"""

from __future__ import annotations

from popcast.planning.choosing.post_facts import PostFacts

STAGE = 4.0
SIDE_BY_SIDE = 1.6
"""Stages that run at a time on two cores, on average: the first and the last ones wait for one another."""

BLOCKS = {"posts": 0.04, "metadata": 0.03, "history": 0.08, "text": 0.3, "encoder": 25.0, "image": 12.0, "video": 200.0,
          "windows": 0.1, "neighbours": 0.5}  # fmt: skip
RUNS = {"reference": 0.02, "lightgbm": 0.25, "lightgbm_text": 1.0, "hyfea": 0.5, "hyfea_text": 1.2, "text_ridge": 0.8,
        "kernel_ridge": 3.0, "stacker": 3.0, "cnn": 6.0, "tabnet": 10.0}  # fmt: skip
"""One fit of one ensemble."""


def block_seconds(kind: str, facts: PostFacts) -> float:
    return STAGE + BLOCKS[kind] * facts.posts / 1000


def run_seconds(kind: str, facts: PostFacts, fits: int = 2, seeds: int = 1) -> float:
    """A run is fitted ``fits`` times: on the training part, on all labelled posts, and once per fold where the blend
    needs it."""
    return STAGE + RUNS[kind] * fits * seeds * facts.labelled / 1000


def frame_seconds(facts: PostFacts) -> float:
    """What every choice needs: plan, posts, blend, scores and report."""
    return 5 * STAGE + 20 + BLOCKS["posts"] * facts.posts / 1000

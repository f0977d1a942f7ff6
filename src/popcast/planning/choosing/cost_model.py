"""Seconds that stages take, as measured on two cores that did other work too: enough to choose by, not a promise.

``STAGE`` is what every process takes before it does anything (imports, reading, DVC's hashes). The rest is per 1,000
posts, and per 1,000 rows learned from where it is a run. Measured with ``popcast run`` on 3,400, 50,000 and 220,000
real posts.
"""

from __future__ import annotations

from popcast.planning.choosing.post_facts import PostFacts

STAGE = 2.5
SIDE_BY_SIDE = 1.6
"""Stages that run at a time on two cores, on average: the first and the last ones wait for one another."""

BLOCKS = {"posts": 0.04, "metadata": 0.02, "history": 0.05, "text": 0.12, "encoder": 25.0, "image": 15.0}
RUNS = {"lightgbm": 0.15, "lightgbm_text": 0.3, "hyfea": 0.27, "hyfea_text": 0.5, "text_ridge": 0.35,
        "kernel_ridge": 1.5, "stacker": 0.5, "cnn": 0.6}  # fmt: skip
"""One fit of one ensemble."""

LEVER_POSTS, HELD_OUT, LEVERS = 1000, 0.2, 7.0
"""Posts that levers are measured on at most, the share of labelled posts that are held out, and seconds per 1,000 of
them: 6 s of processor with five members on generated SMPD, 3 s with three on generated MicroLens (140 posts)."""


def block_seconds(kind: str, facts: PostFacts) -> float:
    return STAGE + BLOCKS[kind] * facts.posts / 1000


def run_seconds(kind: str, facts: PostFacts, fits: int = 2, seeds: int = 1) -> float:
    """A run is fitted ``fits`` times: on the training part, on all labelled posts, and once per fold where the blend
    needs it."""
    return STAGE + RUNS[kind] * fits * seeds * facts.labelled / 1000


def bundle_seconds(facts: PostFacts) -> float:
    """What forecasts of drafts need, put together: copies of blocks and models, and what each lever does to held-out
    posts, of which there are ``LEVER_POSTS`` at most."""
    held_out = min(LEVER_POSTS, HELD_OUT * facts.labelled)
    return STAGE + 1 + LEVERS * held_out / 1000 + 0.05 * facts.posts / 1000


def frame_seconds(facts: PostFacts) -> float:
    """What every choice needs: plan, posts, blend, scores, report and bundle."""
    return 6 * STAGE + 15 + (0.2 + BLOCKS["posts"]) * facts.posts / 1000 + bundle_seconds(facts)

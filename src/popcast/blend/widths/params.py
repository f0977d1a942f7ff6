"""Section ``blend.widths`` of params.yaml: whether and how intervals follow the post."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from popcast.core.section import Key, Section


class Widths(Section):
    """``constant``: one half width for all posts, as in Lei et al. (2018)."""

    method: Literal["auto", "cqr", "normalised", "constant"] = Field(
        "auto", description="auto: whichever has the lowest cross-fitted interval score on the valid part"
    )
    blocks: list[Key] = Field(
        ["metadata", "history"], description="feature blocks that the widths look at, where the dataset has them"
    )
    least_posts: int = Field(300, ge=50, description="with fewer labelled valid posts all get one width")
    least_segment: int = Field(
        100, ge=20, description="with fewer valid posts cold or warm authors get the common offset"
    )
    rounds: int = Field(120, ge=1, description="trees per quantile")
    learning_rate: float = Field(0.08, gt=0, le=1)
    num_leaves: int = Field(8, ge=2)
    min_child_samples: int = Field(40, ge=1)
    most_posts: int = Field(20000, ge=1000, description="posts that the trees learn from at most, drawn by seed")

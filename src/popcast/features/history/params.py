"""Settings of the block ``history``: whose labels are seen, and what is made of them."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from popcast.core.section import Section


class Params(Section):
    as_of: Literal["post", "fold", "lag"] = Field("post", description="what training posts see, see visibility.py")
    lag_days: float = Field(0.0, ge=0, description="of as_of lag: the longest time that news may be old")
    draw: int = Field(0, ge=0, description="of as_of lag: which draw of times; members on several draws err less alike")
    smoothing: float = Field(5.0, ge=0, description="labels' worth of the prior in every smoothed mean")
    windows: list[int] = Field([3, 5, 10], description="means of the author's last so many visible labels")
    half_life: float = Field(5.0, gt=0, description="posts, of the exponentially weighted mean")
    level_window: int = Field(500, ge=1, description="newest visible labels of all authors that make the level")
    targets: list[str] = Field(
        ["category", "subcategory", "concept"], description="columns of posts with a smoothed mean per value"
    )
    tags: bool = Field(True, description="mean over the post's tags of the smoothed mean per tag")
    outcomes: list[str] = Field([], description="posthoc_ columns measured per post, seen of older posts like labels")

"""Sections ``splits.<dataset>`` of params.yaml: which posts are learned from, chosen on and reported on."""

from __future__ import annotations

from datetime import date
from typing import Literal

from pydantic import Field, model_validator

from popcast.core.section import Section


class Split(Section):
    """How labelled posts become train, valid and test. See popcast.splits.making."""

    method: Literal["chronological", "published", "rolling_origin", "newest_per_author", "random"]
    valid_from: date | None = Field(None, description="chronological: first day of valid, in the dataset's zone")
    test_from: date | None = None
    shares: tuple[float, float, float] | None = Field(
        None,
        description="train/valid/test: of the posts (chronological by share, random) or authors (newest_per_author)",
    )
    by: Literal["author", "post"] | None = Field(
        None, description="random: what stays in one part; null: authors where there are at least 20, else posts"
    )
    seeds: tuple[int, int] = (9, 18)
    parts: int = Field(14, ge=3)
    train_parts: int = Field(9, ge=2)
    origin: int = Field(0, ge=0, description="rolling_origin: which of the parts - train_parts origins")
    folds: int = Field(4, ge=2, le=20, description="folds over the training posts; in time order where time exists")
    newest_folds: int | None = Field(
        None,
        ge=2,
        le=20,
        description="newest_per_author: folds of authors whose newest training post is held out; other posts have none",
    )
    burst_hours: float = Field(1.0, ge=0, description="posts of one user closer than this stay in one fold")
    burst_span_hours: float = Field(12.0, ge=0, description="and at most this long: a page that never rests is cut")
    final_fit: Literal["labelled", "train"] = Field(
        "labelled", description="what the model that predicts unlabelled posts learns from"
    )

    @model_validator(mode="after")
    def complete(self) -> Split:
        if self.method == "chronological" and (self.valid_from is None) == (self.shares is None):
            raise ValueError("chronological needs either valid_from and test_from, or shares")
        if (self.valid_from is None) != (self.test_from is None):
            raise ValueError("valid_from and test_from come together")
        if self.shares is not None and (abs(sum(self.shares) - 1) > 1e-9 or min(self.shares) <= 0):
            raise ValueError("shares must be positive and sum to 1")
        if self.by is not None and self.method != "random":
            raise ValueError("by goes with method random only")
        if self.newest_folds is not None and self.method != "newest_per_author":
            raise ValueError("newest_folds goes with method newest_per_author only")
        if self.method == "rolling_origin" and self.origin >= self.parts - self.train_parts:
            raise ValueError("origin must be below parts - train_parts")
        return self

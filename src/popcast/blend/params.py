"""Section ``blend`` of params.yaml: how single predictions become one."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from popcast.blend.widths.params import Widths
from popcast.core.section import Name, Section


class Blend(Section):
    method: Literal["nnls", "simplex", "mean", "rank"] = Field(
        "nnls", description="nnls: reweighted least squares; simplex: the metric itself, weights sum to 1"
    )
    fit_on: Literal["valid", "oof+valid"] = "oof+valid"
    sum_to_one: bool = True
    intercept: bool = False
    segments: bool = Field(False, description="own weights for posts with profile, known authors, new authors")
    drift_correction: bool = Field(False, description="only for splits in the order of time")
    interval: float = Field(0.9, gt=0, lt=1, description="nominal coverage of the conformal interval")
    widths: Widths = Field(Widths(), description="whether and how the intervals follow the post")
    leave_out: list[Name] = Field([], description="models that are reported but do not enter the blend")

    @model_validator(mode="after")
    def on_the_simplex(self) -> Blend:
        if self.method == "simplex" and not self.sum_to_one:
            raise ValueError("method simplex: its weights sum to 1, expected sum_to_one: true, or method nnls")
        return self

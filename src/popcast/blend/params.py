"""Section ``blend`` of params.yaml: how single predictions become one."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from popcast.blend.widths.params import Widths
from popcast.core.section import Name, Section


class Blend(Section):
    method: Literal["nnls", "mean", "rank"] = "nnls"
    fit_on: Literal["valid", "oof+valid"] = "oof+valid"
    sum_to_one: bool = True
    intercept: bool = False
    segments: bool = Field(False, description="own weights for posts with profile, known authors, new authors")
    drift_correction: bool = Field(False, description="only for splits in the order of time")
    interval: float = Field(0.9, gt=0, lt=1, description="nominal coverage of the conformal interval")
    widths: Widths = Field(Widths(), description="whether and how the intervals follow the post")
    leave_out: list[Name] = Field([], description="models that are reported but do not enter the blend")

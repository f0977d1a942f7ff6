"""Sections ``datasets.<name>`` of params.yaml: where raw files lie and how they are read."""

from __future__ import annotations

from datetime import datetime
from typing import Literal
from zoneinfo import ZoneInfo

from pydantic import Field, field_validator, model_validator

from popcast.core.section import Below, Line, Place, Section

Metric = Literal["mae", "rmse", "nmse", "mape"]


class TableColumns(Section):
    """Which column of a user's table is what. ``text`` columns are joined with a blank line into ``title``."""

    id: Line
    author: Line | None = None
    time: Line | None = None
    text: list[Line] = Field([])
    tags: Line | None = None
    category: Line | None = None
    subcategory: Line | None = None
    concept: Line | None = None
    media: Line | None = None
    numbers: list[Line] = Field([], description="numeric columns known at posting time -> post_*")
    author_numbers: list[Line] = Field([], description="numeric columns of the author known at posting time -> user_*")
    posthoc: list[Line] = Field([], description="numeric columns measured later -> posthoc_*")
    label: Line


class Table(Section):
    """Layout of a user's own table of posts (``kind: table``)."""

    labelled: Below = Field(description="file below raw with a label in every row")
    unlabelled: Below | None = Field(None, description="file below raw without labels: posts to predict")
    columns: TableColumns
    transform: Literal["log2(x)", "log2(x+1)", "none"] = "log2(x+1)"
    time_format: Line = Field("auto", description="auto | epoch | epoch_ms | a strptime pattern")
    tag_separator: str | None = Field(None, description="null: a list in JSON or Python form, or by white space")


class Dataset(Section):
    kind: Literal["smpd", "tpic2017", "microlens", "nus", "smp_video", "table"]
    raw: Place = Field(description="folder with the raw files; outside the project for real data")
    zone: str = Field("UTC", description="IANA zone for day parts and for timestamps that carry no zone")
    snapshot: datetime | None = Field(None, description="when the outcomes were counted, if all at one moment (UTC)")
    metric: Metric = "mae"
    max_reject_share: float = Field(0.01, ge=0, le=1)
    profile: Below | None = Field(None, description="csv of crawled author profiles below raw: posthoc_ columns")
    captions: Below | None = Field(None, description="csv below raw, post_id and caption of its image: post_caption")
    transform: Literal["log2(x)", "log2(x+1)", "none"] | None = Field(None, description="microlens, nus: of the counts")
    table: Table | None = None

    @field_validator("zone")
    @classmethod
    def known_zone(cls, zone: str) -> str:
        try:
            ZoneInfo(zone)
        except Exception:
            raise ValueError(f"unknown time zone {zone!r}, expected an IANA name such as Asia/Shanghai") from None
        return zone

    @model_validator(mode="after")
    def table_layout(self) -> Dataset:
        if (self.kind == "table") != (self.table is not None):
            raise ValueError("kind 'table' needs a 'table' section, and no other kind has one")
        return self

"""Sections ``datasets.<name>`` of params.yaml: where raw files lie and how they are read."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, Field, field_validator, model_validator

from popcast.core.section import Below, Line, Place, Section, stays_below

Metric = Literal["mae", "rmse", "nmse", "mape"]

FILES = re.compile(r"[^\x00-\x20\x7f$`\"\\<>|;-](?:[^\x00-\x1f\x7f$`\"\\<>|;]{0,498}[^\x00-\x20\x7f$`\"\\<>|;])?")


def _files(named: str | list[str] | None) -> str | list[str] | None:
    """Files or patterns of files such as ``posts-*.csv``: below the raw folder, and never part of a command."""
    for one in [named] if isinstance(named, str) else named or []:
        if not FILES.fullmatch(one):
            raise ValueError(
                'expected a file or pattern, without blanks at its ends, - first and any of $ ` " \\ < > | ;'
            )
        stays_below(one)
    if named == []:
        raise ValueError("expected at least one file")
    return named


class TableColumns(Section):
    """Which column of a user's table is what. ``text`` columns are joined with a blank line into ``title``.

    Without ``id`` a post is known by a hash of its row: of all mapped columns but the outcomes.
    """

    id: Line | None = None
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

    labelled: Annotated[str | list[str], AfterValidator(_files)] = Field(
        description="file(s) or pattern(s) below raw, with a label in nearly every row"
    )
    unlabelled: Annotated[str | list[str] | None, AfterValidator(_files)] = Field(
        None, description="the same without: posts to predict"
    )
    columns: TableColumns
    transform: Literal["log2(x)", "log2(x+1)", "none"] = "log2(x+1)"
    time_format: Line = Field("auto", description="auto | epoch | epoch_ms | epoch_us | epoch_ns | a strptime pattern")
    day_first: bool | None = Field(None, description="what is the day in 3/4/2025; null: the column decides")
    tag_separator: str | None = Field(None, description="null: a list as a program prints it, or found by looking")
    delimiter: Line | Literal["\t"] | None = Field(
        None, description="between fields of csv files; null: found by looking"
    )
    encoding: Line | None = Field(None, description="of text files (utf-8, cp1252, gb18030); null: found by looking")
    sheet: Line | None = Field(None, description="of an xlsx file; null: the first")
    decimal: Literal[".", ","] | None = Field(None, description="before a fraction; null: found over each column")
    thousands: Literal[".", ",", " ", "'"] | None = Field(None, description="between thousands; null: found by looking")
    missing: list[Line] = Field([], description="words for not known, besides n/a, null, hidden, - and the like")
    repeated: Literal["refuse", "first", "last"] = Field("refuse", description="which row of an id that occurs again")
    repeated_by: Line | None = Field(
        None, description="column of numbers or times that says which row is first or last"
    )
    without_label: Literal["leave_out", "predict"] = Field("leave_out", description="labelled rows without a label")

    @model_validator(mode="after")
    def one_meaning(self) -> Table:
        if self.decimal is not None and self.decimal == self.thousands:
            raise ValueError(f"decimal and thousands are both {self.decimal!r}")
        if self.repeated_by is not None and self.repeated == "refuse":
            raise ValueError("repeated_by needs repeated: first or last")
        return self


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

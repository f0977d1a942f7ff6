"""Sections of params.yaml that describe responses: ``responses``, ``response`` and ``reaction_shares``."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from popcast.core.section import Key, Line, Name, Place, Section, Variable
from popcast.response.response_tables import SENTIMENTS


class ResponseSet(Section):
    """``responses.<key>``: one raw folder of responses and how it is read and divided."""

    kind: Literal["collector", "ced"] = Field(description="collector: formats A to E; ced: the ced-weibo files")
    raw: Place
    generated: bool = Field(False, description="the raw folder is invented: said in every table")
    zone: Literal["Asia/Shanghai", "UTC"] = "Asia/Shanghai"
    salt_variable: Variable | None = Field(
        "POPCAST_SALT", description="environment variable with the salt of pseudonyms; null: generated data only"
    )
    aliases: bool = Field(True, description="stable aliases in place of screen names")
    max_reject_share: float = Field(0.05, ge=0, le=1)
    shares: tuple[float, float, float] = Field(
        (0.7, 0.15, 0.15), description="of topics: train, valid, test; by time where topics have one, else by seed"
    )

    @model_validator(mode="after")
    def possible(self) -> ResponseSet:
        if abs(sum(self.shares) - 1) > 1e-9 or min(self.shares) <= 0:
            raise ValueError(f"shares: expected three shares above 0 that sum to 1, got {self.shares}")
        if self.salt_variable is None and not self.generated:
            raise ValueError("salt_variable: real users need a salted pseudonym")
        return self


class ShareRun(Section):
    """``reaction_shares.<key>``: shares of reactions of one set of posts or topics."""

    of: Literal["posts", "topics"] = Field(description="posts: of a dataset; topics: of a set of responses")
    dataset: Key = Field(description="a dataset, or a set of responses")
    watch: Place = Field(description="folder that DVC watches: data/features/<dataset>, or data/responses/<key>")
    file: Name = Field("reaction_shares", description="name of the table below data/predictions/<dataset>")
    classes: list[Line] = Field(
        list(SENTIMENTS), min_length=2, description="posts: names of posthoc_ columns without their prefix"
    )

"""Bodies of requests: what may be told of a draft, and what may be asked about it. Unknown keys are refused."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from popcast.serving.http.request_limits import RequestLimits

LIMITS = RequestLimits()
ONE = "draft"
"""What the one draft of a request is called; several are ``drafts``."""
Word = Annotated[str, Field(max_length=500)]
Text = Annotated[str, Field(max_length=20_000)]
Tags = Annotated[list[Word], Field(max_length=500)]

DRAFT = {
    "text": "Sunset over the harbour", "author": "59@N75", "time": "2016-03-01T18:30", "tags": ["sunset", "harbour"],
}  # fmt: skip
OBSERVED = {"id": "2016-77", **DRAFT, "outcome": 7}


class Body(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)


class SentPicture(Body):
    """A picture of a draft. Its name is not looked at: what it is, its bytes say."""

    name: Annotated[str, Field(max_length=255)] = "picture"
    data: Annotated[str, Field(max_length=LIMITS.picture * 4 // 3 + 4, description="base64")]


class SentDraft(Body):
    """What is known of a post that is not out yet. What is left out, or null, is taken as not known."""

    id: Annotated[str, Field(min_length=1, max_length=500)] | None = None
    text: Text | None = None
    author: Word | None = Field(None, description="as the posts learned from have it")
    time: Annotated[str, Field(max_length=64)] | None = Field(
        None, description="ISO 8601, such as 2025-03-01T18:30; of the bundle's zone where it names none; or now"
    )
    tags: Tags | None = None
    category: Word | None = None
    numbers: Annotated[dict[Word, float], Field(max_length=500)] | None = Field(
        None, description="of the post or its author, by the names that /facts lists"
    )
    picture: SentPicture | None = None


class SentPost(SentDraft):
    """A post that came out. Of one that is known, id and outcome are enough."""

    id: Annotated[str, Field(min_length=1, max_length=500)]
    outcome: float | None = Field(None, description="a count where labels are counts, else a score; null: not known")


class ForecastBody(Body):
    model_config = ConfigDict(json_schema_extra={"examples": [{"drafts": [DRAFT], "above": 6}]})

    drafts: Annotated[list[SentDraft], Field(min_length=1, max_length=LIMITS.drafts)]
    together: bool = Field(False, description="the drafts see that the other ones exist, as if all will be posted")
    keep: bool = Field(False, description="keep the forecasts, to be compared with what becomes of the posts")
    above: float | None = Field(None, description="tell the chance of more than this: a count, or a score")


class ExplainBody(Body):
    model_config = ConfigDict(json_schema_extra={"examples": [{"drafts": [DRAFT], "words": True}]})

    drafts: Annotated[list[SentDraft], Field(min_length=1, max_length=LIMITS.explained)]
    words: bool = Field(True, description="also leave words out one by one, which takes longer")


class WhatIfBody(Body):
    model_config = ConfigDict(json_schema_extra={"examples": [{"draft": DRAFT, "titles": ["The harbour at dusk"]}]})

    draft: SentDraft
    titles: Annotated[list[Text], Field(max_length=20)] = Field([], description="other texts to try")
    tags: Annotated[list[Tags], Field(max_length=20)] = Field([], description="other lists of tags to try")
    categories: Annotated[list[Word], Field(max_length=50)] | None = Field(None, description="null: those on offer")
    levers: Annotated[list[Word], Field(max_length=20)] | None = Field(
        None, description="some of time, title, length, tags, category, picture; null: all"
    )


class AudienceBody(Body):
    model_config = ConfigDict(json_schema_extra={"examples": [{"draft": DRAFT}]})

    draft: SentDraft


class ObserveBody(Body):
    model_config = ConfigDict(json_schema_extra={"examples": [{"posts": [OBSERVED], "counted_at": "2016-03-08T18:30"}]})

    posts: Annotated[list[SentPost], Field(min_length=1, max_length=LIMITS.drafts)]
    counted_at: Annotated[str, Field(max_length=64)] | None = Field(
        None, description="when the outcomes were counted, ISO 8601; null: now"
    )

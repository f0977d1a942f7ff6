"""Sections of params.yaml for cases: which earlier posts count (``cleaning``), how they are found (``retrieval``)."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from popcast.core.section import Section


class Cleaning(Section):
    """``response.cleaning``: what is dropped from histories (socialalign.md 3), rule by rule."""

    blocklist: bool = Field(True, description="posts with words of blocklist.yaml, or of the user's own name, go")
    short_topics: bool = Field(True, description="posts with a topic of three characters or fewer go")
    only_hashtagged: bool = Field(True, description="posts without a hashtag go; ced-weibo has none: false there")
    placeholders: bool = Field(True, description="what is only the site's words goes: 转发微博, also as a target")


class Retrieval(Section):
    """``response.retrieval``: which of a user's posts a case may show, and which it shows (socialalign.md 4)."""

    top: int = Field(5, ge=1, le=50, description="posts that a case shows")
    min_history: int = Field(10, ge=0, description="fewer posts left: no case")
    tokens: Literal["bigrams", "jieba"] = Field("bigrams", description="jieba: needs requirements-chinese.txt")
    k1: float = Field(1.5, ge=0)
    b: float = Field(0.75, ge=0, le=1)
    only_earlier: bool = Field(True, description="posts strictly before the response, else before the news")
    drop_event: bool = Field(True, description="posts with the event's hashtag, and responses to the same topic, go")
    drop_other_splits: bool = Field(
        True, description="about valid topics: not for train; about test and unlabelled topics: for no case"
    )
    drop_target: bool = Field(True, description="the response itself goes, by number or base-62 id")
    drop_copies: bool = Field(True, description="near-duplicates of the response go")
    copy_share: float = Field(
        0.8, gt=0, le=1, description="Jaccard of sets of three characters from which one is a copy"
    )
    copy_length: int = Field(
        10, ge=0, description="characters of a response from which copies are looked for: [怒] twice is a habit"
    )


class Casework(Section):
    """Both together."""

    cleaning: Cleaning = Cleaning()
    retrieval: Retrieval = Retrieval()

"""Who is portrayed, the five items of a portrait, and what each may be."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from popcast.simulation.policies.quoting import safe

LONGEST = 20
"""Characters of an item."""

ITEMS = {
    "interest_topics": "关注话题",
    "language_style": "语言风格",
    "emotional_tone": "情感基调",
    "personality": "性格特点",
    "values": "价值观念",
}
"""Name -> how it is called in a prompt, in order."""


@dataclass(frozen=True)
class Sitter:
    """Who is portrayed: alias and history posts, the best found first, each (text, retweeted text or None, topics)."""

    case_id: str
    alias: str
    posts: tuple[tuple[str, str | None, tuple[str, ...]], ...]
    training: bool


_MARKDOWN = re.compile(r"[*_`#|~\\]|^\s*([-+>•]|\d{1,2}[.)、])")


def _plain(text: str) -> str:
    text = text.strip()
    if not text:
        raise ValueError("empty")
    if _MARKDOWN.search(text):
        raise ValueError("Markdown")
    if safe(text, LONGEST) != text:
        raise ValueError("line breaks, quotes or brackets")
    return text


Item = Annotated[str, Field(min_length=1, max_length=LONGEST), AfterValidator(_plain)]


class Portrait(BaseModel):
    """Five items of at most ``LONGEST`` characters, and the tone as a class of SENTIMENTS."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    interest_topics: Item
    language_style: Item
    emotional_tone: Item
    personality: Item
    values: Item
    tone_label: Literal["negative", "neutral", "positive"]

"""The one renderer of response prompts: who writes, what they wrote before, the news, the task (socialalign.md 6).

The instruction is put together piece by piece, so the places of its regions are known and never searched for by their
words. Everything before the news (chat header and system message too) is USER, the news with its lead-in and the line
about its topic are NEWS, the task and the opening of the answer are OTHER; a token has the region of its first
character. Texts of users stand on one line each, without control marks of the tokenizer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from popcast.core.errors import BadInput, bad_input
from popcast.core.section import Section
from popcast.fewshot.templates import clean
from popcast.lm.chat_template import ChatTemplate, special_strings, without_marks
from popcast.lm.pac.regions import NEWS, OTHER, USER

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

Variant = Literal["full", "without_portrait", "without_history"]

SYSTEM = "你是一名微博用户，只用自己平时的口吻说话。"
WHO = "用户名：{name}\n"
WROTE = "这名用户以前写过：\n"
RETWEET = "转发“{seen}”并写道“{text}”"
PORTRAIT = "用户画像：\n"
TAGGED = ("刚刚发生的事：\n", "话题#{tag}#正在热搜榜上。\n", "请替这名用户写一条关于话题#{tag}#的微博。")
FORWARDED = ("他刚刚看到一条微博：\n", "这条微博正在被大量转发。\n", "请写出这名用户转发它时会写的话。")
"""Lead-in of the news, the line about it, the task: for news under a hashtag, and for somebody's post."""
MAY_USE = "可以参考{what}。"
MANNER = "保持本人的语气和立场，长度与平时相近，不要硬套旧内容，只写正文。"
NEVER_DROPPED = "task, user name and portrait"


class Prompts(Section):
    """``response.prompts``. A token is one of the language model's own tokenizer."""

    max_tokens: int = Field(
        1024, ge=64, description="whole prompt; the worst found history posts go first, then the news tail"
    )
    item_characters: int = Field(140, ge=10, description="longest history post shown")
    news_characters: int = Field(1000, ge=10, description="longest news text shown")


@dataclass(frozen=True)
class Asking:
    """What a prompt is made of. history: (text, text of the retweeted post or None), best first.

    portrait: five lines, or None. hashtag: without #, None for somebody's post.
    """

    name: str
    history: Sequence[tuple[str, str | None]]
    portrait: str | None
    news: str
    hashtag: str | None


@dataclass(frozen=True)
class Asked:
    """Token ids and regions [tokens] of a prompt, and what was left out: history posts dropped, news cut."""

    text: str
    ids: list[int]
    regions: list[int]
    dropped: int
    cut: bool


class ResponsePrompts:
    """Writes prompts for one fast tokenizer with a chat template. Raises BadInput where it has none.

    tokenizer: None while it is still to be trained: then there are instructions only.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerFast | None, settings: Prompts, variant: Variant = "full") -> None:
        self.tokenizer, self.settings, self.variant = tokenizer, settings, variant
        self.template = None if tokenizer is None else ChatTemplate(tokenizer)
        if self.template is not None and not self.template.exists:
            raise BadInput("response.base: the tokenizer has no chat template: expected an instruction-tuned model")
        self._special = special_strings(tokenizer)

    def prompt(self, asking: Asking, name: str) -> Asked:
        """The prompt of a case. name: what an error calls it. Never longer than ``max_tokens``."""
        items = [] if self.variant == "without_history" else [self._item(*one) for one in asking.history]
        news = self._line(asking.news, self.settings.news_characters)
        for shown in range(len(items), -1, -1):
            asked = self._encoded(asking, items[:shown], news, len(items) - shown, False)
            if len(asked.ids) <= self.settings.max_tokens:
                return asked
        low, high = 0, len(news)  # the longest head of the news that fits
        while low < high - 1:
            middle = (low + high) // 2
            fits = len(self._encoded(asking, [], news[:middle], 0, True).ids) <= self.settings.max_tokens
            low, high = (middle, high) if fits else (low, middle)
        if low == 0:
            least = len(self._encoded(asking, [], news[:1], 0, True).ids)
            raise bad_input(
                f"{NEVER_DROPPED} alone are longer", file=name, field="response.prompts.max_tokens",
                value=self.settings.max_tokens, expected=f"at least {least}",
            )  # fmt: skip
        return self._encoded(asking, [], news[:low].rstrip(), len(items), True)

    def instruction(self, asking: Asking) -> str:
        """The text of a turn, nothing left out, without the chat template."""
        items = [self._item(*one) for one in asking.history]
        news = self._line(asking.news, self.settings.news_characters)
        return "".join(text for text, _ in self._parts(asking, items, news))

    def answer(self, asked: Asked, text: str, name: str) -> list[int]:
        """Token ids of the answer and of the end of a turn. Raises BadInput where prompt and answer share a token."""
        whole = self.tokenizer(asked.text + self.line(text) + self.tokenizer.eos_token, verbose=False)["input_ids"]
        if whole[: len(asked.ids)] != asked.ids:
            raise bad_input(
                "the tokenizer joins the end of the prompt to the answer", file=name,
                expected="the prompt's tokens to be the first of prompt and answer",
            )  # fmt: skip
        return whole[len(asked.ids) :]

    def line(self, text: str) -> str:
        """A user's text on one line, without control marks of the tokenizer."""
        return without_marks(clean(text), self._special)

    def _line(self, text: str, limit: int) -> str:
        return self.line(text)[:limit].strip()

    def _item(self, text: str, seen: str | None) -> str:
        text = self._line(text, self.settings.item_characters)
        if seen is None:
            return text
        return RETWEET.format(seen=self._line(seen, self.settings.item_characters), text=text)

    def _parts(self, asking: Asking, items: list[str], news: str) -> list[tuple[str, int]]:
        """The instruction as texts with their regions, in order."""
        lead, about, task = FORWARDED if asking.hashtag is None else TAGGED
        tag = "" if asking.hashtag is None else self._line(asking.hashtag, self.settings.item_characters)
        user, used = WHO.format(name=self._line(asking.name, 40)), []
        if items:
            user += WROTE + "".join(f"{number}. {item}\n" for number, item in enumerate(items, 1))
            used.append("以前写过的内容")
        if self.variant != "without_portrait" and asking.portrait:
            user += PORTRAIT + "".join(f"{self.line(line)}\n" for line in asking.portrait.splitlines())
            used.append("用户画像")
        if asking.hashtag is not None:
            used.append("新闻")
        may = MAY_USE.format(what="、".join(used)) if used else ""
        about = lead + news + "\n" + about.format(tag=tag)
        return [(user, USER), (about, NEWS), (task.format(tag=tag) + may + MANNER, OTHER)]

    def _encoded(self, asking: Asking, items: list[str], news: str, dropped: int, cut: bool) -> Asked:
        parts = self._parts(asking, items, news)
        instruction = "".join(text for text, _ in parts)
        rendered = self.template.user_turn(instruction, system=SYSTEM)
        head = rendered.find(instruction)
        if head < 0 or rendered.count(instruction) > 1:
            raise BadInput("response.base: the tokenizer's chat template changes the text of a turn")
        news_from = head + len(parts[0][0])
        task_from = news_from + len(parts[1][0])
        found = self.tokenizer(rendered, return_offsets_mapping=True, truncation=False, padding=False, verbose=False)
        regions = [
            USER if start < news_from else NEWS if start < task_from else OTHER for start, _ in found["offset_mapping"]
        ]
        return Asked(rendered, found["input_ids"], regions, dropped, cut)

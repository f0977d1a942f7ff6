"""The one renderer of prompts: training, sampling, alignment, test and serving all ask in these words.

Format, one line per item, every line ended by a newline (``{}``: may be left out or repeated)::

    {instruction}
    {Post k: description
    Post k has popularity s}          k = 1, 2, ... oldest first; s with two decimals
    Post n: description               the new post: n is the number behind the last k
    {Note: value}
    Post n has popularity?

A description is ``word value, word value, ...`` or ``no text``. A value is a number or a date, or text in double quotes
that holds neither a double quote nor a line break. So only lines of the renderer can state a score: text of posts is
cleaned (``popcast.fewshot.templates``), and special-token strings of the tokenizer in it are broken by a space. An
author without history gets a prompt without the lines of old posts. No ids are shown: posts and scores are tied by
``k``.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Literal

import polars as pl
from pydantic import Field

from popcast.core.errors import BadInput, bad_input
from popcast.core.section import Section
from popcast.fewshot.templates import BARE, IMAGE, TITLE, PostText, clean, post_texts
from popcast.lm.chat_template import ChatTemplate, encode, special_strings, without_marks

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

    from popcast.fewshot.params import Task

INSTRUCTION = "Posts of one author with their popularity. Answer for the last one: its popularity, one number only."
QUESTION = "Post {number} has popularity?"
"""In the words of the lines above it: a base model that has met those has only to learn that a question is answered."""

SHRINK = (2, 4, 8, 16)
"""Divisors of the token limits, tried in turn when the question alone is over budget."""


class Params(Section):
    """``llm.prompts``: token limits. A token is one of the language model's own tokenizer."""

    max_tokens: int = Field(512, ge=32, description="whole prompt; the oldest posts are dropped first")
    title_tokens: int = Field(48, ge=1)
    field_tokens: int = Field(12, ge=1, description="any other field: category, concept, tags")
    caption_tokens: int = Field(32, ge=1)
    note_tokens: int = Field(96, ge=1, description="each extra sentence after the new post")
    chat: Literal["auto", "on", "off"] = Field("auto", description="auto: the tokenizer's chat template if it has one")
    instruction: str | None = Field(None, description="null: our own sentence; an empty one leaves it out")


class PromptWriter:
    """Writes prompts for one tokenizer.

    tokenizer: a fast tokenizer; None while it is still to be trained: then limits are counted in groups of four
    characters, nothing is dropped and chat is off. template: key of ``popcast.fewshot.templates.TEMPLATES``.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerFast | None, params: Params, template: str) -> None:
        self.tokenizer, self.params, self.template = tokenizer, params, template
        self._template = None if tokenizer is None else ChatTemplate(tokenizer)
        self.chat = params.chat != "off" and self._template is not None and self._template.exists
        if params.chat == "on" and not self.chat:
            raise BadInput("params.yaml: llm.prompts.chat: 'on', but the tokenizer has no chat template")
        self._special = special_strings(tokenizer)
        self._cut = lru_cache(maxsize=1 << 16)(self._cut_text)

    def prompt(self, history: Sequence[tuple[PostText, float]], question: PostText, extra: tuple[str, ...] = ()) -> str:
        """Prompt that asks for the popularity of ``question``.

        history: posts of the same author with their scores, oldest first. extra: further facts about the new post, one
        line each. Ends with a newline, or with the chat template's opening of the answer; never longer than
        ``max_tokens``: the oldest posts go first, then the question's texts are cut shorter. BadInput if even that is
        not enough.
        """
        for start in range(len(history) + 1):
            text = self._render(history[start:], question, extra, 1)
            if self._fits(text):
                return text
        for shrink in SHRINK:
            text = self._render((), question, extra, shrink)
            if self._fits(text):
                return text
        raise bad_input(
            "the question alone is longer",
            file="params.yaml",
            field="llm.prompts.max_tokens",
            value=self.params.max_tokens,
            expected=f"at least {len(self.encode(text))}",
        )

    def history(self, posts: Sequence[tuple[PostText, float]]) -> str:
        """The lines of scored posts alone, as they stand in a prompt: what a made base model learns from."""
        return "".join(
            f"Post {k}: {self._describe(post)}\nPost {k} has popularity {answer(score)}\n"
            for k, (post, score) in enumerate(posts, 1)
        )

    def encode(self, prompt: str) -> list[int]:
        """Token ids of a prompt, see :func:`popcast.lm.chat_template.encode`."""
        return encode(self.tokenizer, prompt)

    def _fits(self, text: str) -> bool:
        return self.tokenizer is None or len(self.encode(text)) <= self.params.max_tokens

    def _render(
        self, history: Sequence[tuple[PostText, float]], question: PostText, extra: tuple[str, ...], shrink: int
    ) -> str:
        number = len(history) + 1
        instruction = INSTRUCTION if self.params.instruction is None else clean(self.params.instruction)
        notes = (self._cut(clean(note), max(1, self.params.note_tokens // shrink)) for note in extra)
        text = (
            (f"{instruction}\n" if instruction else "")
            + self.history(history)
            + f"Post {number}: {self._describe(question, shrink)}\n"
            + "".join(f"Note: {_value(note)}\n" for note in notes if note)
            + f"{QUESTION.format(number=number)}\n"
        )
        return self._template.user_turn(text, advice="; set llm.prompts.chat: off") if self.chat else text

    def _describe(self, post: PostText, shrink: int = 1) -> str:
        limits = {TITLE: self.params.title_tokens, IMAGE: self.params.caption_tokens}
        parts = []
        for word, text in post.fields:
            short = (
                text
                if BARE.fullmatch(text) and len(text) < 20
                else self._cut(text, max(1, limits.get(word, self.params.field_tokens) // shrink))
            )
            if short:
                parts.append(f"{word} {_value(short)}")
        return ", ".join(parts) or "no text"

    def _cut_text(self, text: str, limit: int) -> str:
        """Text with special-token strings broken, cut to ``limit`` tokens at the start of a character."""
        text = without_marks(text, self._special)
        if self.tokenizer is None:
            return text[: 4 * limit].strip()
        while len(text.encode()) > limit:
            tokens = self.tokenizer(
                text,
                add_special_tokens=False,
                return_offsets_mapping=True,
                truncation=False,
                padding=False,
                verbose=False,
            )
            if len(tokens["input_ids"]) <= limit:
                break
            text = text[: tokens["offset_mapping"][limit][0]].strip()
        return text.strip()


def _value(text: str) -> str:
    return text if BARE.fullmatch(text) else f'"{text}"'


def answer(score: float) -> str:
    """The score as an answer, with two decimals.

    >>> answer(7.519), answer(-0.001)
    ('7.52', '0.00')
    """
    return f"{round(score, 2) + 0.0:.2f}"


def check_boundary(tokenizer: PreTrainedTokenizerFast, prompt: str, answers: Sequence[str] = ("1.00", "16.99")) -> None:
    """Raise BadInput unless the tokens of the prompt are the first tokens of prompt + answer.

    Training splits the two at their common prefix: a tokenizer that joins the end of the prompt with the answer would
    train and ask in different tokens.
    """
    alone = tokenizer(prompt, verbose=False)["input_ids"]
    for text in answers:
        if tokenizer(prompt + text, verbose=False)["input_ids"][: len(alone)] != alone:
            raise BadInput(
                f"the tokenizer joins the end of the prompt with the answer {text!r}: expected a token boundary between"
                " them; set llm.prompts.chat or choose another base model"
            )


def record_prompts(records: pl.DataFrame, posts: pl.DataFrame, writer: PromptWriter, task: Task) -> list[str]:
    """Prompts of records, in their order; scores of the history are the posts' ``popularity``.

    records: table RECORDS (``history``, ``target``). posts: the task's posts table. Raises BadInput when posts lack a
    post of the records, or the score of one that is shown.
    """
    shown = set(records["target"]).union(*records["history"].to_list())
    posts = posts.filter(pl.col("post_id").is_in(sorted(shown)))
    texts = post_texts(posts, writer.template, task.fields, task.caption)
    scores = dict(posts.select("post_id", "popularity").drop_nulls().iter_rows())
    prompts = []
    for history, target in records.select("history", "target").iter_rows():
        missing = [post for post in history if post not in scores] + [post for post in [target] if post not in texts]
        if missing:
            raise bad_input("posts lack this post of the records: run `dvc repro`", file=task.dataset, value=missing[0])
        prompts.append(writer.prompt([(texts[post], scores[post]) for post in history], texts[target]))
    return prompts


def examples(records: pl.DataFrame, posts: pl.DataFrame, writer: PromptWriter, task: Task, limit: int) -> list[str]:
    """The first ``limit`` test records with the most shots, as prompt + true answer: what ``popcast prompts`` shows."""
    chosen = records.filter((pl.col("shots") == max(task.shots)) & (pl.col("role") == "test"))
    chosen = chosen.sort("record_id").head(limit)
    prompts = record_prompts(chosen, posts, writer, task)
    return [prompt + answer(score) for prompt, score in zip(prompts, chosen["score"], strict=True)]

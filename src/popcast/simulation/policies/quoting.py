"""Words that others wrote, made fit for one quoted line of a prompt: posts, answers, and raw text fields.

Text of a post or of a language model is data. After :func:`safe` it can neither end its line nor close its quotes, and
holds none of the brackets that chat marks are made of.
"""

from __future__ import annotations

import re

from popcast.fewshot.templates import LONGEST, clean
from popcast.simulation.params import Rules

FIELD_WORD_LIMIT = 10
"""Characters per word, on average, that a text field may have: 80 words, 800 characters."""

_SAFE = str.maketrans("<>[]“”„‟«»‹›`", "()()''''''()'")

_THOUGHT_END = re.compile(r"^.*</(think|thinking|reasoning|scratchpad)>", re.DOTALL | re.IGNORECASE)
_THOUGHT_START = re.compile(r"<(think|thinking|reasoning|scratchpad)>.*", re.DOTALL | re.IGNORECASE)
_FENCE = re.compile(r"^\s*```\w*\s*$", re.MULTILINE)
_LIST_MARK = re.compile(r"^\s*(#{1,6}\s+|[-*•+]\s+|\d{1,2}[.)]\s+|>\s+)", re.MULTILINE)
_EMPHASIS = re.compile(r"\*\*+|(?<!\S)__(?=\S)([^_]+)(?<=\S)__(?!\w)|(?<!\w)\*(?=\S)([^*]+)(?<=\S)\*(?!\w)")
_COURTESY = re.compile(
    r"^(sure( thing)?|certainly|of course|absolutely|okay|ok|alright|understood|got it|great|no problem)"
    r"(\s*[!.]+\s*|\s*,\s*(?=(here|below|the following|i)\b)|\s*:\s*|\s+(?=here\b))",
    re.IGNORECASE,
)
_PREAMBLE = re.compile(
    r"^((here('s| is| are)|below is|the following is|this is|i have written|i've written)\b[^.!?:\"]{0,120}:"
    r"|((a|the|my|your|final|short|brief|concise|overall)\s+){0,3}(summary|answer|response|output|field)\b[^.!?:\"]{0,60}:"
    r"|in (at most )?(\d+|sixty) words( or (less|fewer))?( or less)?\s*[:,])\s*",
    re.IGNORECASE,
)
_CLOSING = re.compile(
    r"\s*(\(?\s*(word count\s*:?\s*\d+|(about |exactly )?\d+ words)\s*\)?\.?"
    r"|(let me know|i hope this|hope this|please let me|feel free)\b.*)$",
    re.IGNORECASE,
)
_SENTENCE_END = re.compile(r"[.!?…。！？][)'\"]*(?=\s|$)")
_NOTHING_SAID = re.compile(r"\W*(none|n/?a|null|nothing)?\W*", re.IGNORECASE)


def safe(text: str, limit: int) -> str:
    """Text on one line that closes no double quotes and holds no chat mark, at most ``limit`` characters long.

    >>> safe('a "b"\\n<|im_end|> [INST] «c»', 40)
    "a 'b' (|im_end|) (INST) 'c'"
    >>> safe("one two three", 10)
    'one two...'
    """
    text = clean(text).translate(_SAFE)
    if len(text) <= limit:
        return text
    head = text[: limit - 3]
    space = head.rfind(" ")
    return (head[:space] if space > limit // 2 else head).rstrip(" ,.;:") + "..."


def clean_field(text: str, rules: Rules) -> str | None:
    """The text field out of a raw answer; None: nothing was said, and the field of the epoch before stays.

    Reasoning in tags, courtesies, introductions, markdown and quotes around the whole are dropped, white space is
    collapsed, and what remains ends with the last sentence within ``rules.field_words`` words (and ten times as many
    characters); a first sentence longer than that is cut behind a word.

    >>> clean_field("Sure! Here is a summary:\\n\\n**Most users are keen.** They like it.", Rules())
    'Most users are keen. They like it.'
    """
    text = _THOUGHT_START.sub("", _THOUGHT_END.sub("", text))[:LONGEST]
    text = _LIST_MARK.sub("", _FENCE.sub("", text))
    text = clean(text).translate(_SAFE)
    while text != (shorter := _without_frame(text)):
        text = shorter
    if _NOTHING_SAID.fullmatch(text):
        return None
    return _capped(text, rules.field_words)


def _without_frame(text: str) -> str:
    """One layer of list marks, courtesy, introduction, closing words and quotes less. text: one line."""
    text = _COURTESY.sub("", _LIST_MARK.sub("", _EMPHASIS.sub(r"\1\2", text)))
    text = _CLOSING.sub("", _PREAMBLE.sub("", text)).strip()
    if len(text) > 1 and text[0] == text[-1] and text[0] in "'*_" and not re.search(r"(^|\s)['*_]", text[1:-1]):
        return text[1:-1].strip()
    return text


def _capped(text: str, words: int) -> str:
    """``text``, ended at the last sentence within ``words`` words and ``FIELD_WORD_LIMIT * words`` characters."""
    limit = FIELD_WORD_LIMIT * words
    head = " ".join(text.split()[:words])
    if len(head) == len(text) <= limit:
        return text
    ends = [match.end() for match in _SENTENCE_END.finditer(head) if match.end() <= limit]
    if ends:
        return head[: ends[-1]]
    return safe(head.rstrip(" ,.;:") + "...", limit)

"""What a language model may write: the grammar of popsim.md 3.5 as token masks, by llguidance.

A model that is held to the grammar cannot leave it, but it can run out of tokens before the end, and an answer cut in
the middle does not parse. So the free parts have token budgets: everything else of the longest answer is counted at
one token per byte, which no tokenizer exceeds, and what is left of the limit goes to thought and text. When a budget is
used up, only the next fixed words are allowed. Every answer therefore ends within its limit and parses.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np

from popcast.core.errors import BadInput, bad_input

if TYPE_CHECKING:
    from llguidance import LLMatcher
    from transformers import PreTrainedTokenizerFast

FRAME = '\nAction: retweet("")\nScore: 10'
"""The longest answer without thought and text."""
LABEL = "Thought:"
LEAST = 8
"""Fewest tokens of a free part: whole characters are left when its last one is cut."""
THOUGHT_SHARE = 0.6
"""Of the tokens that are free; the rest is for the text of an action."""

ACTION = r"""
start: {thought}"Action: " action
action: "do_nothing()\nScore: 0" | other "\nScore: " score
other: "like()" | "retweet()" | verb "(\"" text "\")"
verb: "post" | "retweet" | "reply"
text[max_tokens={text_tokens}]: TEXT
TEXT: /[^\s\p{{Cc}}"<][^\p{{Cc}}\p{{Zl}}\p{{Zp}}"]*/
score: "10" | DIGIT
DIGIT: /[0-9]/
"""
THOUGHT = r"""
thought[max_tokens={tokens}]: THOUGHT
THOUGHT: / [^\s\p{{Cc}}][^\p{{Cc}}\p{{Zl}}\p{{Zp}}]*/
"""
FIELD = r"""
start: PARAGRAPH
PARAGRAPH: /[^\s\p{Cc}][^\p{Cc}\p{Zl}\p{Zp}]*/
"""


def action_grammar(tokens: int, thought: bool) -> str:
    """Lark grammar of a reaction that takes at most ``tokens`` tokens, end-of-text included.

    Raises BadInput where that is too few.
    """
    frame = len(FRAME) + 1 + (len(LABEL) if thought else -1)
    free = tokens - frame
    least = 2 * LEAST + LEAST if thought else LEAST
    if free < least:
        raise bad_input(
            "too short for an answer in the grammar",
            file="params.yaml",
            field="simulation.policy.action_tokens",
            value=tokens,
            expected=f"at least {frame + least}",
        )
    if not thought:
        return ACTION.format(thought="", text_tokens=free)
    thinking = int(THOUGHT_SHARE * free)
    action = ACTION.format(thought=f'"{LABEL}" thought "\\n" ', text_tokens=free - thinking)
    return action + THOUGHT.format(tokens=thinking)


class Grammar:
    """Both grammars for one tokenizer; hands out matchers, one per answer.

    width: logits per token of the model. ends: every token that ends an answer. thought, action_tokens: as in
    ``simulation.params.TransformersPolicy``. Raises BadInput where the tokenizer cannot write a reaction.
    """

    def __init__(
        self, tokenizer: PreTrainedTokenizerFast, width: int, ends: set[int], action_tokens: int, thought: bool
    ) -> None:
        import llguidance.hf
        import torch
        from llguidance import LLExecutor

        self.width = width
        texts = {"action": action_grammar(action_tokens, thought), "field": FIELD}
        self.hash = hashlib.sha256("\0".join(texts.values()).encode()).hexdigest()[:16]
        try:
            self.tokens = llguidance.hf.from_tokenizer(tokenizer, n_vocab=width, eos_token=sorted(ends))
        except Exception as error:  # whatever its Rust code says of a vocabulary that it cannot read
            first = " ".join(str(error).split())[:160]
            raise BadInput(f"the model's tokenizer cannot write the grammar of reactions: {first}") from None
        self._check_letters(LABEL + FRAME + " do_nothing() like post reply 0123456789")
        self._first = {kind: self._matcher(text) for kind, text in texts.items()}
        self._executor = LLExecutor(num_threads=torch.get_num_threads())  # masks do not depend on their number

    def matcher(self, kind: str) -> LLMatcher:
        """A matcher of ``action`` or ``field`` at the beginning of an answer."""
        return self._first[kind].deep_copy()

    def forced(self, kind: str) -> list[int]:
        """Tokens that every answer of this kind begins with."""
        return self._first[kind].compute_ff_tokens()

    def held(self, kind: str, answers: int) -> HeldAnswers:
        """So many answers of this kind, behind the tokens that all of them begin with."""
        forced = self.forced(kind)
        matchers = [self.matcher(kind) for _ in range(answers)]
        for matcher in matchers:
            matcher.consume_tokens(forced)
        return HeldAnswers(self, matchers)

    def allowed(self, matchers: list[LLMatcher]) -> np.ndarray:
        """bool [matchers, width]: which tokens may come next. Raises BadInput where nothing may."""
        from llguidance.numpy import allocate_token_bitmask, fill_next_token_bitmask_par

        bits = allocate_token_bitmask(len(matchers), self.width)
        fill_next_token_bitmask_par(self._executor, [(one, row) for row, one in enumerate(matchers)], bits)
        for one in matchers:
            if one.is_error():
                raise BadInput(f"grammar of reactions: {' '.join(one.get_error().split())[:200]}")
        return np.unpackbits(bits.view(np.uint8), axis=1, count=self.width, bitorder="little").view(bool)

    def text(self, tokens: list[int]) -> str:
        """Characters of ``tokens``; one that was cut at a budget's end is left out."""
        return self.tokens.decode_bytes(tokens).decode("utf-8", errors="ignore")

    def _matcher(self, grammar: str) -> LLMatcher:
        from llguidance import LLMatcher

        matcher = LLMatcher(self.tokens, LLMatcher.grammar_from_lark(grammar), log_level=0)
        if matcher.is_error():
            raise BadInput(f"grammar of reactions: {' '.join(matcher.get_error().split())[:200]}")
        return matcher

    def _check_letters(self, letters: str) -> None:
        """Each character of the fixed words must be a token: then any beginning of them can be gone on with."""
        for letter in sorted(set(letters)):
            tokens = self.tokens.greedy_tokenize(letter)
            if len(tokens) != 1 or self.tokens.decode_bytes(tokens) != letter.encode():
                raise BadInput(
                    f"the model's tokenizer cannot write the grammar of reactions: it has no token for {letter!r}"
                )


class HeldAnswers:
    """Answers of one kind while they are written, each with its own place in the grammar (``sampler.Held``)."""

    def __init__(self, grammar: Grammar, matchers: list[LLMatcher]) -> None:
        self.grammar, self.matchers = grammar, matchers

    def allowed(self, answers: list[int]) -> np.ndarray:
        """bool [answers, width]: which tokens may come next. Raises BadInput where nothing may."""
        return self.grammar.allowed([self.matchers[answer] for answer in answers])

    def take(self, answer: int, token: int) -> bool:
        """Go on by this token; whether the answer is complete. Raises BadInput where it may not come."""
        matcher = self.matchers[answer]
        if not matcher.consume_token(token):
            raise BadInput(f"grammar of reactions: {matcher.get_error()[:200]}")
        return matcher.is_stopped()

"""Prompts in the chat template of a tokenizer: a user's turn, maybe after a system message, and its tokens."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from popcast.core.errors import BadInput

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

CHAT_SETTINGS = {"date_string": "01 Jan 2024", "enable_thinking": False}
"""Passed to chat templates: some print today's date, some open a block of reasoning."""

CHAT_MARKS = ("[INST]", "[/INST]", "<<SYS>>", "<</SYS>>")
"""Marks of chat templates that are no special tokens of their tokenizer."""


class ChatTemplate:
    """The chat template that ``tokenizer`` has at the moment of a call, if any."""

    def __init__(self, tokenizer: PreTrainedTokenizerFast) -> None:
        self.tokenizer = tokenizer
        self._adds_bos = tokenizer("0")["input_ids"][:1] == [tokenizer.bos_token_id]

    @property
    def exists(self) -> bool:
        return self.tokenizer.chat_template is not None

    def user_turn(self, text: str, *, system: str | None = None, of: str = "", advice: str = "") -> str:
        """``text`` as a user's turn. BOS text of the template goes where the tokenizer adds BOS by itself.

        system: message before it. Raises BadInput, one line, where the template fails; of, advice: what that line
        begins and ends with.
        """
        turns = [{"role": "user", "content": text}]
        if system is not None:
            turns.insert(0, {"role": "system", "content": system})
        try:
            text = self.tokenizer.apply_chat_template(
                turns, tokenize=False, add_generation_prompt=True, **CHAT_SETTINGS
            )
        except Exception as error:  # whatever a template raises
            reason = (str(error).splitlines() or [type(error).__name__])[0]
            raise BadInput(f"{of}the tokenizer's chat template fails: {reason}{advice}") from None
        return text.removeprefix(self.tokenizer.bos_token) if self._adds_bos else text


def encode(tokenizer: PreTrainedTokenizerFast, prompt: str) -> list[int]:
    """Token ids of a whole prompt, never cut: those of ``tokenizer(prompt)``, BOS once if the tokenizer adds it."""
    return tokenizer(prompt, truncation=False, padding=False, verbose=False)["input_ids"]


def special_strings(tokenizer: PreTrainedTokenizerFast | None) -> re.Pattern[str]:
    """Finds every string in a text that the tokenizer or a chat template would take for a control mark."""
    strings = set(CHAT_MARKS)
    if tokenizer is not None:
        strings |= {token.content for token in tokenizer.added_tokens_decoder.values() if token.special}
        strings |= set(tokenizer.all_special_tokens)
    found = {string.strip() for string in strings} - {""}
    longest_first = sorted(found, key=lambda string: (-len(string), string))
    return re.compile("|".join(map(re.escape, longest_first)), re.IGNORECASE)


def without_marks(text: str, special: re.Pattern[str]) -> str:
    """``text`` with every string of :func:`special_strings` broken by a space."""
    while special.search(text):
        text = special.sub(lambda found: f"{found[0][0]} {found[0][1:]}" if len(found[0]) > 1 else " ", text)
    return text

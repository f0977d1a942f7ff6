"""Tokens of Chinese and mixed texts for BM25: pairs of characters, or words by jieba."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Literal

from popcast.core.errors import BadInput

_RUNS = re.compile(r"[㐀-䶿一-鿿豈-﫿぀-ヿ가-힯𠀀-𯨟]+|[^\W_㐀-䶿一-鿿豈-﫿぀-ヿ가-힯𠀀-𯨟]+")
"""Runs of CJK characters, or of other letters and digits."""

_CJK = re.compile(r"[㐀-䶿一-鿿豈-﫿぀-ヿ가-힯𠀀-𯨟]")

Tokenizer = Callable[[str], list[str]]


def bigrams(text: str) -> list[str]:
    """Pairs of neighbouring CJK characters (a single one alone), and words of other letters and digits in small.

    >>> bigrams("地铁新线 GPT4!好")
    ['地铁', '铁新', '新线', 'gpt4', '好']
    """
    tokens = []
    for run in _RUNS.findall(text):
        if not _CJK.match(run):
            tokens.append(run.lower())
        elif len(run) == 1:
            tokens.append(run)
        else:
            tokens += [run[place : place + 2] for place in range(len(run) - 1)]
    return tokens


def tokenizer(kind: Literal["bigrams", "jieba"]) -> Tokenizer:
    """The function from a text to its tokens, each occurrence one. Raises BadInput where jieba is not installed."""
    if kind == "bigrams":
        return bigrams
    try:
        import jieba
    except ImportError:
        raise BadInput(
            "response.retrieval.tokens: jieba is not installed: needs the extra `response`: "
            "pip install 'popcast[response]', or tokens: bigrams"
        ) from None
    jieba.setLogLevel("ERROR")
    return lambda text: [token for token in jieba.lcut(text) if not token.isspace()]

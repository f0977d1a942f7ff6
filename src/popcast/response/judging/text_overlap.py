"""How much a generated text shares with the real one and with the news: BLEU, ROUGE, chrF, copy rate (socialalign.md
10).

Texts are normalised first: hashtags, addresses and mentions go, white space is collapsed, wide characters become narrow
and letters small. A token is one CJK character, one run of Latin letters or digits, or one emoticon: ``[泪]`` is said
as a whole. Other signs are no tokens. Raw scores (``raw_*``) are of the same tokens with nothing removed: echoing the
hashtag inflates them.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import numpy as np

OVERLAP = ("bleu_1", "bleu_2", "bleu_3", "bleu_4", "rouge_1", "rouge_2", "rouge_l", "chrf")
MEASURES = (*OVERLAP, *(f"raw_{name}" for name in OVERLAP), "length_ratio", "copy_rate", "empty")
"""All of one case. Those of OVERLAP lie in [0, 1]."""

ORDER = 4
"""Longest n-gram of BLEU."""

_REMOVED = re.compile(r"#[^#\n]{1,100}#|https?://[!-~]+|www\.[!-~]+|@[\w\-·]+:?")
_SPACE = re.compile(r"\s+")
_TOKEN = re.compile(
    r"\[[^\[\]\s]{1,16}\]|[㐀-䶿一-鿿豈-﫿\U00020000-\U0003ffff]|[^\W㐀-䶿一-鿿豈-﫿\U00020000-\U0003ffff]+"
)


def normalised(text: str) -> str:
    """``text`` as it is scored.

    >>> normalised("#加油# 回复@某人: ＧＯ  http://t.cn/abc 好[哈哈]")
    '回复 go 好[哈哈]'
    """
    return _SPACE.sub(" ", _REMOVED.sub(" ", unicodedata.normalize("NFKC", text)).lower()).strip()


def tokens(text: str) -> list[str]:
    """Tokens of a normalised text.

    >>> tokens("ok，2 个人[泪]")
    ['ok', '2', '个', '人', '[泪]']
    """
    return _TOKEN.findall(text)


def ngrams(words: Sequence[str], n: int) -> Counter[tuple[str, ...]]:
    """How often each run of n tokens occurs."""
    return Counter(zip(*(words[start:] for start in range(n)), strict=False))


@dataclass(frozen=True)
class Prepared:
    """A text in the form that the measures read."""

    text: str

    @cached_property
    def tokens(self) -> list[str]:
        return tokens(self.text)

    @cached_property
    def places(self) -> dict[str, int]:
        """Token -> the places where it stands, as bits."""
        places: dict[str, int] = {}
        for place, token in enumerate(self.tokens):
            places[token] = places.get(token, 0) | 1 << place
        return places


def prepared(text: str, raw: bool) -> Prepared:
    """``text`` normalised; raw: with nothing removed."""
    return Prepared(_SPACE.sub(" ", unicodedata.normalize("NFKC", text).lower()).strip() if raw else normalised(text))


@lru_cache(maxsize=4096)
def _news(text: str) -> str:
    """Kept, since many write about the same news."""
    return normalised(text)


def matches(real: Sequence[str], made: Sequence[str]) -> list[int]:
    """N-grams that two runs of tokens share, n from 1 to ``ORDER``, each as often as both have it.

    >>> matches("abcab", "abab")
    [4, 2, 0, 0]
    """
    found: list[int] = []
    for n in range(1, ORDER + 1):
        own, other = ngrams(real, n), ngrams(made, n)
        found.append(sum(min(count, own[gram]) for gram, count in other.items() if gram in own))
        if not found[-1]:  # then no longer ones either
            break
    return found + [0] * (ORDER - len(found))


def bleu(matched: Sequence[int], real: int, made: int) -> list[float]:
    """BLEU-1 to BLEU-4 of one text, in [0, 1]: add-1 smoothing for n > 1, brevity penalty; 0 without a common token.

    matched: of :func:`matches`; real, made: tokens of both. By sacrebleu (``add-k``) from these counts. As there, an
    order that is longer than the text counts as matched: a reply of one token is judged by that token.
    """
    from sacrebleu.metrics import BLEU

    if not matched[0]:
        return [0.0] * ORDER
    total = [max(0, made - n) for n in range(ORDER)]
    return [
        BLEU.compute_bleu(list(matched[:n]), total[:n], made, real, "add-k", 1, max_ngram_order=n).score / 100
        for n in range(1, ORDER + 1)
    ]


def longest_common(real: Prepared, made: Prepared) -> int:
    """Length of the longest common subsequence of tokens, by bits (Hyyrö, 2004): rouge-score's table, but fast."""
    full = (1 << len(real.tokens)) - 1
    open_ = full
    for token in made.tokens:
        hit = open_ & real.places.get(token, 0)
        open_ = ((open_ + hit) | (open_ - hit)) & full
    return len(real.tokens) - open_.bit_count()


def rouge(matched: Sequence[int], real: Prepared, made: Prepared) -> list[float]:
    """F1 of ROUGE-1, ROUGE-2 and ROUGE-L as rouge-score has them on our tokens. matched: of :func:`matches`."""
    from rouge_score.scoring import fmeasure

    sizes, own = len(made.tokens), len(real.tokens)
    shared = ((matched[0], 0), (matched[1], 1), (longest_common(real, made) if matched[0] else 0, 0))
    return [fmeasure(count / max(1, sizes - less), count / max(1, own - less)) for count, less in shared]


@lru_cache(maxsize=1)
def _chrf() -> Any:
    from sacrebleu.metrics import CHRF

    return CHRF(char_order=6, beta=2)


def chrf(real: Prepared, made: Prepared) -> float:
    """chrF (n up to 6, beta 2, sacrebleu) of the normalised characters, in [0, 1]."""
    return _chrf().sentence_score(made.text, [real.text]).score / 100 if made.text and real.text else 0.0


def copied(news: str, text: str) -> int:
    """Characters of the longest piece of ``text`` that stands in ``news``.

    >>> copied("大桥今天通车", "听说今天通车了")
    4
    """
    longest = 0
    for start in range(len(text)):
        while start + longest < len(text) and text[start : start + longest + 1] in news:
            longest += 1
    return longest


def overlap(real: Sequence[str], made: Sequence[str], news: Sequence[str]) -> dict[str, np.ndarray]:
    """Each of ``MEASURES`` for n pairs, float64 [n].

    NaN where it is undefined: overlap and length ratio without a token in the real text, copy rate of an empty text. A
    generated text without a token is ``empty`` (1) and shares nothing.
    """
    rows = [_row(*case) for case in zip(real, made, news, strict=True)]
    columns = np.array(rows, np.float64).reshape(len(rows), len(MEASURES)).T
    return dict(zip(MEASURES, columns, strict=True))


def _row(real: str, made: str, news: str) -> list[float]:
    one, other = prepared(real, False), prepared(made, False)
    ratio = len(other.tokens) / len(one.tokens) if one.tokens else np.nan
    rate = copied(_news(news), other.text) / len(other.text) if other.tokens else np.nan
    shares, raws = _overlaps(one, other), (prepared(real, True), prepared(made, True))
    raw = shares if raws == (one, other) else _overlaps(*raws)  # nothing was removed
    return [*shares, *raw, ratio, rate, float(not other.tokens)]


def _overlaps(real: Prepared, made: Prepared) -> list[float]:
    if not real.tokens or not made.tokens:
        return [0.0 if real.tokens else np.nan] * len(OVERLAP)
    matched = matches(real.tokens, made.tokens)
    sizes = len(real.tokens), len(made.tokens)
    return [*bleu(matched, *sizes), *rouge(matched, real, made), chrf(real, made)]


def distinct(texts: Iterable[str], n: int) -> float | None:
    """Distinct-n: different n-grams among all n-grams of the texts; None: there are none. Falls as texts are added.

    >>> distinct(["好好", "好"], 1)
    0.3333333333333333
    """
    counts: Counter[tuple[str, ...]] = Counter()
    for text in texts:
        counts.update(ngrams(prepared(text, False).tokens, n))
    return len(counts) / counts.total() if counts else None

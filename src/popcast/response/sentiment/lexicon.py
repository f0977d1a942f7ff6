"""Sentiment from words: a small Chinese and English lexicon (``lexicon.json``) with negation and degree.

At each place of a clause the longest entry is read, so ``no_side`` holds words without a side that hide others (美国
hides 美). A negation before a word in its clause turns it round, weakened; words of degree multiply it.
"""

from __future__ import annotations

import re
from pathlib import Path

import orjson

FILE = Path(__file__).with_name("lexicon.json")
_READ = orjson.loads(FILE.read_bytes())
VERSION: str = _READ["version"]

REACH = 4
"""Characters, or words after a Latin one, that a negation or a word of degree may stand before what it changes."""
TURNED = -0.7
"""Factor of a negated word: not good is less bad than bad."""
LEAST = 0.5
"""Scores nearer to 0 are neutral."""

_GROUPS = {
    "negative_strong": -2.0, "negative": -1.0, "negative_weak": -0.5, "positive_strong": 2.0, "positive": 1.0,
    "no_side": 0.0,
}  # fmt: skip
WEIGHTS: dict[str, float] = {word: weight for group, weight in _GROUPS.items() for word in _READ[group]}
NEGATIONS = frozenset(_READ["negations"])
DEGREES: dict[str, float] = _READ["degrees"]

_LATIN = re.compile(r"[a-z0-9']+")
_CLAUSE = re.compile(r"[，。！？；、,.!?;~～…\n]+|\s{2,}")


def _pattern() -> re.Pattern[str]:
    """Any entry, the longest first; Latin ones only as whole words, so that ``sb`` is not found in ``usb``."""
    entries = sorted({*WEIGHTS, *NEGATIONS, *DEGREES}, key=lambda word: (-len(word), word))
    whole = [rf"(?<![a-z0-9']){re.escape(word)}(?![a-z0-9'])" for word in entries if _LATIN.fullmatch(word)]
    within = [re.escape(word) for word in entries if not _LATIN.fullmatch(word)]
    return re.compile("|".join(whole + within))


_ENTRY = _pattern()


def score(text: str) -> float:
    """Sum of the weights of a text's words after negation and degree; 0 where it has none.

    >>> score("太好了") > 0, score("一点都不好看") < 0, score("not good") < 0, score("美国")
    (True, True, True, 0.0)
    """
    return sum(_clause_score(clause) for clause in _CLAUSE.split(text.lower()) if clause)


def polarity_of(text: str) -> int:
    """-1, 0 or 1; 0 for a text without words of a side."""
    value = score(text)
    return 0 if abs(value) < LEAST else (1 if value > 0 else -1)


def _clause_score(clause: str) -> float:
    """Score of a clause: entries from left to right, each with what was read within ``REACH`` before it."""
    total, factor, end, latin = 0.0, 1.0, -99, False
    for match in _ENTRY.finditer(clause):
        word = match[0]
        gap = clause[end : match.start()] if end >= 0 else ""
        far = len(gap.split()) if latin else len(gap)
        if far > REACH:
            factor = 1.0
        weight = WEIGHTS.get(word)
        if weight:
            total += weight * factor
            factor = 1.0
        elif word in NEGATIONS:
            factor *= TURNED
        elif word in DEGREES:
            factor *= DEGREES[word]
        end, latin = match.end(), bool(_LATIN.fullmatch(word))
    return total

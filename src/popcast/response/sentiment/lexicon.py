"""Sentiment from words: a small Chinese and English lexicon (``lexicon.json``) with negation and degree.

At each place of a clause the longest entry is read, so ``no_side`` holds words without a side that hide others (美国
hides 美). A negation before a word in its clause turns it round, weakened; words of degree multiply it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
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


_LENGTHS: dict[str, list[int]] = {}
"""First character of an entry -> lengths of the entries that begin with it, the longest first."""
for _word in {*WEIGHTS, *NEGATIONS, *DEGREES}:
    _LENGTHS.setdefault(_word[0], []).append(len(_word))
for _sizes in _LENGTHS.values():
    _sizes[:] = sorted(set(_sizes), reverse=True)


def entries(clause: str) -> Iterator[tuple[int, str]]:
    """(place, entry) from left to right, the longest at each place, in a text in small letters.

    Latin entries are whole words, so that ``sb`` is not found in ``usb``.

    >>> list(entries("usb不太喜欢"))
    [(3, '不太'), (5, '喜欢')]
    """
    place = 0
    while place < len(clause):
        run = _LATIN.match(clause, place)
        found = next((size for size in _LENGTHS.get(clause[place], ()) if _is_entry(clause, place, size, run)), 0)
        if found:
            yield place, clause[place : place + found]
        place += found or (run.end() - place if run else 1)


def _is_entry(clause: str, place: int, size: int, run: re.Match[str] | None) -> bool:
    word = clause[place : place + size]
    if word not in WEIGHTS and word not in NEGATIONS and word not in DEGREES:
        return False
    return run is None or not _LATIN.fullmatch(word) or len(run[0]) == size


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
    for start, word in entries(clause):
        gap = clause[end:start] if end >= 0 else ""
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
        end, latin = start + len(word), bool(_LATIN.fullmatch(word))
    return total

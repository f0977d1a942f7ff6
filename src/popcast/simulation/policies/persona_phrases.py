"""Words of the persona policy: templates of ``persona_phrases.json`` filled with a word of the post and an interest.

What is chosen is a function of the bits handed in. Nothing here decides how much a post interests anybody.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from string import punctuation
from typing import Any

import orjson

from popcast.simulation.records import ACTIONS, Reaction

FILE = Path(__file__).with_name("persona_phrases.json")
PHRASES: dict[str, Any] = orjson.loads(FILE.read_bytes())
PHRASES_HASH = hashlib.sha256(FILE.read_bytes()).hexdigest()[:16]

MASK = (1 << 64) - 1
WORD_LIMIT = 24
"""Longest word of a post that is taken up, in characters."""
SHORTEST = 4
"""Latin words with fewer letters say little, and so do those below."""
EMPTY_WORDS = frozenset(PHRASES["empty_words"])
_QUOTED = re.compile(r'"([^"]*)"')
_ENDS = punctuation + "…“”„‘’«»‹›¡¿–—。、，！？·|"

STANCES = ((0.15, "cold"), (0.4, "cool"), (0.6, "mixed"), (0.85, "warm"))
"""Stances by the share of interested answers that they end at; above: hot."""
CHANGED = 0.15
"""Change of the share of interested answers, from one epoch to the next, that is put in words."""


def bits(seed: int, number: int) -> int:
    """64 well-mixed bits, number ``number`` of the stream that ``seed`` starts (splitmix64, Steele et al. 2014)."""
    z = (seed + number * 0x9E3779B97F4A7C15) & MASK
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
    return z ^ (z >> 31)


@lru_cache(maxsize=4096)
def topics(line: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What a reaction may take up of a trigger line: its words, each once, and pairs of neighbouring ones.

    >>> topics('Post: "The red fox: autumn leaves, again leaves" Category: "Animal"')
    (('autumn', 'leaves', 'Animal'), ('autumn leaves',))
    """
    words: dict[str, str] = {}
    pairs: dict[str, str] = {}
    for quoted in _QUOTED.findall(line):
        before = None
        for piece in quoted.split():
            word = piece.strip(_ENDS)
            if len(word) > WORD_LIMIT or not _says_something(word.casefold()):
                before = None
                continue
            words.setdefault(word.casefold(), word)
            if before is not None and before != word:
                pairs.setdefault(f"{before} {word}".casefold(), f"{before} {word}")
            before = word if piece.endswith(word) else None  # a comma or a full stop parts them
    return tuple(words.values()), tuple(pairs.values())


def _says_something(word: str) -> bool:
    if not any(character.isalpha() for character in word) or "://" in word:
        return False
    return not word.isascii() or (len(word) >= SHORTEST and word not in EMPTY_WORDS)


def topic(line: str, chance: int) -> str:
    """A word of the post, or two that stand side by side in it."""
    words, pairs = topics(line)
    if pairs and chance & (1 << 20):
        return pairs[chance % len(pairs)]
    return words[chance % len(words)] if words else PHRASES["plain_topic"]


def mood(score: float, interested: int) -> str:
    """cool: below interest; warm: in the upper half of what lies above."""
    if score < interested:
        return "cool"
    return "mild" if score < (interested + 10) / 2 else "warm"


def filled(templates: Sequence[str], line: str, interest: str, chance: int) -> str:
    """One of ``templates``, with a topic of the post and ``interest`` in their places."""
    template = templates[(chance >> 40) % len(templates)]
    text = template.format(topic=topic(line, chance), interest=interest)
    return text[0].upper() + text[1:]


def field_text(line: str, reactions: Sequence[Reaction], before: float | None, interested: int, seed: int) -> str:
    """Words of the text field: stance, main opinions, preferred actions; no numbers, no names.

    reactions: those of an epoch that parsed, at least one. before: share of interested answers of the epoch before.
    """
    words, chance = PHRASES["field"], bits(seed, 1)
    share = sum(reaction.score >= interested for reaction in reactions) / len(reactions)
    stance = next((name for end, name in STANCES if share < end), "hot")
    change = "same"
    if before is not None and abs(share - before) > CHANGED:
        change = "up" if share > before else "down"
    said = [reaction for reaction in reactions if reaction.text]
    opinion = mood(sum(reaction.score for reaction in said) / len(said), interested) if said else "none"
    sentences = [
        _one_of(words["stance"][stance], chance),
        words["change"][change],
        _one_of(words["opinions"][opinion], chance >> 16).format(topics=_mentioned(line, said)),
        _preferred(reactions),
    ]
    return " ".join(sentence for sentence in sentences if sentence)


def _one_of(choices: Sequence[str], chance: int) -> str:
    return choices[chance % len(choices)]


def _mentioned(line: str, said: Sequence[Reaction]) -> str:
    """The one or two words of the post that came up most, quoted; those that stand first in it win ties."""
    spoken = " ".join(reaction.text for reaction in said).casefold()
    counts = [(-spoken.count(word.casefold()), i, word) for i, word in enumerate(topics(line)[0])]
    found = [f"'{word}'" for count, _, word in sorted(counts)[:2] if count]
    return " and ".join(found) or PHRASES["field"]["plain_topics"]


def _preferred(reactions: Sequence[Reaction]) -> str:
    """The one or two most frequent actions in words; doing nothing is none."""
    words, done = PHRASES["field"], [reaction.action for reaction in reactions]
    counts = sorted((-done.count(action), i, action) for i, action in enumerate(ACTIONS[1:]) if action in done)
    ways = [words["ways"][action] for _, _, action in counts[:2]]
    if not ways:
        return words["nobody"]
    if len(ways) == 1:
        return words["preferred"].format(first=ways[0])
    return words["also"].format(first=ways[0], second=ways[1])

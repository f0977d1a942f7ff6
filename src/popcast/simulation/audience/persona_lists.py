"""Word lists that generated personas are drawn from, and the sentence that introduces a persona.

The file (``persona_lists.json``) is JSON with these keys, all needed and no others:

- ``about``: a note, ignored;
- ``first_names``: ``female`` and ``male``, no name in both; ``last_names``. No digits in names;
- ``occupations``: groups of ``names`` with the ``ages`` (youngest, oldest) that they are given to;
- ``traits`` (5 or more) and ``interests`` (5 or more);
- ``patterns``: role sentences, each with every placeholder of :data:`PLACEHOLDERS` once.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from popcast.core.errors import bad_input
from popcast.datasets import raw_files

GENDERS = ("female", "male")
AGES = (18, 82)
"""Youngest and oldest generated persona, as in the published population (popsim.md 2.3)."""

MOST_TRAITS = 5
MOST_BYTES = 64 << 20
WORD, NAME, PATTERN = 200, 29, 1_000
"""Longest word, half of a name, and role sentence in characters."""

CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
"""Control characters, as Unicode's category Cc."""
PLACEHOLDERS = ("name", "age_article", "age", "gender", "occupation", "traits", "interests")
PLAIN_PATTERN = "{name} is {age_article} {age}-year-old {gender} {occupation}, {traits}, who likes {interests}."
"""Sentence for personas of a table that has no role sentences."""

_KEYS = ("about", "first_names", "last_names", "occupations", "traits", "interests", "patterns")


@dataclass(frozen=True)
class Words:
    """Checked word lists. occupations: name -> (youngest, oldest) age."""

    first_names: dict[str, tuple[str, ...]]
    last_names: tuple[str, ...]
    occupations: dict[str, tuple[int, int]]
    traits: tuple[str, ...]
    interests: tuple[str, ...]
    patterns: tuple[str, ...]


def read_words(file: Path) -> Words:
    """Read and check word lists. Raises BadInput naming the key."""
    values = raw_files.json_value(file, MOST_BYTES)
    _only(values, _KEYS, "", file)
    _only(values["first_names"], GENDERS, "first_names", file)
    first = {
        gender: _list(values["first_names"][gender], f"first_names.{gender}", file, most=NAME) for gender in GENDERS
    }
    for name in first["female"]:
        if name in first["male"]:
            raise bad_input("name also in first_names.male", file=file, field="first_names.female", value=name)
    last = _list(values["last_names"], "last_names", file, most=NAME)
    for field, names in (("first_names", first["female"] + first["male"]), ("last_names", last)):
        for name in names:
            if any(character.isdigit() for character in name):
                raise bad_input("digit in a name", file=file, field=field, value=name, expected="letters")
    return Words(
        first_names=first,
        last_names=last,
        occupations=_occupations(values["occupations"], file),
        traits=_list(values["traits"], "traits", file, least=MOST_TRAITS),
        interests=_list(values["interests"], "interests", file, least=MOST_TRAITS),
        patterns=_patterns(values["patterns"], file),
    )


def sentence(
    pattern: str, name: str, age: int, gender: str, occupation: str, traits: Sequence[str], interests: Sequence[str]
) -> str:
    """The role sentence of a persona.

    >>> sentence(PLAIN_PATTERN, "Ann Lee", 18, "female", "baker", ["calm", "kind"], ["chess"])
    'Ann Lee is an 18-year-old female baker, calm and kind, who likes chess.'
    """
    return pattern.format(
        name=name,
        age_article="an" if age in (8, 11, 18) or 80 <= age <= 89 else "a",
        age=age,
        gender=gender,
        occupation=occupation,
        traits=_listed(traits),
        interests=_listed(interests),
    )


def _listed(words: Sequence[str]) -> str:
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def _only(values: object, keys: Sequence[str], where: str, file: Path) -> None:
    """Refuse anything but an object with exactly ``keys``."""
    if not isinstance(values, dict):
        raise bad_input("not an object", file=file, field=where or None, expected="keys " + ", ".join(keys))
    inside = f"{where}." if where else ""
    for key in keys:
        if key not in values:
            raise bad_input("missing", file=file, field=inside + key)
    for key in values:
        if key not in keys:
            raise bad_input("unknown key", file=file, field=inside + key, expected=", ".join(keys))


def _list(values: object, field: str, file: Path, least: int = 1, most: int = WORD) -> tuple[str, ...]:
    """A list of different words of at most ``most`` characters. No ``;``: it separates words in tables."""
    if not isinstance(values, list) or len(values) < least:
        raise bad_input("not a list of words", file=file, field=field, expected=f"{least} or more")
    for row, word in enumerate(values, 1):
        if not isinstance(word, str) or not word or len(word) > most or not _is_plain(word):
            expected = f"1 to {most} characters without ; and line breaks, no spaces at its ends"
            raise bad_input("not a word", file=file, row=row, field=field, value=word, expected=expected)
    seen: set[str] = set()
    for row, word in enumerate(values, 1):
        if word in seen:
            raise bad_input("word stands twice", file=file, row=row, field=field, value=word)
        seen.add(word)
    return tuple(values)


def _is_plain(word: str) -> bool:
    """Whether a table of personas gives the word back as it is."""
    same = word == " ".join(unicodedata.normalize("NFC", word).split())
    return same and ";" not in word and not CONTROL.search(word)


def _occupations(groups: object, file: Path) -> dict[str, tuple[int, int]]:
    if not isinstance(groups, list):
        raise bad_input("not a list", file=file, field="occupations", expected="objects with ages and names")
    ages: dict[str, tuple[int, int]] = {}
    for row, group in enumerate(groups, 1):
        where = f"occupations.{row}"
        _only(group, ("ages", "names"), where, file)
        span = group["ages"]
        whole = isinstance(span, list) and len(span) == 2 and all(type(age) is int for age in span)
        if not whole or not 0 < span[0] <= span[1]:
            raise bad_input("not two ages", file=file, field=f"{where}.ages", value=span, expected="[youngest, oldest]")
        for name in _list(group["names"], f"{where}.names", file):
            if name in ages:
                raise bad_input("word stands twice", file=file, field=f"{where}.names", value=name)
            ages[name] = (span[0], span[1])
    for age in range(AGES[0], AGES[1] + 1):
        if not any(young <= age <= old for young, old in ages.values()):
            raise bad_input(f"no occupation at the age of {age}", file=file, field="occupations")
    return ages


def _patterns(values: object, file: Path) -> tuple[str, ...]:
    patterns = _list(values, "patterns", file, most=PATTERN)
    for row, pattern in enumerate(patterns, 1):
        found = re.findall(r"\{(\w+)\}", pattern)
        if sorted(found) != sorted(PLACEHOLDERS) or len(re.findall(r"[{}]", pattern)) != 2 * len(found):
            expected = "each once: " + " ".join(f"{{{name}}}" for name in PLACEHOLDERS)
            raise bad_input(
                "wrong placeholders", file=file, row=row, field="patterns", value=pattern, expected=expected
            )
    return patterns

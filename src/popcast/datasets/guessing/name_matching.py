"""What the name of a column says: its role by ``column_names.json``, or by the words in it.

Names are compared without case, accents, blanks and signs: ``likeCount``, ``like_count`` and ``Like Count`` are one.
Of a dotted name the end counts too (``snippet.title``), and what it hangs on: ``user.id`` names the author,
``quoted_tweet.text`` another post.
"""

from __future__ import annotations

import functools
import re
import unicodedata
from dataclasses import dataclass
from importlib import resources

import orjson

SURE, LIKELY, ALIKE = 3, 2, 1
"""How strongly a name speaks: it is listed, it is listed and gives way, or only a word in it is known."""


@dataclass(frozen=True)
class NameMatch:
    """``rank``: place in the list of its role, the earlier the better."""

    role: str
    strength: int
    rank: int
    reason: str


def plain(name: str) -> str:
    """``name`` in small letters, one blank between its words, without accents and signs.

    >>> plain("publicMetrics.like_count"), plain("„Gefällt mir“-Angaben"), plain("点赞数")
    ('public metrics like count', 'gefallt mir angaben', '点赞数')
    """
    text = unicodedata.normalize("NFKC", name)
    text = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", text).casefold()
    text = "".join(_bare(letter) for letter in text)
    return " ".join(re.sub(r"[\W_]+", " ", text).split())


def _bare(letter: str) -> str:
    """A Latin letter without its accent; others stay, for marks of kana are no accents."""
    first = unicodedata.normalize("NFD", letter)[0]
    return first if "a" <= first <= "z" else letter


def squashed(name: str) -> str:
    return plain(name).replace(" ", "")


@dataclass(frozen=True)
class Dictionary:
    version: int
    roles: dict[str, NameMatch]
    outcome_words: frozenset[str]
    outcome_parts: tuple[str, ...]
    left_out_words: frozenset[str]
    author_prefixes: frozenset[str]
    other_post_prefixes: frozenset[str]


@functools.cache
def dictionary() -> Dictionary:
    """``column_names.json`` with its names squashed. A name that two roles list belongs to the first of them."""
    content = orjson.loads(resources.files(__package__).joinpath("column_names.json").read_bytes())
    roles: dict[str, NameMatch] = {}
    for strength, kind in ((SURE, "sure"), (LIKELY, "likely")):
        for role, lists in content["roles"].items():
            names = [name for language in lists[kind].values() for name in language]
            for rank, name in enumerate(names):
                roles.setdefault(squashed(name), NameMatch(role, strength, rank, "name"))
    sets = {key: frozenset(map(squashed, content[key])) for key in ("left_out_words", "other_post_prefixes")}
    return Dictionary(
        version=content["version"],
        roles=roles,
        outcome_words=frozenset(content["outcome_words"]),
        outcome_parts=tuple(content["outcome_parts"]),
        author_prefixes=frozenset(map(squashed, content["author_prefixes"])),
        **sets,
    )


def match(column: str) -> NameMatch | None:
    """What the name of a column says, or None.

    >>> match("Likes at Posting").role, match("statistics.viewCount").role, match("user.id").role, match("x1")
    ('author_number', 'outcome', 'author', None)
    """
    known = dictionary()
    parts = [part for part in re.split(r"\.", column) if plain(part)]
    if len(parts) > 1 and any(squashed(part) in known.other_post_prefixes for part in parts[:-1]):
        return NameMatch("left out", SURE, 0, "belongs to another post")
    for whole in (column, re.sub(r"\s*[(（\[].*", "", column)):
        if (found := known.roles.get(squashed(whole))) is not None:
            return found
    return _of_the_author(column, parts, known) or _by_its_end(parts, known) or _by_a_word(column, known)


def _of_the_author(column: str, parts: list[str], known: Dictionary) -> NameMatch | None:
    """``account.id``, ``author_followercount``: a name below one of the author's."""
    words = plain(column).split()
    if len(parts) > 1 and any(squashed(part) in known.author_prefixes for part in parts[:-1]):
        rest = squashed(parts[-1])
    elif len(words) > 1 and words[0] in known.author_prefixes:
        rest = "".join(words[1:])
    else:
        return None
    found = known.roles.get(rest)
    role = None if found is None else found.role
    if role in ("id", "author"):
        return NameMatch("author", found.strength, found.rank + 1000, "name")
    if role == "author_number":
        return NameMatch(role, found.strength, found.rank, "name")
    return NameMatch("left out", LIKELY, 0, "says something about the author")


def _by_its_end(parts: list[str], known: Dictionary) -> NameMatch | None:
    for start in range(1, len(parts)):
        if (found := known.roles.get(squashed(".".join(parts[start:])))) is not None:
            return NameMatch(found.role, min(found.strength, SURE), found.rank + 1000, "end of the name")
    return None


def _by_a_word(column: str, known: Dictionary) -> NameMatch | None:
    words = set(plain(column).split())
    stems = words | {re.sub(r"(counts?|cnt|num|total)$", "", word) for word in words}
    if found := sorted(stems & known.outcome_words):
        return NameMatch("outcome", ALIKE, 0, f"the word {found[0]} in its name")
    if found := [part for part in known.outcome_parts if part in plain(column)]:
        return NameMatch("outcome", ALIKE, 0, f"{found[0]} in its name")
    if found := sorted(words & known.left_out_words):
        return NameMatch("left out", ALIKE, 0, f"the word {found[0]} in its name")
    return None

"""Emoticons of Weibo, ``[泪]`` or ``[鼓掌]``, and their sentiment (``emoticons.json``, with reasons for unclear ones).

Names in traditional characters and with the prefix of a sticker pack (``lxhx泪目``) are read as the plain ones.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

import orjson

from popcast.response.response_tables import SENTIMENTS

FILE = Path(__file__).with_name("emoticons.json")
_READ = orjson.loads(FILE.read_bytes())
VERSION: str = _READ["version"]
POLARITY: dict[str, int] = {
    name: place - 1 for place, label in enumerate(SENTIMENTS) for name in _READ["classes"][label]
}
"""Name -> -1, 0 or 1."""

_MARK = re.compile(r"\[([^\[\]\n]{1,16})\]")
_PACK = re.compile(r"^[a-z]+(?=[^a-z\s])")
_PLAIN = str.maketrans(_READ["traditional"])


@lru_cache(maxsize=65536)
def polarity(name: str) -> int | None:
    """-1, 0 or 1 of an emoticon's name; None: not classed.

    >>> polarity("淚"), polarity("lxhx泪目"), polarity("围观"), polarity("注1")
    (-1, -1, 0, None)
    """
    name = name.strip().lower().translate(_PLAIN)
    return POLARITY.get(name, POLARITY.get(_PACK.sub("", name)))


def names(text: str) -> list[str]:
    """Names of all that looks like an emoticon.

    >>> names("走好[蜡烛][泪]")
    ['蜡烛', '泪']
    """
    return _MARK.findall(text)


def without(text: str) -> str:
    """``text`` without what looks like an emoticon, a space in place of each."""
    return _MARK.sub(" ", text)


def polarity_of(text: str) -> int | None:
    """Sign of the sum of polarity over the classed emoticons of ``text``; None: there are none. A tie is 0.

    >>> polarity_of("[怒][怒][哈哈]"), polarity_of("[怒][哈哈]"), polarity_of("唉")
    (-1, 0, None)
    """
    found = [value for name in names(text) if (value := polarity(name)) is not None]
    return None if not found else (sum(found) > 0) - (sum(found) < 0)


def coverage(texts: Iterable[str]) -> tuple[float, Counter[str]]:
    """Share of emoticon occurrences that are classed, and how often each unclassed name occurs.

    >>> coverage(["[怒]", "[注1]"])
    (0.5, Counter({'注1': 1}))
    """
    counts = Counter(name for text in texts for name in names(text))
    unclassed = Counter({name: n for name, n in counts.items() if polarity(name) is None})
    total = counts.total()
    return (1 - unclassed.total() / total if total else 0.0), unclassed

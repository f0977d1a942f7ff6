"""BM25 over the earlier posts of each case, all cases at once (socialalign.md 4).

Every case has a corpus of its own, the few posts that its guards left, so frequencies are those of that corpus alone.
bm25s builds an index per corpus, which costs more than searching a few posts; here all corpora are one pass over
arrays. tests/response/test_history_search.py holds both to the same scores.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np

MOST_ENTRIES = 4_000_000
"""Pairs of a post and a token that are looked at together."""

PLACES = 9
"""Decimals of scores by which posts are ordered: rounding of the last bits decides nothing."""


@dataclass(frozen=True)
class Documents:
    """Tokens of documents: those of document i are ``token[start[i]:start[i + 1]]``, each once, ``times`` it occurs."""

    start: np.ndarray
    token: np.ndarray
    times: np.ndarray
    length: np.ndarray


def documents(texts: Sequence[list[str]], vocabulary: dict[str, int]) -> Documents:
    """Counted tokens of each text, in the order in which they first occur; those out of the vocabulary only make it
    longer."""
    lengths = np.fromiter(map(len, texts), np.int64, len(texts))
    numbers = (vocabulary.get(word, -1) for text in texts for word in text)
    token = np.fromiter(numbers, np.int64, int(lengths.sum()))
    row = np.repeat(np.arange(len(texts)), lengths)
    known = np.flatnonzero(token >= 0)
    keys, first, times = np.unique(
        row[known] * (len(vocabulary) + 1) + token[known], return_index=True, return_counts=True
    )
    order = np.argsort(first)
    entries = np.bincount(row[known[first]], minlength=len(texts))
    start = np.r_[0, np.cumsum(entries)]
    return Documents(start, keys[order] % (len(vocabulary) + 1), times[order], lengths)


def scores(
    posts: Sequence[list[str]],
    queries: Sequence[list[str]],
    case: np.ndarray,
    post: np.ndarray,
    query: np.ndarray,
    k1: float = 1.5,
    b: float = 0.75,
) -> np.ndarray:
    """BM25 of each pair [n] of a case and one post of its corpus.

    posts, queries: tokens of each. case [n]: number of the case, ascending; post, query [n]: rows of ``posts`` and
    ``queries``. The corpus of a case is what its pairs name. idf(w) = ln((N - df + 0.5) / (df + 0.5) + 1); a score
    sums idf * tf * (k1 + 1) / (tf + k1 * (1 - b + b * length / mean length)) over all tokens of the query, each as
    often as it occurs.
    """
    vocabulary = {word: number for number, word in enumerate(dict.fromkeys(chain.from_iterable(queries)))}
    asked = documents(queries, vocabulary)
    found = documents(posts, vocabulary)
    words = max(1, len(vocabulary))
    rows = np.repeat(np.arange(len(queries)), np.diff(asked.start))
    keys = rows * words + asked.token
    order = np.argsort(keys)
    table = _Asked(keys[order], asked.times[order], words)
    result = np.zeros(len(case))
    for part in _parts(case, np.diff(found.start)[post]):
        result[part] = _scores(found, table, case[part], post[part], query[part], k1, b)
    return result


@dataclass(frozen=True)
class _Asked:
    """Tokens of all queries: sorted keys (query * words + token), and how often each occurs."""

    keys: np.ndarray
    times: np.ndarray
    words: int

    def of(self, query: np.ndarray, token: np.ndarray) -> np.ndarray:
        """How often each query [n] holds the token [n]."""
        if not len(self.keys):
            return np.zeros(len(query), np.int64)
        wanted = query * self.words + token
        place = np.minimum(np.searchsorted(self.keys, wanted), len(self.keys) - 1)
        return np.where(self.keys[place] == wanted, self.times[place], 0)


def _parts(case: np.ndarray, entries: np.ndarray) -> Iterator[slice]:
    """Slices of pairs that hold whole cases and not much more than ``MOST_ENTRIES`` entries."""
    if not len(case):
        return
    first = np.flatnonzero(np.r_[True, case[1:] != case[:-1]])
    before = np.r_[0, np.cumsum(entries)][first]
    cuts = first[np.flatnonzero(np.diff(before // MOST_ENTRIES, prepend=-1))]
    for start, end in zip(cuts, np.r_[cuts[1:], len(case)], strict=True):
        yield slice(int(start), int(end))


def _scores(
    found: Documents, asked: _Asked, case: np.ndarray, post: np.ndarray, query: np.ndarray, k1: float, b: float
) -> np.ndarray:
    number = np.cumsum(np.r_[False, case[1:] != case[:-1]])
    size = np.bincount(number)
    length = found.length[post]
    mean = np.bincount(number, weights=length) / size
    norm = k1 * (1 - b + b * length / np.maximum(mean, 1e-12)[number])

    count = found.start[post + 1] - found.start[post]
    pair = np.repeat(np.arange(len(post)), count)
    entry = np.arange(len(pair)) - np.repeat(np.cumsum(count) - count, count) + np.repeat(found.start[post], count)
    often = asked.of(query[pair], found.token[entry])
    hit = often > 0
    pair, entry, often = pair[hit], entry[hit], often[hit]
    _, group, df = np.unique(number[pair] * asked.words + found.token[entry], return_inverse=True, return_counts=True)
    df = df[group]
    idf = np.log((size[number[pair]] - df + 0.5) / (df + 0.5) + 1)
    tf = found.times[entry]
    parts = often * idf * tf * (k1 + 1) / (tf + norm[pair])
    return np.bincount(pair, weights=parts, minlength=len(post))


def best(case: np.ndarray, score: np.ndarray, top: int) -> np.ndarray:
    """Rows of the ``top`` pairs of each case, best first; equal scores keep their order.

    case [n]: ascending.

    >>> best(np.array([0, 0, 0, 1]), np.array([1.0, 2.0, 2.0, 0.0]), 2).tolist()
    [1, 2, 3]
    """
    order = np.lexsort((np.arange(len(case)), -np.round(score, PLACES), case))
    first = np.flatnonzero(np.r_[True, case[1:] != case[:-1]]) if len(case) else np.zeros(0, np.int64)
    start = np.repeat(first, np.diff(np.r_[first, len(case)]))
    return order[np.arange(len(case)) - start < top]

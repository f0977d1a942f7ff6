"""BM25 over the earlier posts of each case (socialalign.md 4), by bm25s.

Every case has a corpus of its own, the few posts that its guards left, so frequencies are those of that corpus alone
and each case gets an index of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

PLACES = 9
"""Decimals of scores by which posts are ordered: rounding of the last bits decides nothing."""


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
    import bm25s

    score = np.zeros(len(case))
    bounds = [0, *(np.flatnonzero(np.diff(case)) + 1).tolist(), len(case)] if len(case) else []
    for start, end in pairwise(bounds):
        corpus = [posts[row] for row in post[start:end].tolist()]
        asked = queries[int(query[start])]
        if any(corpus) and asked:
            index = bm25s.BM25(method="lucene", k1=k1, b=b, dtype="float64")  # which leaves out the factor k1 + 1
            index.index(corpus, show_progress=False)
            score[start:end] = index.get_scores(asked) * (k1 + 1)
    return score


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

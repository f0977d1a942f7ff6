"""Exact nearest neighbours by cosine among the older rows of a bank: every query sees its own prefix of the bank.

Source: sheet mmra.md section 3 (cosine, exact, ties by ascending id). Queries are worked off in blocks in the order of
what they see. The part of the bank that all queries of a block see goes through faiss (a flat inner product search,
nothing approximate); the stretch where they differ, which also holds everything that is excluded, through a masked
matrix product. The cost is that of one triangular product, and no query is ever short of neighbours.

The similarity of a pair is computed again in double precision and rounded to 6 places before the final sort, so it does
not depend on the block that the pair was in. A query whose last fetched neighbour is as near as its k-th one (equal
texts are common) may miss a tie: it is compared with everything it sees.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

BLOCK, TIED = 2048, 64
CELLS = 2**25
"""Queries of a block, queries compared with everything at a time, and cells of a masked product."""
SPARE = 12
"""Neighbours fetched beyond k, so that ties at the border are seen."""
TOLERANCE = 4e-6
"""Similarities in single precision may differ by this much from the exact ones."""


@dataclass(frozen=True)
class Visible:
    """What each of n queries may see of a bank: rows ``0 .. before - 1``, without the newest ones of its author.

    before: int [n]. author: int [n], -1 unknown. excluded_from: int [n], rows from here on that have the query's author
    are not seen. bank_author: int [bank], -1 unknown.
    """

    before: np.ndarray
    author: np.ndarray
    excluded_from: np.ndarray
    bank_author: np.ndarray

    def of(self, rows: np.ndarray) -> Visible:
        """The same for some of the queries."""
        return Visible(self.before[rows], self.author[rows], self.excluded_from[rows], self.bank_author)

    @property
    def common(self) -> np.ndarray:
        """int [n], rows below this are seen whatever their author."""
        return np.minimum(self.before, self.excluded_from)


def unit_rows(vectors: np.ndarray) -> np.ndarray:
    """Rows scaled to length 1, float32; a zero row stays zero."""
    length = np.sqrt(np.einsum("nd,nd->n", vectors, vectors, dtype=np.float64))
    return np.ascontiguousarray(vectors / np.where(length > 0, length, 1.0)[:, None], dtype=np.float32)


def nearest(
    queries: np.ndarray, bank: np.ndarray, visible: Visible, rank: np.ndarray, k: int
) -> tuple[np.ndarray, np.ndarray]:
    """The k nearest visible bank rows of each query, nearest first, ties by ascending ``rank``.

    queries: float32 [n, d], unit rows. bank: float32 [m, d], unit rows. rank: int [m], place of the row's id among all
    ids. Returns indices int32 [n, k] (-1 where fewer are visible) and similarities float32 [n, k] (0 there).
    """
    index = np.full((len(queries), k), -1, np.int32)
    similarity = np.zeros((len(queries), k), np.float32)
    for rows in _blocks(visible):
        found = _candidates(queries[rows], bank, visible.of(rows), k + SPARE)
        for i, candidates in zip(rows, found, strict=True):
            chosen, values = _sorted(queries[i], bank, candidates, rank, k)
            index[i, : len(chosen)], similarity[i, : len(chosen)] = chosen, values
    return index, similarity


def _blocks(visible: Visible) -> Iterator[np.ndarray]:
    """Queries in the order of what they see, in blocks that keep the masked product small."""
    order = np.lexsort((visible.before, visible.common))
    start = 0
    while start < len(order):
        size = BLOCK
        while size > 1:
            rows = order[start : start + size]
            if len(rows) * int(visible.before[rows].max() - visible.common[rows[0]]) <= CELLS:
                break
            size //= 2
        yield order[start : start + size]
        start += size


def _candidates(queries: np.ndarray, bank: np.ndarray, visible: Visible, count: int) -> list[np.ndarray]:
    """Per query at least its ``count - SPARE`` nearest visible rows with all their ties, unsorted."""
    import faiss

    common = int(visible.common.min())
    end = int(visible.before.max())
    scores, places = np.empty((len(queries), 0), np.float32), np.empty((len(queries), 0), np.int64)
    if common:
        fetched = min(count, common)
        scores, places = faiss.knn(queries, bank[:common], fetched, metric=faiss.METRIC_INNER_PRODUCT)
    if end > common:
        stretch = masked_products(queries, bank, visible, common, end)
        fetched = min(count, end - common)
        part = np.argpartition(-stretch, fetched - 1, axis=1)[:, :fetched]
        scores = np.hstack([scores, np.take_along_axis(stretch, part, axis=1)])
        places = np.hstack([places, part + common])
    order = np.argsort(-scores, axis=1, kind="stable")[:, :count]
    scores, places = np.take_along_axis(scores, order, axis=1), np.take_along_axis(places, order, axis=1)
    found = [row[good] for row, good in zip(places, np.isfinite(scores), strict=True)]
    if scores.shape[1] == count:
        # the row after the k-th is -inf where nothing is left out
        tied = scores[:, count - SPARE - 1] <= scores[:, -1] + TOLERANCE
        again = np.flatnonzero(tied & np.isfinite(scores[:, -1]))
        for start in range(0, len(again), TIED):
            rows = again[start : start + TIED]
            least = scores[rows, count - SPARE - 1] - TOLERANCE
            for row, places in zip(rows, _all_above(queries[rows], bank, visible.of(rows), least), strict=True):
                found[row] = places
    return found


def _all_above(queries: np.ndarray, bank: np.ndarray, visible: Visible, least: np.ndarray) -> Iterator[np.ndarray]:
    """Per query every visible row that is at least as similar as ``least`` [n]."""
    products = queries @ bank[: visible.before.max()].T
    for i, common in enumerate(visible.common):
        before = visible.before[i]
        products[i, common:before] = masked_products(queries[i : i + 1], bank, visible.of([i]), common, before)[0]
        yield np.flatnonzero(products[i, :before] >= least[i])


def masked_products(queries: np.ndarray, bank: np.ndarray, visible: Visible, start: int, end: int) -> np.ndarray:
    """Similarities [n, end - start] to the bank rows from start to end, -inf where a query must not look."""
    products = queries @ bank[start:end].T
    place = np.arange(start, end)
    hidden = place >= visible.before[:, None]
    own = (visible.bank_author[start:end] == visible.author[:, None]) & (visible.author >= 0)[:, None]
    hidden |= own & (place >= visible.excluded_from[:, None])
    products[hidden] = -np.inf
    return products


def _sorted(
    query: np.ndarray, bank: np.ndarray, candidates: np.ndarray, rank: np.ndarray, k: int
) -> tuple[np.ndarray, np.ndarray]:
    exact = np.einsum("md,d->m", bank[candidates].astype(np.float64), query.astype(np.float64)).round(6)
    order = np.lexsort((rank[candidates], -exact))[:k]
    return candidates[order].astype(np.int32), exact[order].astype(np.float32)

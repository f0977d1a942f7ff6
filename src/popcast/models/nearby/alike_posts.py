"""Learned posts in the order in which they are alike: by what vectors and words say, each of them counting the same.

How alike two posts are is the mean of cosines: one per embedding (unit rows, side by side) and, where words are read,
one of their TF-IDF vectors. Search is exact. Single precision and whole blocks of rows only say who may be among the
nearest; these are compared again in double precision and rounded to 6 places, ties go by ascending id. So what a post
finds depends on that post alone. A post without vectors and words is found by nobody and finds nobody.
"""

from __future__ import annotations

import numpy as np
import polars as pl

BLOCK = 512
"""Posts that ask at a time: a block of similarities to 20,000 posts takes 80 MB in double precision."""
TOLERANCE = 1e-5
"""Sums of cosines in single precision may differ by this much from the exact ones."""


class AlikePosts:
    """m learned posts. Indices that it returns are numbers of these rows.

    ids: their ``post_id`` [m]. vectors: float32 [m, width], the unit rows of every embedding side by side, zeros where
    one is unknown. words: sparse float64 [m, terms], unit rows or zero ones; None: words are not read. kinds: number of
    cosines whose mean counts.
    """

    def __init__(self, ids: pl.Series, vectors: np.ndarray, words, kinds: int) -> None:
        self.ids, self.vectors, self.words, self.kinds = ids, vectors, words, kinds
        self.rank = np.argsort(np.argsort(ids.to_numpy(), kind="stable"), kind="stable")
        self.places = pl.DataFrame({"post_id": ids, "place": np.arange(len(ids))})
        self.mute = ~_speaks(vectors, words)
        self.by_term = None if words is None else words.T.tocsr()

    def neighbours(self, ids: pl.Series, vectors: np.ndarray, words, k: int) -> tuple[np.ndarray, np.ndarray]:
        """The k most alike rows of each post, nearest first, never the post itself.

        ids, vectors, words: of the n posts that ask, as above. Returns index int32 [n, k], -1 where there are fewer,
        and similarity float32 [n, k], 0 there.
        """
        own = pl.DataFrame({"post_id": ids}).join(self.places, on="post_id", how="left", maintain_order="left")
        own = own["place"].fill_null(-1).to_numpy()
        index, similarity = np.full((len(ids), k), -1, np.int32), np.zeros((len(ids), k), np.float32)
        asking = np.flatnonzero(_speaks(vectors, words))
        for start in range(0, len(asking), BLOCK):
            rows = asking[start : start + BLOCK]
            spoken = None if words is None else (words[rows] @ self.by_term).toarray()
            rough = vectors[rows] @ self.vectors.T
            if spoken is not None:
                rough += spoken
            rough[:, self.mute] = -np.inf
            rough[own[rows] >= 0, own[rows][own[rows] >= 0]] = -np.inf
            for i, row in enumerate(rows):
                found, values = self._sorted(vectors[row], rough[i], None if spoken is None else spoken[i], k)
                index[row, : len(found)], similarity[row, : len(found)] = found, values
        return index, similarity

    def _sorted(self, vector: np.ndarray, rough: np.ndarray, spoken, k: int) -> tuple[np.ndarray, np.ndarray]:
        """The k nearest rows of one post and how near they are, fewer where there are fewer."""
        least = np.partition(rough, -k)[-k] if k < len(rough) else -np.inf
        rows = np.flatnonzero((rough >= least - TOLERANCE) & np.isfinite(rough))
        exact = np.einsum("md,d->m", self.vectors[rows].astype(np.float64), vector.astype(np.float64))
        exact = ((exact if spoken is None else exact + spoken[rows]) / self.kinds).round(6)
        order = np.lexsort((self.rank[rows], -exact))[:k]
        return rows[order], exact[order]


def _speaks(vectors: np.ndarray, words) -> np.ndarray:
    """bool [n]: rows with any vector or word."""
    some = vectors.any(axis=1)
    return some if words is None else some | (np.diff(words.indptr) > 0)

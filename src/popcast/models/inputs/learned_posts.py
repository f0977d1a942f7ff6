"""Posts that a predictor was fitted on, as a bank of neighbours: exact search, and what the neighbours lend.

Source: sheet mmra.md section 3. Similarity is the cosine of retrieval vectors, ties go by ascending id (search:
``popcast.features.common.nearest``). A post is never its own neighbour, and only posts of the fit are in the bank, so
out-of-fold stays out-of-fold. Inside a fit the learning rows are the "train" of the sheet and the stopping window is
its "valid"; ``policy`` says what is searched:

- ``train``: the learning rows, whoever asks;
- ``train+valid``: the learning rows in the fit, learning rows and window at prediction;
- ``ref``: learning rows and window, whoever asks (the reference: validation labels are inputs while it learns);
- ``past_only``: the learning rows that are strictly older than the query; a query without time sees nothing.

A row without a retrieval vector is found by nobody and finds nobody.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import polars as pl

from popcast.core.errors import BadInput
from popcast.features.common.nearest import Visible, nearest

Policy = Literal["train", "train+valid", "ref", "past_only"]
Role = Literal["fit", "predict"]
"""Whether posts that ask are those of the fit or are to be predicted."""
COLUMNS = ("post_id", "posted_at", "title")


class LearnedPosts:
    """m rows in the order of the fit. Indices that it returns are numbers of these rows.

    posts: ``post_id``, ``posted_at`` and ``title`` [m], sorted by time, then id. vectors: float32 [m, d], unit rows,
    zero where unknown. learning: bool [m], False in the stopping window. drop_same_title: a neighbour with the query's
    own title is passed over (posts without title have none in common).
    """

    def __init__(
        self, posts: pl.DataFrame, vectors: np.ndarray, learning: np.ndarray, policy: Policy, drop_same_title: bool
    ) -> None:
        self.posts, self.vectors, self.learning = posts.select(COLUMNS), vectors, learning
        self.policy, self.drop_same_title = policy, drop_same_title
        usable = self.vectors.any(axis=1)
        if policy == "past_only":
            if self.posts["posted_at"].is_null().all():
                raise BadInput("bank: past_only needs the times of posts: choose another bank policy in params.yaml")
            usable &= learning & self.posts["posted_at"].is_not_null().to_numpy()
        rows = np.flatnonzero(usable)
        self.rows = rows if policy == "past_only" else rows[np.argsort(~learning[rows], kind="stable")]
        self.searched = self.vectors[self.rows]
        ids = self.posts["post_id"].to_numpy()[self.rows]
        self.rank = np.argsort(np.argsort(ids, kind="stable"), kind="stable")
        self.places = pl.DataFrame({"post_id": self.posts["post_id"][self.rows], "code": np.arange(len(self.rows))})
        titles = self.posts["title"].drop_nulls().unique().sort()
        self.titles = pl.DataFrame({"title": titles, "code": np.arange(len(titles))})
        self.title_codes = _codes(self.posts, self.titles)[self.rows]

    def neighbours(self, posts: pl.DataFrame, vectors: np.ndarray, k: int, role: Role) -> tuple[np.ndarray, np.ndarray]:
        """The k nearest rows that each post may see, nearest first; a post's result depends on that post alone.

        posts: ``post_id``, ``posted_at``, ``title`` [n]. vectors: float32 [n, d], unit rows. Returns index int32
        [n, k], -1 where there are fewer, and similarity float32 [n, k], 0 there.
        """
        before = self._before(posts, role)
        own, title = _codes(posts, self.places), np.full(posts.height, -1)
        if self.drop_same_title:
            title = _codes(posts, self.titles)
        counts = np.bincount(self.title_codes[self.title_codes >= 0], minlength=len(self.titles) + 1)
        spare = np.where(title >= 0, counts[title], 0) + (own >= 0)
        index = np.full((posts.height, k), -1, np.int32)
        similarity = np.zeros((posts.height, k), np.float32)
        asking = vectors.any(axis=1) & (before > 0)
        for extra in np.unique(spare[asking]).tolist():  # as many more are fetched as may have to be passed over
            rows = np.flatnonzero(asking & (spare == extra))
            found, values = nearest(vectors[rows], self.searched, self._visible(before[rows]), self.rank, k + extra)
            same = (self.title_codes[found] == title[rows][:, None]) & (title[rows] >= 0)[:, None]
            passed = (found < 0) | (found == own[rows][:, None]) | same
            kept = np.argsort(passed, axis=1, kind="stable")[:, :k]
            good = ~np.take_along_axis(passed, kept, axis=1)
            index[rows] = np.where(good, self.rows[np.take_along_axis(found, kept, axis=1)], -1)
            similarity[rows] = np.where(good, np.take_along_axis(values, kept, axis=1), 0.0)
        return index, similarity

    def _before(self, posts: pl.DataFrame, role: Role) -> np.ndarray:
        """How many of the searched rows, from the first one, each post sees: int [n]."""
        if self.policy == "past_only":
            times = self.posts["posted_at"].dt.epoch("us").to_numpy()[self.rows]
            asked = posts["posted_at"].dt.epoch("us").fill_null(np.iinfo(np.int64).min).to_numpy()
            return np.searchsorted(times, asked, side="left")
        both = self.policy == "ref" or (self.policy == "train+valid" and role == "predict")
        return np.full(posts.height, len(self.rows) if both else int(self.learning[self.rows].sum()))

    def _visible(self, before: np.ndarray) -> Visible:
        nobody = np.full(len(before), -1)
        return Visible(before, nobody, np.full(len(before), len(self.rows)), np.full(len(self.rows), -1))


def neighbour_weights(index: np.ndarray, similarity: np.ndarray, temperature: float = 1.0) -> np.ndarray:
    """softmax(similarity / temperature) over the neighbours that there are: float64 [n, k], zeros where there is none.

    index: [n, k], -1 for none. Sheet mmra.md section 5, step 1 (there without temperature).
    """
    seen = index >= 0
    scaled = np.where(seen, similarity.astype(np.float64) / temperature, -np.inf)
    top = np.where(seen.any(axis=1), scaled.max(axis=1, initial=-np.inf), 0.0)
    weights = np.exp(scaled - top[:, None])
    total = weights.sum(axis=1, keepdims=True)
    return weights / np.where(total > 0, total, 1.0)


def weighted_sums(index: np.ndarray, weights: np.ndarray, values: np.ndarray) -> np.ndarray:
    """sum_k weights[i, k] * values[index[i, k]]: [n, ...] of the type of ``values`` [m, ...]; zeros without neighbours.

    A sparse product: nothing of size [n, k, ...] is ever made, and each row is summed by itself, nearest first.
    """
    from scipy.sparse import csr_array

    seen = index >= 0
    starts = np.concatenate([[0], np.cumsum(seen.sum(axis=1))])
    flat = values.reshape(len(values), -1)
    product = csr_array((weights[seen].astype(values.dtype), index[seen], starts), shape=(len(index), len(values)))
    return (product @ flat).reshape(len(index), *values.shape[1:])


def _codes(posts: pl.DataFrame, known: pl.DataFrame) -> np.ndarray:
    """``code`` of each post's entry in ``known`` (its first column is the key), -1 for none: int [n]."""
    key = known.columns[0]
    joined = posts.select(key).join(known, on=key, how="left", maintain_order="left")
    return joined["code"].fill_null(-1).to_numpy()

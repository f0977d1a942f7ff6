"""``kernel_ridge``: one kernel ridge regression on words and on what they mean.

The kernel of two posts is ``word_weight * <t, t'> + exp(-gamma * |x - x'|^2)``: t are TF-IDF vectors of word 1-2-grams
and character 3-5-grams (as in ``text_ridge``), x standardised embeddings (as in ``svr``). The dual weights a of
``(K + penalty * I) a = y - mean`` are exact (Cholesky, float32). The linear kernel folds into one weight per term.
Sums of kernels: Gönen and Alpaydın, "Multiple kernel learning algorithms", JMLR 12 (2011).
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Self

import numpy as np
import polars as pl
from pydantic import Field

from popcast.core.section import Section
from popcast.features.common.embeddings import embedding
from popcast.features.common.joined_text import verbatim_text
from popcast.models.contract.predictor_files import read_arrays, read_predictor, take, write_predictor
from popcast.models.contract.predictors import require_columns
from popcast.models.contract.stopping import sample_rows
from popcast.models.inputs.matrix import NO_BLOCK, training_order
from popcast.models.inputs.row_blocks import in_row_blocks
from popcast.models.inputs.scaling import center_and_scale, standardised
from popcast.models.inputs.text_terms import TextTerms

CHUNK = 1024
ARRAYS = ("vectors", "dual", "weights", "center", "scale")
"""What a fitted model keeps, besides its terms."""


class Params(Section):
    """Settings of both kernels."""

    fields: list[Literal["title", "category", "subcategory", "concept"]] = Field(["title"], min_length=1)
    min_df: int = Field(2, ge=1, description="posts that a term must occur in")
    word_weight: float = Field(0.25, gt=0, description="of the kernel of words; that of meaning has 1")
    embedding: str = Field("text.embedding", description="what the kernel of meaning compares")
    width: float = Field(1.0, gt=0, description="gamma is width / columns, of standardised columns")
    penalty: float = Field(2.0, gt=0)
    max_train: int = Field(20000, ge=1, description="training posts at most: a seeded sample; memory grows with n^2")


class Predictor:
    """``mean + <weights, t> + sum_i dual_i * exp(-gamma * |x - x_i|^2)`` over the training posts i."""

    Params = Params
    blocks = ()

    def __init__(self, params: Params, seed: int) -> None:
        self.params, self.seed = params, seed

    def fit(self, posts: pl.DataFrame, features: pl.DataFrame, target: np.ndarray, folds: np.ndarray | None) -> Self:
        p, rows = self.params, training_order(posts)
        require_columns(features, [p.embedding], "kernel_ridge: embedding column", NO_BLOCK)
        if len(rows) > p.max_train:
            rows = rows[sample_rows(len(rows), self.seed, p.max_train)]
        posts, features, target = posts[rows], features[rows], target[rows]
        texts = verbatim_text(posts, p.fields)
        self.words = TextTerms().fit(texts, p.min_df)
        self.center, self.scale = center_and_scale(embedding(features[p.embedding]))
        self.vectors = self._standardised(features)
        self.gamma, self.mean = p.width / self.vectors.shape[1], float(target.mean())
        terms = self.words.transform(texts)
        self.dual = _solve(self._kernel(terms), target - self.mean, p.penalty)
        self.weights = p.word_weight * (terms.T @ self.dual)
        return self

    def _standardised(self, features: pl.DataFrame) -> np.ndarray:
        """float32 [n, width]; a post without the embedding lies at the mean."""
        return standardised(embedding(features[self.params.embedding]), self.center, self.scale).astype(np.float32)

    def _lengths(self) -> np.ndarray:
        """|x_i|^2 of the training posts, float32 [n]."""
        return (self.vectors**2).sum(axis=1)

    def _near(self, vectors: np.ndarray, lengths: np.ndarray) -> np.ndarray:
        """Kernel of meaning between ``vectors`` [m, width] and the training posts, float32 [m, n]."""
        distance = (vectors**2).sum(axis=1)[:, None] + lengths - 2 * vectors @ self.vectors.T
        return np.exp(np.float32(-self.gamma) * np.maximum(distance, 0))

    def _kernel(self, terms) -> np.ndarray:
        """float32 [n, n], built in stripes: only the result itself is large."""
        count, transposed = len(self.vectors), terms.T.tocsr()
        kernel, lengths = np.empty((count, count), np.float32), self._lengths()
        for start in range(0, count, CHUNK):
            stripe = slice(start, start + CHUNK)
            kernel[stripe] = self._near(self.vectors[stripe], lengths)
            kernel[stripe] += (self.params.word_weight * (terms[stripe] @ transposed)).toarray()
        return kernel

    def predict(self, posts: pl.DataFrame, features: pl.DataFrame) -> np.ndarray:
        if not posts.height:
            return np.empty(0)
        terms = self.words.transform(verbatim_text(posts, self.params.fields))
        lengths = self._lengths()
        meaning = in_row_blocks(
            lambda block: self._near(block, lengths).astype(np.float64) @ self.dual, self._standardised(features)
        )
        return self.mean + terms @ self.weights + meaning

    def importances(self) -> dict[str, float]:
        """Absolute weight of the 200 heaviest words and character groups; the kernel of meaning has none."""
        names = self.words.names
        heaviest = sorted(np.argsort(-np.abs(self.weights), kind="stable")[:200].tolist())
        return {names[i]: abs(float(self.weights[i])) for i in heaviest}

    def save(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        arrays = {name: getattr(self, name) for name in ARRAYS} | self.words.save(folder)
        np.savez(folder / "kernel_ridge.npz", **arrays)
        write_predictor(folder, self, mean=self.mean, gamma=self.gamma)

    @classmethod
    def load(cls, folder: Path) -> Self:
        predictor, content = read_predictor(cls, folder)
        take(predictor, content, ("mean", "gamma"))
        arrays = read_arrays(folder / "kernel_ridge.npz")
        take(predictor, arrays, ARRAYS)
        predictor.words = TextTerms.load(folder, arrays)
        return predictor


def _solve(kernel: np.ndarray, residual: np.ndarray, penalty: float) -> np.ndarray:
    """Dual weights float64 [n]; ``kernel`` is overwritten."""
    from scipy.linalg import cho_factor, cho_solve

    kernel.flat[:: len(kernel) + 1] += np.float32(penalty)
    factor = cho_factor(kernel, lower=True, overwrite_a=True, check_finite=False)
    return cho_solve(factor, residual.astype(np.float32), check_finite=False).astype(np.float64)

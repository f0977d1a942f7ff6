"""``nearby``: the popularity of the few learned posts that are most alike, by what embeddings and words say.

Same creators, series and topics give themselves away by wording; what they tell is local, and a smooth model such as
``kernel_ridge`` averages it away. How alike two posts are is the mean of the cosines of standardised embeddings and,
with ``words``, of TF-IDF vectors (retrieval: alike_posts.py; a post never finds itself, sheet mmra.md section 3).
Learned posts are scored leave-one-out for the line that calibrates the mean of the neighbours.
"""

from __future__ import annotations

from pathlib import Path
from typing import Self

import numpy as np
import polars as pl
from pydantic import Field

from popcast.core.section import Section
from popcast.features.common.embeddings import embedding
from popcast.features.common.joined_text import TextField, verbatim_text, with_fields
from popcast.features.common.nearest import unit_rows
from popcast.models.contract.predictor_files import read_arrays, read_predictor, take, write_predictor
from popcast.models.contract.predictors import require_columns
from popcast.models.inputs.learned_posts import neighbour_weights, weighted_sums
from popcast.models.inputs.matrix import NO_BLOCK, in_time_order
from popcast.models.inputs.scaling import center_and_scale, standardised
from popcast.models.inputs.text_terms import TextTerms
from popcast.models.nearby.alike_posts import AlikePosts

TERMS = ("data", "indices", "indptr", "shape")
"""What a sparse matrix is made of."""


class Params(Section):
    """What is compared, and how many neighbours count how much."""

    embedding: str = Field("text.embedding", description="what is compared; columns are standardised first")
    beside: list[str] = Field([], description="further embeddings: each counts as much as the first one")
    words: list[TextField] = Field([], description="fields whose words count as much as an embedding; [] for none")
    min_df: int = Field(2, ge=1, description="words: posts that a term must occur in")
    k: int = Field(10, ge=1)
    temperature: float = Field(0.125, gt=0, description="weights are softmax(similarity / temperature)")


class Predictor:
    """``intercept + slope * weighted mean of the labels of the k nearest``; the training mean where there are none."""

    Params = Params
    blocks = ()

    def __init__(self, params: Params, seed: int) -> None:
        self.params, self.seed = params, seed
        self.terms: TextTerms | None = None

    @property
    def columns(self) -> list[str]:
        """Embeddings that are compared."""
        return [self.params.embedding, *self.params.beside]

    def fit(self, posts: pl.DataFrame, features: pl.DataFrame, target: np.ndarray, folds: np.ndarray | None) -> Self:
        require_columns(features, self.columns, "nearby: embedding column", NO_BLOCK)
        posts, features, target, folds = in_time_order(posts, features, target, folds)
        self.target = target.astype(np.float64)
        self.widths = [features.schema[name].size for name in self.columns]
        self.center, self.scale = center_and_scale(self._side_by_side(features))
        if self.params.words:
            self.terms = TextTerms().fit(self._texts(posts), self.params.min_df)
        self._fill(posts["post_id"], self._vectors(features), self._words(posts))
        estimate, center = self._mean(posts, features), self.target.mean()
        spread = float(((estimate - estimate.mean()) ** 2).sum())
        along = float((estimate - estimate.mean()) @ (self.target - center))
        self.slope = max(along / spread, 0.0) if spread > 1e-9 else 0.0  # what contradicts its posts says nothing
        self.intercept = float(center - self.slope * estimate.mean())
        return self

    def _fill(self, ids: pl.Series, vectors: np.ndarray, words) -> None:
        self.bank = AlikePosts(ids, vectors, words, len(self.columns) + (words is not None))

    def _side_by_side(self, features: pl.DataFrame) -> np.ndarray:
        return np.hstack([embedding(features[name]) for name in self.columns])

    def _vectors(self, features: pl.DataFrame) -> np.ndarray:
        """Unit rows of every embedding side by side, float32 [n, width]; zeros without embedding."""
        scaled = standardised(self._side_by_side(features), self.center, self.scale)
        return np.hstack([unit_rows(part) for part in np.split(scaled, np.cumsum(self.widths)[:-1], axis=1)])

    def _texts(self, posts: pl.DataFrame) -> list[str]:
        return verbatim_text(with_fields(posts, self.params.words), self.params.words)

    def _words(self, posts: pl.DataFrame):
        """Sparse unit rows float64 [n, terms]; None where words are not read."""
        if self.terms is None:
            return None
        from sklearn.preprocessing import normalize

        return normalize(self.terms.transform(self._texts(posts))).tocsr()

    def _mean(self, posts: pl.DataFrame, features: pl.DataFrame) -> np.ndarray:
        """Weighted mean label [n] of the neighbours."""
        vectors, words = self._vectors(features), self._words(posts)
        index, similarity = self.bank.neighbours(posts["post_id"], vectors, words, self.params.k)
        weights = neighbour_weights(index, similarity, self.params.temperature)
        found = weighted_sums(index, weights, self.target)
        return np.where((index >= 0).any(axis=1), found, self.target.mean())

    def predict(self, posts: pl.DataFrame, features: pl.DataFrame) -> np.ndarray:
        if not posts.height:
            return np.empty(0)
        return self.intercept + self.slope * self._mean(posts, features)

    def importances(self) -> dict[str, float]:
        """The slope, in equal parts."""
        names = [*self.columns, *(["words"] if self.params.words else [])]
        return dict.fromkeys(names, abs(self.slope) / len(names))

    def save(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        arrays = {"vectors": self.bank.vectors, "target": self.target, "center": self.center, "scale": self.scale}
        if self.terms is not None:
            arrays |= self.terms.save(folder) | {f"words_{name}": getattr(self.bank.words, name) for name in TERMS}
        np.savez(folder / "nearby.npz", **arrays)
        self.bank.ids.to_frame("post_id").write_parquet(folder / "posts.parquet")
        write_predictor(folder, self, slope=self.slope, intercept=self.intercept, widths=self.widths)

    @classmethod
    def load(cls, folder: Path) -> Self:
        from scipy.sparse import csr_matrix

        predictor, content = read_predictor(cls, folder)
        take(predictor, content, ("slope", "intercept"))
        arrays = read_arrays(folder / "nearby.npz")
        take(predictor, arrays, ("target", "center", "scale"))
        predictor.widths = content.get("widths", [len(predictor.center)])  # one embedding in older files
        words = None
        if predictor.params.words:
            predictor.terms = TextTerms.load(folder, arrays)
            data, indices, indptr, shape = (arrays[f"words_{name}"] for name in TERMS)
            words = csr_matrix((data, indices, indptr), tuple(shape))
        predictor._fill(pl.read_parquet(folder / "posts.parquet")["post_id"], arrays["vectors"], words)
        return predictor

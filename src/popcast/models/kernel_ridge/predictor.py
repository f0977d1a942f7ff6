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
import orjson
import polars as pl
from pydantic import Field

from popcast.core import tables
from popcast.core.errors import BadInput
from popcast.core.section import Section
from popcast.models.inputs.matrix import embedding, training_order
from popcast.models.inputs.row_blocks import in_row_blocks

KINDS = {
    "word": {"analyzer": "word", "ngram_range": (1, 2)},
    "char": {"analyzer": "char_wb", "ngram_range": (3, 5)},
}
CHUNK = 1024


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
        if p.embedding not in features.columns:
            raise BadInput(
                f"kernel_ridge: embedding column {p.embedding!r} is missing: declare its block in params.yaml"
            )
        if len(rows) > p.max_train:
            chosen = np.random.default_rng(self.seed).choice(len(rows), size=p.max_train, replace=False)
            rows = rows[np.sort(chosen)]
        posts, features, target = posts[rows], features[rows], target[rows]
        self._learn_terms(posts)
        raw = embedding(features[p.embedding]).astype(np.float64)
        known = ~np.isnan(raw)
        count = np.maximum(known.sum(axis=0), 1)
        self.center = np.where(known, raw, 0.0).sum(axis=0) / count
        deviation = np.sqrt(np.where(known, (raw - self.center) ** 2, 0.0).sum(axis=0) / count)
        self.scale = np.where(deviation > 1e-9, deviation, 1.0)
        self.vectors = self._standardised(features)
        self.gamma, self.mean = p.width / raw.shape[1], float(target.mean())
        terms = self._terms(posts)
        self.dual = _solve(self._kernel(terms), target - self.mean, p.penalty)
        self.weights = p.word_weight * (terms.T @ self.dual)
        return self

    def _learn_terms(self, posts: pl.DataFrame) -> None:
        self.words = {}
        for kind in KINDS:
            vectorizer = self._vectorizer(kind)
            try:
                self.words[kind] = vectorizer.fit(self._texts(posts))
            except ValueError:  # scikit-learn's answer to posts without a single common word
                continue

    def _vectorizer(self, kind: str, vocabulary: dict[str, int] | None = None):
        from sklearn.feature_extraction.text import TfidfVectorizer

        limit = {"min_df": self.params.min_df} if vocabulary is None else {"vocabulary": vocabulary}
        return TfidfVectorizer(**KINDS[kind], sublinear_tf=True, **limit)

    def _texts(self, posts: pl.DataFrame) -> list[str]:
        joined = pl.concat_str(self.params.fields, separator=" | ", ignore_nulls=True).fill_null("")
        return posts.select(text=joined)["text"].to_list()

    def _terms(self, posts: pl.DataFrame):
        """TF-IDF vectors, sparse [n, terms]."""
        from scipy import sparse

        texts = self._texts(posts)
        parts = [vectorizer.transform(texts) for vectorizer in self.words.values()]
        return sparse.hstack(parts).tocsr() if parts else sparse.csr_matrix((len(texts), 0))

    def _standardised(self, features: pl.DataFrame) -> np.ndarray:
        """float32 [n, width]; a post without the embedding lies at the mean."""
        scaled = (embedding(features[self.params.embedding]) - self.center) / self.scale
        return np.where(np.isnan(scaled), 0.0, scaled).astype(np.float32)

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
        if not posts.height:  # scikit-learn refuses an empty list of texts
            return np.empty(0)
        lengths = self._lengths()
        meaning = in_row_blocks(
            lambda block: self._near(block, lengths).astype(np.float64) @ self.dual, self._standardised(features)
        )
        return self.mean + self._terms(posts) @ self.weights + meaning

    def importances(self) -> dict[str, float]:
        """Absolute weight of the 200 heaviest words and character groups; the kernel of meaning has none."""
        names = [f"{kind}:{term}" for kind, words in self.words.items() for term in words.get_feature_names_out()]
        heaviest = sorted(np.argsort(-np.abs(self.weights), kind="stable")[:200].tolist())
        return {names[i]: abs(float(self.weights[i])) for i in heaviest}

    def save(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        terms = {kind: words.get_feature_names_out().tolist() for kind, words in self.words.items()}
        (folder / "vocabulary.json").write_bytes(orjson.dumps(terms))
        arrays = {name: getattr(self, name) for name in ("vectors", "dual", "weights", "center", "scale")}
        arrays |= {f"idf_{kind}": words.idf_ for kind, words in self.words.items()}
        np.savez(folder / "kernel_ridge.npz", **arrays)
        content = {"params": self.params.model_dump(), "seed": self.seed, "mean": self.mean, "gamma": self.gamma}
        tables.write_json(content, folder / "predictor.json")

    @classmethod
    def load(cls, folder: Path) -> Self:
        content = orjson.loads((folder / "predictor.json").read_bytes())
        predictor = cls(Params.model_validate(content["params"]), content["seed"])
        predictor.mean, predictor.gamma, predictor.words = content["mean"], content["gamma"], {}
        with np.load(folder / "kernel_ridge.npz", allow_pickle=False) as arrays:
            for name in ("vectors", "dual", "weights", "center", "scale"):
                setattr(predictor, name, arrays[name])
            for kind, terms in orjson.loads((folder / "vocabulary.json").read_bytes()).items():
                vectorizer = predictor._vectorizer(kind, {term: i for i, term in enumerate(terms)})
                vectorizer.idf_ = arrays[f"idf_{kind}"]
                predictor.words[kind] = vectorizer
        return predictor


def _solve(kernel: np.ndarray, residual: np.ndarray, penalty: float) -> np.ndarray:
    """Dual weights float64 [n]; ``kernel`` is overwritten."""
    from scipy.linalg import cho_factor, cho_solve

    kernel.flat[:: len(kernel) + 1] += np.float32(penalty)
    factor = cho_factor(kernel, lower=True, overwrite_a=True, check_finite=False)
    return cho_solve(factor, residual.astype(np.float32), check_finite=False).astype(np.float64)

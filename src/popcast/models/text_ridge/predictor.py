"""``text_ridge``: ridge regression on the sparse TF-IDF of a post's own words, the anchor of every text model.

Word 1-2-grams and character 3-5-grams within words, sublinear counts: on the MicroLens-100k titles with alpha 10 this
is the row nMSE .8454, SRC .3906 of sheet mmra.md section 8. Numeric columns and embeddings can be appended. Vocabulary
and weights are saved as JSON and npz.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Self

import numpy as np
import orjson
import polars as pl
from pydantic import AfterValidator, Field

from popcast.core import tables
from popcast.core.errors import BadInput
from popcast.core.section import Section
from popcast.models.contract.stopping import loss_weights, stopping_window
from popcast.models.inputs.matrix import embedding, numbers, training_order

KINDS = {
    "word": {"analyzer": "word", "ngram_range": (1, 2)},
    "char": {"analyzer": "char_wb", "ngram_range": (3, 5)},
}
FIELDS = ("title", "tags", "category", "subcategory", "concept")


def _is_text(name: str) -> str:
    if name not in FIELDS and (not name.startswith("post_") or name == "post_id"):
        raise ValueError(f"expected one of {', '.join(FIELDS)}, or a post_ column with text")
    return name


class Params(Section):
    """Settings of the linear model. The alpha that is best on the last fold is taken; without folds the middle one."""

    fields: list[Annotated[str, AfterValidator(_is_text)]] = Field(["title"], min_length=1)
    relative: bool = Field(False, description="errors count relative to the label, as MAPE does")
    min_df: int = Field(2, ge=1, description="posts that a term must occur in")
    alphas: list[float] = Field([3.0, 10.0, 30.0], min_length=1, description="ridge penalties to choose from")
    columns: list[str] = Field([], description="numeric features to append, standardised")
    embeddings: list[str] = Field([], description="embeddings to append, standardised, vectors of about unit length")
    embedding_scale: float = Field(1.0, gt=0, description="times this")


class Predictor:
    """A linear model of words and columns."""

    Params = Params
    blocks = ()

    def __init__(self, params: Params, seed: int) -> None:
        self.params, self.seed = params, seed

    def fit(self, posts: pl.DataFrame, features: pl.DataFrame, target: np.ndarray, folds: np.ndarray | None) -> Self:
        p, order = self.params, training_order(posts)
        absent = [name for name in p.fields if posts.schema.get(name) not in (pl.String, pl.List(pl.String))]
        if absent:
            raise BadInput(f"text_ridge: posts have no text {absent[0]!r}: set models.text_ridge.fields")
        missing = [name for name in (*p.columns, *p.embeddings) if name not in features.columns]
        if missing:
            raise BadInput(f"text_ridge: feature column {missing[0]!r} is missing: declare its block in params.yaml")
        if not any(posts[name].drop_nulls().len() for name in p.fields):
            raise BadInput(f"text_ridge: no post has any text in {p.fields}: set models.text_ridge.fields")
        posts, features, target = posts[order], features[order], target[order]
        weights = loss_weights(target, "mape") if p.relative else np.ones(len(target))
        window = stopping_window(None if folds is None else folds[order], len(target))
        self.alpha = sorted(p.alphas)[len(p.alphas) // 2]
        if window is not None and len(p.alphas) > 1:
            old, new = pl.Series(~window), pl.Series(window)
            design = self._fit_columns(posts.filter(old), features.filter(old))
            later = self._design(posts.filter(new), features.filter(new))
            errors = []
            for alpha in p.alphas:
                self._solve(design, target[~window], weights[~window], alpha)
                squared = (later @ self.weights + self.intercept - target[window]) ** 2
                errors.append(float(np.average(squared, weights=weights[window])))
            self.alpha = p.alphas[int(np.argmin(errors))]
        self._solve(self._fit_columns(posts, features), target, weights, self.alpha)
        return self

    def _solve(self, design, target: np.ndarray, weights: np.ndarray, alpha: float) -> None:
        from sklearn.linear_model import Ridge

        if not design.shape[1]:
            self.weights, self.intercept = np.empty(0), float(np.average(target, weights=weights))
            return
        weighted = {"sample_weight": weights} if self.params.relative else {}
        model = Ridge(alpha=alpha, solver="sparse_cg", tol=1e-6).fit(design, target, **weighted)
        self.weights, self.intercept = model.coef_.astype(np.float64), float(model.intercept_)

    def _fit_columns(self, posts: pl.DataFrame, features: pl.DataFrame):
        """Learn vocabularies and scales from these posts and return their design matrix (sparse, n x columns)."""
        self.words = {}
        for kind in KINDS:
            vectorizer = self._vectorizer(kind)
            try:
                vectorizer.fit(self._texts(posts))
            except ValueError:  # scikit-learn's answer to posts without a single common word
                continue
            self.words[kind] = vectorizer
        dense = self._dense(features)
        known = np.where(np.isnan(dense), 0.0, dense)
        count = np.maximum((~np.isnan(dense)).sum(axis=0), 1)
        self.mean = known.sum(axis=0) / count
        deviation = np.sqrt(np.where(np.isnan(dense), 0.0, (dense - self.mean) ** 2).sum(axis=0) / count)
        width = np.ones(len(self.params.columns)).tolist()
        for name in self.params.embeddings:
            size = features.schema[name].size
            width += [np.sqrt(size) / self.params.embedding_scale] * size
        self.scale = np.where(deviation > 1e-9, deviation, 1.0) * np.array(width)
        return self._design(posts, features)

    def _vectorizer(self, kind: str, vocabulary: dict[str, int] | None = None):
        from sklearn.feature_extraction.text import TfidfVectorizer

        limit = {"min_df": self.params.min_df} if vocabulary is None else {"vocabulary": vocabulary}
        return TfidfVectorizer(**KINDS[kind], sublinear_tf=True, **limit)

    def _texts(self, posts: pl.DataFrame) -> list[str]:
        """One text per post: the fields with a separator between them, missing ones left out."""
        absent = [name for name in self.params.fields if name not in posts.columns]
        posts = posts.with_columns(pl.lit(None, pl.String).alias(name) for name in absent)
        parts = [pl.col(name).list.join(" ") if name == "tags" else pl.col(name) for name in self.params.fields]
        joined = posts.select(text=pl.concat_str(parts, separator=" | ", ignore_nulls=True).fill_null(""))
        return joined["text"].to_list()

    def _dense(self, features: pl.DataFrame) -> np.ndarray:
        columns = [numbers(features[name])[:, None] for name in self.params.columns]
        columns += [embedding(features[name]) for name in self.params.embeddings]
        return np.hstack(columns).astype(np.float64) if columns else np.empty((features.height, 0))

    def _design(self, posts: pl.DataFrame, features: pl.DataFrame):
        from scipy import sparse

        texts = self._texts(posts)
        parts = [vectorizer.transform(texts) for vectorizer in self.words.values()]
        dense = (self._dense(features) - self.mean) / self.scale
        parts.append(sparse.csr_matrix(np.where(np.isnan(dense), 0.0, dense)))
        return sparse.hstack(parts).tocsr()

    def predict(self, posts: pl.DataFrame, features: pl.DataFrame) -> np.ndarray:
        if not posts.height:  # scikit-learn refuses an empty list of texts
            return np.empty(0)
        return self._design(posts, features) @ self.weights + self.intercept

    def _names(self) -> list[str]:
        names = [f"{kind}:{term}" for kind, words in self.words.items() for term in words.get_feature_names_out()]
        return names + self.params.columns

    def importances(self) -> dict[str, float]:
        """Absolute weight of the 200 heaviest words, character groups and numeric columns."""
        names = self._names()
        weights = np.abs(self.weights[: len(names)])
        heaviest = sorted(np.argsort(-weights, kind="stable")[:200].tolist())
        return {names[i]: float(weights[i]) for i in heaviest}

    def save(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        terms = {kind: words.get_feature_names_out().tolist() for kind, words in self.words.items()}
        (folder / "vocabulary.json").write_bytes(orjson.dumps(terms))
        idf = {f"idf_{kind}": words.idf_ for kind, words in self.words.items()}
        np.savez(folder / "weights.npz", weights=self.weights, mean=self.mean, scale=self.scale, **idf)
        content = {"params": self.params.model_dump(), "seed": self.seed}
        content |= {"alpha": self.alpha, "intercept": self.intercept}
        tables.write_json(content, folder / "predictor.json")

    @classmethod
    def load(cls, folder: Path) -> Self:
        content = orjson.loads((folder / "predictor.json").read_bytes())
        predictor = cls(Params.model_validate(content["params"]), content["seed"])
        predictor.alpha, predictor.intercept, predictor.words = content["alpha"], content["intercept"], {}
        with np.load(folder / "weights.npz", allow_pickle=False) as arrays:
            predictor.weights, predictor.mean, predictor.scale = (arrays[n] for n in ("weights", "mean", "scale"))
            for kind, terms in orjson.loads((folder / "vocabulary.json").read_bytes()).items():
                vectorizer = predictor._vectorizer(kind, {term: i for i, term in enumerate(terms)})
                vectorizer.idf_ = arrays[f"idf_{kind}"]
                predictor.words[kind] = vectorizer
        return predictor

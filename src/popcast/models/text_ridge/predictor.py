"""``text_ridge``: ridge regression on the sparse TF-IDF of a post's own words, the anchor of every text model.

Word 1-2-grams and character 3-5-grams within words, sublinear counts: on the MicroLens-100k titles with alpha 10 this
is the row nMSE .8454, SRC .3906 of sheet mmra.md section 8. Numeric columns and embeddings can be appended. Vocabulary
and weights are saved as JSON and npz.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Self, get_args

import numpy as np
import polars as pl
from pydantic import AfterValidator, Field

from popcast.core.errors import BadInput
from popcast.core.section import Section
from popcast.features.common.embeddings import embedding
from popcast.features.common.joined_text import TextField, verbatim_text, with_fields
from popcast.models.contract.predictor_files import read_arrays, read_predictor, take, write_predictor
from popcast.models.contract.predictors import require_columns
from popcast.models.contract.stopping import loss_weights, stopping_window
from popcast.models.inputs.matrix import NO_BLOCK, in_time_order, numeric_columns
from popcast.models.inputs.scaling import center_and_scale, standardised
from popcast.models.inputs.text_terms import TextTerms

FIELDS = get_args(TextField)


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
        p = self.params
        absent = [name for name in p.fields if posts.schema.get(name) not in (pl.String, pl.List(pl.String))]
        if absent:
            raise BadInput(f"text_ridge: posts have no text {absent[0]!r}: set models.text_ridge.fields")
        require_columns(features, [*p.columns, *p.embeddings], "text_ridge: feature column", NO_BLOCK)
        if not any(posts[name].drop_nulls().len() for name in p.fields):
            raise BadInput(f"text_ridge: no post has any text in {p.fields}: set models.text_ridge.fields")
        posts, features, target, folds = in_time_order(posts, features, target, folds)
        weights = loss_weights(target, "mape") if p.relative else np.ones(len(target))
        window = stopping_window(folds, len(target))
        self.alpha = sorted(p.alphas)[len(p.alphas) // 2]
        if window is not None and len(p.alphas) > 1:
            old, new = pl.Series(window.learn), pl.Series(window.watch)
            design = self._fit_columns(posts.filter(old), features.filter(old))
            later = self._design(posts.filter(new), features.filter(new))
            errors = []
            for alpha in p.alphas:
                self._solve(design, target[window.learn], weights[window.learn], alpha)
                squared = (later @ self.weights + self.intercept - target[window.watch]) ** 2
                errors.append(float(np.average(squared, weights=weights[window.watch])))
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
        self.words = TextTerms().fit(self._texts(posts), self.params.min_df)
        self.mean, scale = center_and_scale(self._dense(features))
        width = np.ones(len(self.params.columns)).tolist()
        for name in self.params.embeddings:
            size = features.schema[name].size
            width += [np.sqrt(size) / self.params.embedding_scale] * size
        self.scale = scale * np.array(width)
        return self._design(posts, features)

    def _texts(self, posts: pl.DataFrame) -> list[str]:
        return verbatim_text(with_fields(posts, self.params.fields), self.params.fields)

    def _dense(self, features: pl.DataFrame) -> np.ndarray:
        """float64 [n, columns]: the numeric ones, then the embeddings; NaN for null."""
        vectors = [embedding(features[name]) for name in self.params.embeddings]
        return np.hstack([numeric_columns(features, self.params.columns), *vectors])

    def _design(self, posts: pl.DataFrame, features: pl.DataFrame):
        from scipy import sparse

        dense = standardised(self._dense(features), self.mean, self.scale)
        return sparse.hstack([self.words.transform(self._texts(posts)), sparse.csr_matrix(dense)]).tocsr()

    def predict(self, posts: pl.DataFrame, features: pl.DataFrame) -> np.ndarray:
        if not posts.height:
            return np.empty(0)
        return self._design(posts, features) @ self.weights + self.intercept

    def importances(self) -> dict[str, float]:
        """Absolute weight of the 200 heaviest words, character groups and numeric columns."""
        names = self.words.names + self.params.columns
        weights = np.abs(self.weights[: len(names)])
        heaviest = sorted(np.argsort(-weights, kind="stable")[:200].tolist())
        return {names[i]: float(weights[i]) for i in heaviest}

    def save(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        idf = self.words.save(folder)
        np.savez(folder / "weights.npz", weights=self.weights, mean=self.mean, scale=self.scale, **idf)
        write_predictor(folder, self, alpha=self.alpha, intercept=self.intercept)

    @classmethod
    def load(cls, folder: Path) -> Self:
        predictor, content = read_predictor(cls, folder)
        take(predictor, content, ("alpha", "intercept"))
        arrays = read_arrays(folder / "weights.npz")
        take(predictor, arrays, ("weights", "mean", "scale"))
        predictor.words = TextTerms.load(folder, arrays)
        return predictor

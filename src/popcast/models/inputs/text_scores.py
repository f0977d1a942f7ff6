"""Text scores: what words say about popularity beyond a start value, as columns for a boosted ensemble.

Two ridge regressions over TF-IDF learn the residual ``target - start``: one over all posts (``scores.text``), one per
author who has enough posts (``scores.author_text``): "recipe" means one thing on a news page and another on a cooking
page. Boosting on scores that were fitted on the same rows would trust them blindly, so for its own training rows each
score comes from a fit that left the row's stretch of time out: the rows, in time order, are cut into ``stretches``.
Nor do labels of the stopping window enter a score that decides when to stop: rows that are learned before it get
scores of fits on such rows alone, and the rows of the window get scores of one fit on all of them. Boosting on scores
that know the window's labels finds words worth learning in labels that are pure noise. What scores new posts is a fit
on every row. All of this happens inside ``fit`` of one predictor: labels outside its training part never enter.

Stacked generalisation: Wolpert, Neural Networks 5 (1992); per-author text models are this project's own addition.
"""

from __future__ import annotations

from pathlib import Path
from typing import Self

import numpy as np
import orjson
import polars as pl
from pydantic import Field

from popcast.core.pretrained.saved_files import read_arrays, read_json
from popcast.core.section import Section
from popcast.features.common.joined_text import TextField, verbatim_text, with_fields
from popcast.features.common.tfidf import kept_tfidf, new_tfidf, terms_of
from popcast.models.contract.stopping import Window

COLUMNS = ("scores.text", "scores.author_text")
LEVEL_STRENGTH = 5.0
"""Rows' worth of nothing in an author's level."""
WORDS = {"analyzer": "word", "ngram_range": (1, 2)}


class ScoreParams(Section):
    fields: list[TextField] = Field(["title"], min_length=1)
    min_df: int = Field(5, ge=1, description="posts that a term must occur in")
    max_features: int = Field(200_000, ge=1)
    alpha: float = Field(15.0, gt=0, description="ridge penalty over all posts")
    author_alpha: float = Field(3.0, gt=0, description="ridge penalty of an author's own model")
    author_posts: int = Field(50, ge=2, description="training posts that an author needs for an own model")
    stretches: int = Field(6, ge=2, description="of time, each scored by a fit on the others")
    centered: bool = Field(False, description="learn what words add to the author's own level, see author_levels")


class TextScores:
    """Vocabulary, one weight vector over all posts and a sparse one per author."""

    def __init__(self, params: ScoreParams) -> None:
        self.params = params
        self.vectorizer = None

    def fit(self, posts: pl.DataFrame, residual: np.ndarray, window: Window | None = None) -> pl.DataFrame:
        """Learn from rows in time order and return the two columns for these very rows, each left out of its fit.

        posts: ``user_id`` and the text fields. residual: float64 [n]. window: which rows decide when boosting stops;
        their labels are in no column of any row, and neither are those of rows set aside. Without a single common word
        all scores are null.
        """
        words = self._learn_words(posts)
        count = len(residual)
        if words is None:
            return self._frame(np.full((count, 2), np.nan))
        authors = posts["user_id"]
        columns = np.full((count, 2), np.nan)
        learn = np.arange(count) if window is None else np.flatnonzero(window.learn)
        stretches = np.array_split(learn, min(self.params.stretches, len(learn)))
        held_out = stretches if len(learn) >= 2 * self.params.stretches else []
        for asked in [*held_out, np.setdiff1d(np.arange(count), learn)]:
            rest = np.setdiff1d(learn, asked)
            if not len(asked) or not len(rest):
                continue
            beyond = self._beyond_levels(posts[rest], residual[rest])
            weights = self._solve(words[rest], beyond, self.params.alpha)
            columns[asked, 0] = _score(words[asked], *weights)
            own = self._author_weights(words[rest], beyond, authors[rest])
            columns[asked, 1] = _author_scores(words[asked], authors[asked], own)
        beyond = self._beyond_levels(posts, residual)
        self.weights = self._solve(words, beyond, self.params.alpha)
        self.author_weights = self._author_weights(words, beyond, authors)
        return self._frame(columns)

    def _beyond_levels(self, posts: pl.DataFrame, residual: np.ndarray) -> np.ndarray:
        """What of the residual [n] the words are asked to explain."""
        return residual - author_levels(posts, residual) if self.params.centered else residual

    def transform(self, posts: pl.DataFrame) -> pl.DataFrame:
        """The two columns (Float64) for any posts; null for an author without a model of its own."""
        if self.vectorizer is None or not posts.height:
            return self._frame(np.full((posts.height, 2), np.nan))
        words = self.vectorizer.transform(self._texts(posts)).tocsr()
        own = _author_scores(words, posts["user_id"], self.author_weights)
        return self._frame(np.column_stack([_score(words, *self.weights), own]))

    @staticmethod
    def _frame(columns: np.ndarray) -> pl.DataFrame:
        named = zip(COLUMNS, columns.T, strict=True)
        return pl.DataFrame({name: pl.Series(values).fill_nan(None) for name, values in named})

    def _texts(self, posts: pl.DataFrame) -> list[str]:
        return verbatim_text(posts, self.params.fields)

    def _learn_words(self, posts: pl.DataFrame):
        """TF-IDF [n, terms] of the training posts; None where they share no word."""
        vectorizer = new_tfidf(WORDS, min_df=self.params.min_df, max_features=self.params.max_features)
        try:
            words = vectorizer.fit_transform(self._texts(posts)).tocsr()
        except ValueError:  # scikit-learn's answer to posts without a single common word
            return None
        self.vectorizer = vectorizer
        return words

    @staticmethod
    def _solve(words, residual: np.ndarray, alpha: float) -> tuple[np.ndarray, float]:
        from sklearn.linear_model import Ridge

        model = Ridge(alpha=alpha, solver="sparse_cg", tol=1e-5).fit(words, residual)
        return model.coef_, float(model.intercept_)

    def _author_weights(self, words, residual: np.ndarray, authors: pl.Series) -> dict[str, tuple]:
        """author -> (term numbers, weights, intercept), over the terms that the author's posts use."""
        rows = pl.DataFrame({"author": authors, "row": np.arange(len(authors))}).drop_nulls()
        own: dict[str, tuple] = {}
        for (author,), group in rows.group_by(["author"], maintain_order=True):
            if group.height < self.params.author_posts:
                continue
            chosen = group["row"].to_numpy()
            part = words[chosen]
            terms = np.unique(part.indices)
            weights, intercept = self._solve(part[:, terms], residual[chosen], self.params.author_alpha)
            own[author] = (terms, weights, intercept)
        return own

    def save(self, folder: Path) -> None:
        """Write ``scores.json`` and ``scores.npz`` (no pickle)."""
        content: dict[str, object] = {"params": self.params.model_dump(), "terms": None}
        if self.vectorizer is not None:
            own = self.author_weights
            content |= {"terms": terms_of(self.vectorizer), "intercept": self.weights[1]}
            content |= {"authors": list(own), "intercepts": [intercept for *_, intercept in own.values()]}
            np.savez(
                folder / "scores.npz",
                idf=self.vectorizer.idf_,
                weights=self.weights[0],
                sizes=np.array([len(terms) for terms, *_ in own.values()], np.int64),
                author_terms=np.concatenate([np.empty(0, np.int64), *(terms for terms, *_ in own.values())]),
                author_weights=np.concatenate([np.empty(0), *(weights for _, weights, _ in own.values())]),
            )
        (folder / "scores.json").write_bytes(orjson.dumps(content))

    @classmethod
    def load(cls, folder: Path) -> Self:
        content = read_json(folder / "scores.json")
        scores = cls(ScoreParams.model_validate(content["params"]))
        if content["terms"] is None:
            return scores
        arrays = read_arrays(folder / "scores.npz")
        scores.vectorizer = kept_tfidf(WORDS, content["terms"], arrays["idf"])
        scores.weights = (arrays["weights"], content["intercept"])
        cuts = np.cumsum(arrays["sizes"])[:-1]
        terms, weights = np.split(arrays["author_terms"], cuts), np.split(arrays["author_weights"], cuts)
        authors = zip(content["authors"], content["intercepts"], strict=True)
        scores.author_weights = {a: (terms[i].astype(np.int64), weights[i], c) for i, (a, c) in enumerate(authors)}
        return scores


def author_levels(posts: pl.DataFrame, residual: np.ndarray) -> np.ndarray:
    """Level [n] of each row's author, and of the author's posts of that category, among these very rows.

    A start value that looks back knows little of an author's first posts: the residual still holds how large the author
    is, and words would be told to explain it ("recipe" is not popular, a large cooking page is). Means are shrunk to 0,
    and to the author's level, by ``LEVEL_STRENGTH`` rows.
    """
    rows = with_fields(posts, ["category"]).select("user_id", "category").with_columns(value=pl.Series(residual))

    def shrunk(value: pl.Expr, *by: str) -> pl.Expr:
        known = pl.all_horizontal(pl.col(by).is_not_null())
        return pl.when(known).then(value.sum().over(by) / (pl.len().over(by) + LEVEL_STRENGTH)).otherwise(0.0)

    rows = rows.with_columns(level=shrunk(pl.col("value"), "user_id"))
    rows = rows.with_columns(finer=shrunk(pl.col("value") - pl.col("level"), "user_id", "category"))
    return rows.select(pl.col("level") + pl.col("finer")).to_series().to_numpy()


def _score(words, weights: np.ndarray, intercept: float) -> np.ndarray:
    return words @ weights + intercept


def _author_scores(words, authors: pl.Series, own: dict[str, tuple]) -> np.ndarray:
    """Score of each row by its author's own model; NaN where there is none."""
    scores = np.full(len(authors), np.nan)
    rows = pl.DataFrame({"author": authors, "row": np.arange(len(authors))}).drop_nulls()
    for (author,), group in rows.group_by(["author"], maintain_order=True):
        if author in own:
            terms, weights, intercept = own[author]
            chosen = group["row"].to_numpy()
            scores[chosen] = words[chosen][:, terms] @ weights + intercept
    return scores

"""Text scores: what words say about popularity beyond a start value, as columns for a boosted ensemble.

Two ridge regressions over TF-IDF learn the residual ``target - start``: one over all posts (``scores.text``), one with
weights of each author's own (``scores.author_text``, see author_words.py): "recipe" means one thing on a news page and
another on a cooking page. Boosting on scores that were fitted on the same rows would trust them blindly, so for its
own training rows each score comes from a fit that left the row's stretch of time out: the rows, in time order, are cut
into ``stretches``. Nor do labels of the stopping window enter a score that decides when to stop: rows that are learned
before it get scores of fits on such rows alone, and the rows of the window get scores of one fit on all of them.
Boosting on scores that know the window's labels finds words worth learning in labels that are pure noise. What scores
new posts is a fit on every row. All of this happens inside ``fit`` of one predictor: labels outside its training part
never enter.

Stacked generalisation: Wolpert, Neural Networks 5 (1992); per-author text models are this project's own addition.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Self

import numpy as np
import orjson
import polars as pl
from pydantic import Field

from popcast.core.pretrained.saved_files import read_arrays, read_json
from popcast.core.section import Section
from popcast.features.common.joined_text import TextField, verbatim_text, with_fields
from popcast.features.common.tfidf import kept_tfidf, new_tfidf, terms_of
from popcast.models.contract.stopping import Window
from popcast.models.inputs.author_words import (
    AuthorWords,
    Together,
    Weights,
    joint_weights,
    own_weights,
    ridge,
)

COLUMNS = ("scores.text", "scores.author_text")
LEVEL_STRENGTH = 5.0
"""Rows' worth of nothing in an author's level."""
WORDS = {"analyzer": "word", "ngram_range": (1, 2)}
EVERY_MARK = r"(?u)\b\w+\b|[^\w\s]"
Moment = Literal["hour", "weekday", "category"]


class ScoreParams(Section):
    fields: list[TextField] = Field(["title"], min_length=1)
    marks: bool = Field(False, description="single letters, punctuation and emoji are terms too")
    besides: list[Moment] = Field(
        [], description="further terms: hour (UTC), weekday, category; authors have their own"
    )
    min_df: int = Field(5, ge=1, description="posts that a term must occur in")
    max_features: int = Field(200_000, ge=1)
    alpha: float = Field(15.0, gt=0, description="ridge penalty over all posts")
    authors: Together = Field("own", description="how an author's words are learned, see author_words.py")
    author_alpha: float = Field(3.0, gt=0, description="ridge penalty of an author's own model, or of the joint one")
    author_posts: int = Field(50, ge=2, description="of own: training posts that an author needs for an own model")
    author_terms: int = Field(2, ge=1, description="of joint: posts of an author that use a term it has a weight for")
    copies: float = Field(1.5, gt=0, description="of joint: weight of an author's copy of a term beside the shared one")
    stretches: int = Field(6, ge=2, description="of time, each scored by a fit on the others")
    centered: bool = Field(
        False, description="learn how far a post lies from its author's own level, see author_levels"
    )
    levels: bool = Field(
        False, description="authors without a past are forecast by words alone, see unknown_authors.py"
    )

    @property
    def tokens(self) -> dict[str, object]:
        """What is a term, in scikit-learn's words."""
        return WORDS | ({"token_pattern": EVERY_MARK} if self.marks else {})


class TextScores:
    """Vocabulary, one weight vector over all posts and sparse ones of authors."""

    def __init__(self, params: ScoreParams) -> None:
        self.params = params
        self.vectorizer = None
        self.level: Weights | None = None
        self._words = None

    def fit(
        self,
        posts: pl.DataFrame,
        residual: np.ndarray,
        window: Window | None = None,
        target: np.ndarray | None = None,
    ) -> pl.DataFrame:
        """Learn from rows in time order and return the two columns for these very rows, each left out of its fit.

        posts: ``user_id``, the text fields and those of ``besides``. residual: float64 [n], what is left to learn.
        target: float64 [n], what ``centered`` scores take the levels of, by default the residual: a start value that
        moves with each new label of an author is noise to a word. window: which rows decide when boosting stops;
        their labels are in no column of any row, and neither are those of rows set aside. Without a single common word
        all scores are null.
        """
        words = self._learn_words(posts) if self._words is None else self._words
        self._words = None
        count = len(residual)
        if words is None:
            return self._frame(np.full((count, 2), np.nan))
        authors = posts["user_id"]
        learned = target if self.params.centered and target is not None else residual
        columns = np.full((count, 2), np.nan)
        learn = np.arange(count) if window is None else np.flatnonzero(window.learn)
        stretches = np.array_split(learn, min(self.params.stretches, len(learn)))
        held_out = stretches if len(learn) >= 2 * self.params.stretches else []
        for asked in [*held_out, np.setdiff1d(np.arange(count), learn)]:
            rest = np.setdiff1d(learn, asked)
            if not len(asked) or not len(rest):
                continue
            beyond = self._beyond_levels(posts[rest], learned[rest])
            columns[asked, 0] = _score(words[asked], *ridge(words[rest], beyond, self.params.alpha))
            columns[asked, 1] = self._author_words(words[rest], beyond, authors[rest]).score(
                words[asked], authors[asked]
            )
        beyond = self._beyond_levels(posts, learned)
        self.weights = ridge(words, beyond, self.params.alpha)
        self.author_words = self._author_words(words, beyond, authors)
        return self._frame(columns)

    def learn_levels(self, posts: pl.DataFrame, target: np.ndarray, center: float) -> None:
        """With ``levels``, before :meth:`fit` on the same rows: what words say of the target [n] of any author."""
        self.level = None
        if self.params.levels and (words := self._learn_words(posts)) is not None:
            self._words = words
            self.level = ridge(words, target - center, self.params.alpha)

    def levels(self, posts: pl.DataFrame, center: float) -> np.ndarray:
        """``center`` plus what the words say [n], for posts of authors of whom nothing is known."""
        return center + _score(self.vectorizer.transform(self._texts(posts)).tocsr(), *self.level)

    def _beyond_levels(self, posts: pl.DataFrame, learned: np.ndarray) -> np.ndarray:
        """What of ``learned`` [n] the words are asked to explain."""
        return learned - author_levels(posts, learned) if self.params.centered else learned

    def transform(self, posts: pl.DataFrame) -> pl.DataFrame:
        """The two columns (Float64) for any posts; null for an author without a model of its own (``authors: own``)."""
        if self.vectorizer is None or not posts.height:
            return self._frame(np.full((posts.height, 2), np.nan))
        words = self.vectorizer.transform(self._texts(posts)).tocsr()
        own = self.author_words.score(words, posts["user_id"])
        return self._frame(np.column_stack([_score(words, *self.weights), own]))

    @staticmethod
    def _frame(columns: np.ndarray) -> pl.DataFrame:
        named = zip(COLUMNS, columns.T, strict=True)
        return pl.DataFrame({name: pl.Series(values).fill_nan(None) for name, values in named})

    def _texts(self, posts: pl.DataFrame) -> list[str]:
        texts = verbatim_text(posts, self.params.fields)
        if not self.params.besides:
            return texts
        return [f"{text} {more}" for text, more in zip(texts, moment_terms(posts, self.params.besides), strict=True)]

    def _learn_words(self, posts: pl.DataFrame):
        """TF-IDF [n, terms] of the training posts; None where they share no word."""
        vectorizer = new_tfidf(self.params.tokens, min_df=self.params.min_df, max_features=self.params.max_features)
        try:
            words = vectorizer.fit_transform(self._texts(posts)).tocsr()
        except ValueError:  # scikit-learn's answer to posts without a single common word
            return None
        self.vectorizer = vectorizer
        return words

    def _author_words(self, words, residual: np.ndarray, authors: pl.Series) -> AuthorWords:
        p = self.params
        if p.authors == "joint":
            return joint_weights(words, residual, authors, p.author_alpha, p.copies, p.author_terms)
        return own_weights(words, residual, authors, p.author_alpha, p.author_posts)

    def save(self, folder: Path) -> None:
        """Write ``scores.json`` and ``scores.npz`` (no pickle)."""
        content: dict[str, object] = {"params": self.params.model_dump(), "terms": None}
        if self.vectorizer is not None:
            own = self.author_words.own
            content |= {"terms": terms_of(self.vectorizer), "intercept": self.weights[1]}
            content |= {"authors": list(own), "intercepts": [intercept for *_, intercept in own.values()]}
            kept = {"idf": self.vectorizer.idf_, "weights": self.weights[0]}
            if self.level is not None:
                kept["level"] = np.append(*self.level)
            np.savez(folder / "scores.npz", **kept, **self.author_words.arrays())
        (folder / "scores.json").write_bytes(orjson.dumps(content))

    @classmethod
    def load(cls, folder: Path) -> Self:
        content = read_json(folder / "scores.json")
        scores = cls(ScoreParams.model_validate(content["params"]))
        if content["terms"] is None:
            return scores
        arrays = read_arrays(folder / "scores.npz")
        scores.vectorizer = kept_tfidf(scores.params.tokens, content["terms"], arrays["idf"])
        scores.weights = (arrays["weights"], content["intercept"])
        if "level" in arrays:
            scores.level = (arrays["level"][:-1], float(arrays["level"][-1]))
        scores.author_words = AuthorWords.from_arrays(arrays, content["authors"], content["intercepts"])
        return scores


def moment_terms(posts: pl.DataFrame, besides: list[Moment]) -> list[str]:
    """Terms such as "hour_is_13 weekday_is_5 category_is_photo" per post; nothing for what is not known.

    >>> from datetime import datetime, UTC
    >>> posts = pl.DataFrame({"posted_at": [datetime(2024, 3, 1, 13, tzinfo=UTC)], "category": ["Live video"]})
    >>> moment_terms(posts, ["hour", "weekday", "category"])
    ['hour_is_13 weekday_is_5 category_is_Live_video']
    """
    posts = with_fields(posts, ["category"])
    values = {
        "hour": pl.col("posted_at").dt.hour().cast(pl.String),
        "weekday": pl.col("posted_at").dt.weekday().cast(pl.String),
        "category": pl.col("category").cast(pl.String).str.replace_all(r"\W+", "_"),
    }
    terms = [pl.concat_str(pl.lit(f"{name}_is_"), values[name]) for name in besides]
    return posts.select(pl.concat_str(terms, separator=" ", ignore_nulls=True)).to_series().to_list()


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

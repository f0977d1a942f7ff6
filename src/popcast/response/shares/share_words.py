"""Softmax regression on the words of a post, on top of what its author usually gets; convex, so it has one answer.

TF-IDF of words or characters for all authors, and the same terms once more for each author with enough posts: "win"
means one thing on a page of sports and another on one of politics. Weights are penalised, not selected (L2). As in
``popcast.models.inputs.text_scores``, what boosting learns from comes from fits that left the row's stretch of time
out, and labels of the stopping window are in no score.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Self

import numpy as np
import polars as pl

from popcast.core import tables
from popcast.core.pretrained.saved_files import putting_together, read_json, read_tensors
from popcast.core.safety.whole_files import write_whole
from popcast.features.common.tfidf import kept_tfidf, new_tfidf, terms_of
from popcast.models.contract.stopping import Window
from popcast.response.shares.params import ShareWords

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

KINDS = {
    "word": {"analyzer": "word", "ngram_range": (1, 2)},
    "char": {"analyzer": "char", "ngram_range": (1, 3)},
}
LEAST_OF_AUTHOR = 4
"""An author's posts that a term must occur in for an own weight."""


def softmax(logits: np.ndarray) -> np.ndarray:
    """Shares [n, classes] of logits [n, classes].

    >>> softmax(np.zeros((1, 2))).tolist()
    [[0.5, 0.5]]
    """
    raised = np.exp(logits - logits.max(axis=1, keepdims=True))
    return raised / raised.sum(axis=1, keepdims=True)


class WordShares:
    """Vocabularies and weights [terms, classes]; :attr:`found` is False where texts share no term."""

    def __init__(self, params: ShareWords, classes: Sequence[str]) -> None:
        self.params, self.classes = params, list(classes)
        self.vectorizers: dict = {}
        self.author_terms: dict[str, np.ndarray] = {}
        self.weights = np.zeros((0, len(classes)))

    @property
    def found(self) -> bool:
        return bool(len(self.weights))

    def fit(
        self, items: pl.DataFrame, shares: np.ndarray, weights: np.ndarray, start: np.ndarray, window: Window | None
    ) -> np.ndarray:
        """Learn from n rows in time order; returns their scores [n, 2, classes], each row left out of its own fit.

        items: ``user_id`` and ``text``. shares: [n, classes]; weights: [n]; start: logits [n, classes] that the words
        change. window: which rows decide when boosting stops: their labels are in no score. Scores: of all words, and
        the author's own part of them; both 0 without any common term.
        """
        count = items.height
        scores = np.zeros((count, 2, len(self.classes)))
        terms = self._learn_terms(items["text"])
        if terms is None:
            return scores
        rows = self._with_authors(terms, items["user_id"], learn=True)
        learn = np.arange(count) if window is None else np.flatnonzero(window.learn)
        stretches = np.array_split(learn, self.params.stretches) if len(learn) >= 2 * self.params.stretches else []
        for asked in [*stretches, np.setdiff1d(np.arange(count), learn)]:
            rest = np.setdiff1d(learn, asked)
            if len(asked) and len(rest):
                solved = self._solve(rows[rest], shares[rest], weights[rest], start[rest])
                scores[asked] = self._parts(rows[asked], solved)
        self.weights = self._solve(rows, shares, weights, start)
        return scores

    def transform(self, items: pl.DataFrame) -> np.ndarray:
        """Scores [n, 2, classes] of any items, see :meth:`fit`."""
        if not self.found or not items.height:
            return np.zeros((items.height, 2, len(self.classes)))
        rows = self._with_authors(self._terms(items["text"]), items["user_id"], learn=False)
        return self._parts(rows, self.weights)

    def strongest(self, count: int = 10) -> pl.DataFrame:
        """The terms of all authors with the largest weights per class: ``class``, ``term``, ``weight``."""
        parts = [pl.DataFrame(schema={"class": pl.String, "term": pl.String, "weight": pl.Float64})]
        names = [f"{kind}:{term}" for kind, vectorizer in self.vectorizers.items() for term in terms_of(vectorizer)]
        for number, name in enumerate(self.classes if self.found else []):
            own = self.weights[: len(names), number]
            top = np.argsort(-own, kind="stable")[:count]
            parts.append(pl.DataFrame({"class": name, "term": [names[i] for i in top], "weight": own[top]}))
        return pl.concat(parts)

    def _learn_terms(self, texts: pl.Series) -> csr_matrix | None:
        p, self.vectorizers = self.params, {}
        for kind in KINDS if p.terms != "none" else ():
            if kind in p.terms.split("+"):
                try:
                    vectorizer = new_tfidf(KINDS[kind], min_df=p.min_df, max_features=p.max_features)
                    self.vectorizers[kind] = vectorizer.fit(texts.fill_null("").to_list())
                except ValueError:  # scikit-learn's answer to texts without a single common term
                    continue
        return self._terms(texts) if self.vectorizers else None

    def _terms(self, texts: pl.Series) -> csr_matrix:
        from scipy import sparse

        written = texts.fill_null("").to_list()
        return sparse.hstack([v.transform(written) for v in self.vectorizers.values()]).tocsr()

    def _with_authors(self, terms: csr_matrix, authors: pl.Series, learn: bool) -> csr_matrix:
        """``terms`` and to their right the own terms of every author, scaled so that one penalty serves both."""
        from scipy import sparse

        groups = pl.DataFrame({"author": authors, "row": np.arange(len(authors))}).drop_nulls()
        chosen = {a: g["row"].to_numpy() for (a,), g in groups.group_by(["author"], maintain_order=True)}
        least = self.params.author_posts
        if learn:
            self.author_terms = {}
            for author in sorted(a for a, rows in chosen.items() if least is not None and len(rows) >= least):
                used = np.bincount(terms[chosen[author]].indices, minlength=terms.shape[1])
                self.author_terms[author] = np.flatnonzero(used >= LEAST_OF_AUTHOR)
        scale = np.sqrt(self.params.penalty / self.params.author_penalty)
        width, parts = terms.shape[1], []
        for author, own in self.author_terms.items():
            rows = chosen.get(author, np.empty(0, np.int64))
            part = terms[rows][:, own].tocoo()
            parts.append((rows[part.row], width + part.col, part.data * scale))
            width += len(own)
        row, column, data = (np.concatenate(p) for p in zip(*parts, strict=True)) if parts else ([], [], [])
        own = sparse.csr_matrix((data, (row, column)), (terms.shape[0], width), dtype=np.float64)
        terms = sparse.csr_matrix((terms.data, terms.indices, terms.indptr), own.shape)
        return (terms + own).tocsr()

    def _common(self) -> int:
        return sum(len(vectorizer.idf_) for vectorizer in self.vectorizers.values())

    def _parts(self, rows: csr_matrix, weights: np.ndarray) -> np.ndarray:
        common = self._common()
        own = rows[:, common:] @ weights[common:]
        return np.stack([rows[:, :common] @ weights[:common] + own, own], axis=1)

    def _solve(self, rows: csr_matrix, shares: np.ndarray, weights: np.ndarray, start: np.ndarray) -> np.ndarray:
        """Weights [terms, classes] of least weighted cross-entropy plus penalty."""
        from scipy.optimize import minimize
        from threadpoolctl import threadpool_limits

        shape = (rows.shape[1], shares.shape[1])
        across = rows.T.tocsr()

        def loss(flat: np.ndarray) -> tuple[float, np.ndarray]:
            solved = flat.reshape(shape)
            logits = start + rows @ solved
            top = logits.max(axis=1, keepdims=True)
            logs = logits - top - np.log(np.exp(logits - top).sum(axis=1, keepdims=True))
            value = -(weights[:, None] * shares * logs).sum() + 0.5 * self.params.penalty * (flat @ flat)
            slope = across @ (weights[:, None] * (np.exp(logs) - shares)) + self.params.penalty * solved
            return float(value), slope.ravel()

        options = {"maxiter": self.params.iterations, "maxcor": 8}
        with threadpool_limits(1, "blas"):  # sums in one order, whatever the machine
            best = minimize(loss, np.zeros(shape[0] * shape[1]), jac=True, method="L-BFGS-B", options=options)
        return best.x.reshape(shape)

    def save(self, folder: Path) -> None:
        """Write ``words.json`` and ``words.safetensors``."""
        from safetensors.numpy import save

        sizes = np.array([len(own) for own in self.author_terms.values()], np.int64)
        own = np.concatenate([np.empty(0, np.int64), *self.author_terms.values()])
        arrays = {"weights": self.weights, "sizes": sizes, "author_terms": own}
        arrays |= {f"idf_{kind}": vectorizer.idf_ for kind, vectorizer in self.vectorizers.items()}
        terms = {kind: terms_of(vectorizer) for kind, vectorizer in self.vectorizers.items()}
        content = {"params": self.params.model_dump(), "classes": self.classes, "terms": terms}
        tables.write_json({**content, "authors": list(self.author_terms)}, folder / "words.json")
        write_whole(save({name: np.ascontiguousarray(a) for name, a in arrays.items()}), folder / "words.safetensors")

    @classmethod
    def load(cls, folder: Path) -> Self:
        content, arrays = read_json(folder / "words.json"), read_tensors(folder / "words.safetensors")
        with putting_together(folder / "words.json"):
            words = cls(ShareWords.model_validate(content["params"]), content["classes"])
            for kind in KINDS:  # the order of the columns, which JSON's sorted keys need not be
                if kind in content["terms"]:
                    words.vectorizers[kind] = kept_tfidf(KINDS[kind], content["terms"][kind], arrays[f"idf_{kind}"])
            own = np.split(arrays["author_terms"], np.cumsum(arrays["sizes"])[:-1])
            words.author_terms = {author: own[i] for i, author in enumerate(content["authors"])}
            words.weights = arrays["weights"]
        return words

"""An author's own words: what a term says about popularity when this author uses it.

Two ways. ``own``: each author with enough posts has a ridge regression of its own; others have no score. ``joint``: one
ridge regression over the terms and over a copy of them per author, so that an author's weight is what its posts say
beyond all posts' weight of the same term. An author of a hundred posts borrows from the rest what it cannot learn
alone, and an unknown author gets the shared weights.

The joint form is feature augmentation for domains: Daume III, Frustratingly Easy Domain Adaptation, ACL 2007, with
authors as domains; Ridge: Hoerl and Kennard, Technometrics 12 (1970).
"""

from __future__ import annotations

from typing import Literal, NamedTuple, Self

import numpy as np
import polars as pl

Together = Literal["own", "joint"]
Weights = tuple[np.ndarray, float]
"""One weight per term, and the intercept."""
JOINT_TOL = 1e-3
"""Of the solver; a hundredth of it took nearly twice as long on 123,349 posts, with the same error to four digits."""


class AuthorWords(NamedTuple):
    """Weights of terms per author, on top of shared ones where there are some."""

    shared: Weights | None
    own: dict[str, tuple[np.ndarray, np.ndarray, float]]
    """author -> (term numbers, weights, intercept)"""

    def score(self, words, authors: pl.Series) -> np.ndarray:
        """Score [n] of TF-IDF rows [n, terms]; NaN for an author without weights where nothing is shared."""
        scores = np.full(len(authors), np.nan) if self.shared is None else words @ self.shared[0] + self.shared[1]
        for author, chosen in rows_by_author(authors):
            if author in self.own:
                terms, weights, intercept = self.own[author]
                part = words[chosen][:, terms] @ weights + intercept
                scores[chosen] = part if self.shared is None else scores[chosen] + part
        return scores

    def arrays(self) -> dict[str, np.ndarray]:
        """Everything but the authors' names."""
        shared = {} if self.shared is None else {"shared": self.shared[0], "shared_intercept": np.array(self.shared[1])}
        return shared | {
            "sizes": np.array([len(terms) for terms, *_ in self.own.values()], np.int64),
            "author_terms": np.concatenate([np.empty(0, np.int64), *(terms for terms, *_ in self.own.values())]),
            "author_weights": np.concatenate([np.empty(0), *(weights for _, weights, _ in self.own.values())]),
        }

    @classmethod
    def from_arrays(cls, arrays: dict[str, np.ndarray], authors: list[str], intercepts: list[float]) -> Self:
        cuts = np.cumsum(arrays["sizes"])[:-1]
        terms, weights = np.split(arrays["author_terms"], cuts), np.split(arrays["author_weights"], cuts)
        named = zip(authors, intercepts, strict=True)
        own = {a: (terms[i].astype(np.int64), weights[i], c) for i, (a, c) in enumerate(named)}
        shared = (arrays["shared"], float(arrays["shared_intercept"])) if "shared" in arrays else None
        return cls(shared, own)


def rows_by_author(authors: pl.Series) -> list[tuple[str, np.ndarray]]:
    """Row numbers of each author, authors in order of their first row; rows without an author belong to nobody."""
    rows = pl.DataFrame({"author": authors, "row": np.arange(len(authors))}).drop_nulls()
    groups = rows.group_by(["author"], maintain_order=True)
    return [(author, group["row"].to_numpy()) for (author,), group in groups]


def ridge(words, residual: np.ndarray, alpha: float, tol: float = 1e-5) -> Weights:
    """Ridge regression of the residual [n] on sparse rows [n, terms]."""
    from sklearn.linear_model import Ridge

    model = Ridge(alpha=alpha, solver="sparse_cg", tol=tol).fit(words, residual)
    return model.coef_, float(model.intercept_)


def own_weights(words, residual: np.ndarray, authors: pl.Series, alpha: float, least: int) -> AuthorWords:
    """A regression per author of ``least`` posts or more, over the terms that the author's posts use."""
    own = {}
    for author, chosen in rows_by_author(authors):
        if len(chosen) < least:
            continue
        part = words[chosen]
        terms = np.unique(part.indices)
        own[author] = (terms, *ridge(part[:, terms], residual[chosen], alpha))
    return AuthorWords(None, own)


def joint_weights(
    words,
    residual: np.ndarray,
    authors: pl.Series,
    alpha: float,
    copies: float,
    least: int,
) -> AuthorWords:
    """One regression on the terms and a copy of them per author.

    copies: what the copies are multiplied by; above 1 an author's own words are cheaper to learn than shared ones.
    least: posts of an author that use a term before the author has a weight for it.
    """
    from scipy import sparse

    names, codes = np.unique(authors.fill_null("").to_numpy().astype(str), return_inverse=True)
    codes = np.where(authors.is_null().to_numpy(), -1, codes)
    cells = words.tocoo()
    known = codes[cells.row] >= 0
    keys = codes[cells.row[known]].astype(np.int64) * words.shape[1] + cells.col[known]
    kept, columns, uses = np.unique(keys, return_inverse=True, return_counts=True)
    often = uses >= least
    place = np.cumsum(often) - 1
    used = often[columns]
    crossed = sparse.csr_matrix(
        (cells.data[known][used] * copies, (cells.row[known][used], place[columns[used]])),
        shape=(words.shape[0], int(often.sum())),
    )
    weights, intercept = ridge(sparse.hstack([words, crossed]).tocsr(), residual, alpha, JOINT_TOL)
    shared, kept = weights[: words.shape[1]], kept[often]
    beyond = weights[words.shape[1] :] * copies
    owner, terms = kept // words.shape[1], kept % words.shape[1]
    cuts = np.searchsorted(owner, np.arange(len(names) + 1))
    own = {
        str(name): (terms[begin:end], beyond[begin:end], 0.0)
        for name, begin, end in zip(names, cuts[:-1], cuts[1:], strict=True)
        if end > begin
    }
    return AuthorWords((shared, intercept), own)

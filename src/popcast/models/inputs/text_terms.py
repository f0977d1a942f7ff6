"""TF-IDF of a post's own words: word 1-2-grams and character 3-5-grams within words, side by side.

Source: sheet mmra.md section 8. Files: ``vocabulary.json``, and an ``idf_<kind>`` among a predictor's arrays.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Self

import numpy as np
import orjson

from popcast.core.pretrained.saved_files import read_json
from popcast.features.common.tfidf import kept_tfidf, new_tfidf, terms_of

KINDS = {
    "word": {"analyzer": "word", "ngram_range": (1, 2)},
    "char": {"analyzer": "char_wb", "ngram_range": (3, 5)},
}
FILE = "vocabulary.json"


class TextTerms:
    """A vectoriser per kind of term; a kind of which the learned texts have no common term is left out."""

    def __init__(self) -> None:
        self.kinds: dict = {}

    def fit(self, texts: list[str], min_df: int) -> Self:
        """min_df: texts that a term must occur in."""
        self.kinds = {}
        for kind, settings in KINDS.items():
            try:
                self.kinds[kind] = new_tfidf(settings, min_df=min_df).fit(texts)
            except ValueError:  # scikit-learn's answer to texts without a single common term
                continue
        return self

    def transform(self, texts: list[str]):
        """Sparse rows [n, terms], words first. texts: at least one, for scikit-learn refuses an empty list.

        A text that comes again is read once: reasons and what-ifs ask about one text thousands of times.
        """
        from scipy import sparse

        places = {text: place for place, text in enumerate(dict.fromkeys(texts))}
        parts = [vectorizer.transform(places) for vectorizer in self.kinds.values()]
        found = sparse.hstack(parts).tocsr() if parts else sparse.csr_matrix((len(places), 0))
        return found if len(places) == len(texts) else found[[places[text] for text in texts]]

    @property
    def names(self) -> list[str]:
        """``<kind>:<term>`` of every column."""
        return [f"{kind}:{term}" for kind, vectorizer in self.kinds.items() for term in terms_of(vectorizer)]

    def save(self, folder: Path) -> dict[str, np.ndarray]:
        """Write ``vocabulary.json``; returns the arrays that the predictor keeps beside its own."""
        terms = {kind: terms_of(vectorizer) for kind, vectorizer in self.kinds.items()}
        (folder / FILE).write_bytes(orjson.dumps(terms))
        return {f"idf_{kind}": vectorizer.idf_ for kind, vectorizer in self.kinds.items()}

    @classmethod
    def load(cls, folder: Path, arrays: Mapping[str, np.ndarray]) -> Self:
        """Put back what :meth:`save` wrote and returned."""
        found = cls()
        for kind, terms in read_json(folder / FILE).items():
            found.kinds[kind] = kept_tfidf(KINDS[kind], terms, arrays[f"idf_{kind}"])
        return found

"""TF-IDF of texts that can be kept: a vocabulary in column order and one inverse frequency per term.

scikit-learn counts and weighs; counts are always sublinear, 1 + log(count). Nothing of it is ever pickled.
"""

from __future__ import annotations

from typing import Any

import numpy as np


def new_tfidf(settings: dict[str, Any], **limits: Any):
    """A vectoriser that has learned nothing. settings: of the n-grams; limits: ``min_df``, ``max_features``."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    return TfidfVectorizer(**settings, **limits, sublinear_tf=True)


def terms_of(vectorizer) -> list[str]:
    """The terms of a fitted vectoriser, in the order of its columns."""
    return vectorizer.get_feature_names_out().tolist()


def kept_tfidf(settings: dict[str, Any], terms: list[str], idf: np.ndarray):
    """The fitted vectoriser again. terms: from :func:`terms_of`; idf: its ``idf_`` [terms]."""
    vectorizer = new_tfidf(settings, vocabulary={term: i for i, term in enumerate(terms)})
    vectorizer.idf_ = idf
    return vectorizer

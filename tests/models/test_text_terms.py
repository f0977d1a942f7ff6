"""Word and character terms: kept exactly, and left out where texts share none."""

from __future__ import annotations

import numpy as np
import pytest

from popcast.models.inputs.text_terms import TextTerms

TEXTS = ["red cat sleeps", "red dog runs", "a cat runs", ""]


def test_kept_terms_give_the_same_numbers(tmp_path):
    terms = TextTerms().fit(TEXTS, min_df=2)
    again = TextTerms.load(tmp_path, terms.save(tmp_path))
    assert again.names == terms.names
    assert {"word:cat", "word:red", "char: ca"} <= set(terms.names)
    asked = [*TEXTS, "no such words"]
    assert np.array_equal(again.transform(asked).toarray(), terms.transform(asked).toarray())
    assert terms.transform(asked).shape == (5, len(terms.names))


@pytest.mark.parametrize("texts", [["", ""], ["one", "two"]])
def test_texts_without_a_common_term_leave_no_column(texts, tmp_path):
    terms = TextTerms().fit(texts, min_df=3)
    assert terms.names == []
    assert terms.transform(["one"]).shape == (1, 0)
    assert TextTerms.load(tmp_path, terms.save(tmp_path)).names == []

"""How far two labellers agree, such as words and emoticons on the same texts."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from sklearn.metrics import cohen_kappa_score, f1_score

from popcast.response.response_tables import SENTIMENTS
from popcast.response.sentiment import emoticons, lexicon


def agreement(real: Sequence[str], labelled: Sequence[str]) -> dict[str, float | int | None]:
    """n, accuracy, macro F1 over all three classes (absent: 0), weighted F1 and Cohen's kappa (null: one class only).

    >>> agreement(["positive", "negative"], ["positive", "positive"])["accuracy"]
    0.5
    """
    if not len(real):
        return {"n": 0, "accuracy": None, "macro_f1": None, "weighted_f1": None, "kappa": None}
    one_class = len({*real, *labelled}) == 1
    f1 = {
        kind: float(f1_score(real, labelled, labels=list(SENTIMENTS), average=kind, zero_division=0))
        for kind in ("macro", "weighted")
    }
    kappa = None if one_class else float(cohen_kappa_score(real, labelled, labels=list(SENTIMENTS)))
    return {
        "n": len(real),
        "accuracy": float(np.mean(np.asarray(real) == np.asarray(labelled))),
        "macro_f1": f1["macro"],
        "weighted_f1": f1["weighted"],
        "kappa": kappa,
    }


def words_against_emoticons(texts: Sequence[str]) -> dict[str, float | int | None]:
    """:func:`agreement` of the lexicon with emoticon labels, on texts with the emoticons removed.

    Texts without a classed emoticon, or without words besides, are left out. ``said_*``: how often each class was
    given by the lexicon, ``shown_*`` by emoticons.
    """
    shown, said = [], []
    for text in texts:
        label, rest = emoticons.polarity_of(text), emoticons.without(text)
        if label is not None and any(sign.isalpha() for sign in rest):
            shown.append(SENTIMENTS[label + 1])
            said.append(SENTIMENTS[lexicon.polarity_of(rest) + 1])
    counts = {f"shown_{name}": shown.count(name) for name in SENTIMENTS}
    return agreement(shown, said) | counts | {f"said_{name}": said.count(name) for name in SENTIMENTS}

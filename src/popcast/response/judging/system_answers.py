"""What a system answered, in the one form that all scores are made of: numbers per case.

A reference row that predicts shares stands there as votes that are split over the classes: its micro scores are what
drawing answers by those shares would give on average.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import polars as pl

from popcast.core.errors import bad_input
from popcast.response.judging import encoder_scores, text_overlap
from popcast.response.response_tables import SENTIMENTS


@dataclass(frozen=True)
class Scored:
    """Cases of one split that have a real text or label, sorted by case_id, with what is real about them.

    topics: code of each case's topic [n] into ``names``; labels: real class or -1 [n]; seen: the user is in training.
    """

    frame: pl.DataFrame
    topics: np.ndarray
    names: list[str]
    labels: np.ndarray
    seen: np.ndarray

    @property
    def real(self) -> np.ndarray:
        """Real classes as votes, [n, 3]."""
        return one_hot(self.labels)


@dataclass(frozen=True)
class Answers:
    """One system. votes: weight of each class per case [n, 3], rows sum to 1, or to 0 where no answer has a label.

    measures: name -> [n], NaN where undefined; facts: figures that are no mean over cases.
    """

    votes: np.ndarray
    measures: dict[str, np.ndarray] = field(default_factory=dict)
    facts: dict[str, float | int | None] = field(default_factory=dict)


def one_hot(classes: np.ndarray) -> np.ndarray:
    """Class codes [n] as votes [n, 3]; -1 is a row of zeros."""
    return (classes[:, None] == np.arange(len(SENTIMENTS))).astype(np.float64)


def class_codes(labels: Sequence[str | None]) -> np.ndarray:
    """Classes as places in ``SENTIMENTS``, -1 for None.

    >>> class_codes(["neutral", None]).tolist()
    [1, -1]
    """
    places = {None: -1} | {name: place for place, name in enumerate(SENTIMENTS)}
    return np.array([places[label] for label in labels], np.int64).reshape(-1)


def scored_cases(cases: pl.DataFrame, labels: Mapping[str, str | None], split: str) -> Scored:
    """Those of ``split`` with a text or a label. labels: case_id -> class."""
    seen = cases.filter(pl.col("split") == "train")["user_id"].unique().to_list()
    own = cases.filter(pl.col("split") == split).sort("case_id")
    classes = class_codes([labels.get(one) for one in own["case_id"]])
    kept = own["target_text"].is_not_null().to_numpy() | (classes >= 0)
    own, classes = own.filter(pl.Series(kept)), classes[kept]
    names, codes = np.unique(np.asarray(own["topic_id"].to_list(), object), return_inverse=True)
    return Scored(own, codes, [str(name) for name in names], classes, own["user_id"].is_in(seen).to_numpy())


def from_texts(
    scored: Scored, answers: pl.DataFrame, labels: Sequence[str | None], news: Mapping[str, str], encoder: str | None
) -> Answers:
    """Answers of a system: GENERATED rows of one system and split, their labels, and the news by topic_id.

    Several samples of a case are averaged. Rows of cases that are not scored are left out. Raises BadInput where a
    scored case has no answer: systems are compared on the same cases.
    """
    places = {case: place for place, case in enumerate(scored.frame["case_id"])}
    rows = np.array([places.get(case, -1) for case in answers["case_id"]], np.int64)
    missing = set(range(len(places))) - set(rows.tolist())
    if missing:
        system, case = answers["system"][0], scored.frame["case_id"][min(missing)]
        raise bad_input(f"system {system} has no answer for {len(missing)} of {len(places)} cases", value=case)
    kept = rows >= 0
    rows, made = rows[kept], answers.filter(pl.Series(kept))
    classes = class_codes(labels)[kept]
    real = [scored.frame["target_text"][row] or "" for row in rows.tolist()]
    told = [news.get(topic, "") for topic in made["topic_id"]]
    texts = made["text"].to_list()
    values = text_overlap.overlap(real, texts, told) | encoder_scores.similarity(real, texts, encoder)
    measures = {name: _averaged(rows, value, len(places)) for name, value in values.items()}
    cut_off = (made["finish_reason"] == "length").cast(pl.Float64).to_numpy()
    facts = {
        "answers": len(rows),
        "unlabelled": int((classes < 0).sum()),
        "cut_off": float(cut_off.mean()),
        "distinct_1": text_overlap.distinct(texts, 1),
        "distinct_2": text_overlap.distinct(texts, 2),
    }
    return Answers(averaged_votes(rows, classes, len(places)), measures, facts)


def from_shares(scored: Scored, shares: Mapping[str, Sequence[float]]) -> Answers:
    """A system that predicts shares: topic_id -> shares. Raises BadInput for a topic that it leaves out."""
    if missing := [name for name in scored.names if name not in shares]:
        raise bad_input(f"no predicted shares for {len(missing)} of {len(scored.names)} topics", value=missing[0])
    table = np.array([shares[name] for name in scored.names], np.float64).reshape(-1, len(SENTIMENTS))
    return Answers(table[scored.topics])


def averaged_votes(rows: np.ndarray, classes: np.ndarray, n: int) -> np.ndarray:
    """Votes of n cases [n, 3] from classes [m] of the cases ``rows`` [m]: each labelled one weighs alike."""
    known = classes >= 0
    cells = rows[known] * len(SENTIMENTS) + classes[known]
    counts = np.bincount(cells, minlength=n * len(SENTIMENTS)).reshape(n, len(SENTIMENTS)).astype(np.float64)
    return counts / np.maximum(counts.sum(1, keepdims=True), 1)


def _averaged(rows: np.ndarray, values: np.ndarray, n: int) -> np.ndarray:
    known = ~np.isnan(values)
    counts = np.bincount(rows[known], minlength=n)
    sums = np.bincount(rows[known], values[known], minlength=n)
    return np.divide(sums, counts, out=np.full(n, np.nan), where=counts > 0)

"""Answers that need no model, for every system to be measured by: uniform, prior, the users' own history, a copy."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise

import numpy as np
import polars as pl

from popcast.core.stable import stable_random
from popcast.response.judging.system_answers import Answers, Scored, averaged_votes, class_codes
from popcast.response.judging.text_overlap import normalised, tokens
from popcast.response.response_tables import GENERATED, SENTIMENTS

ROWS = ("uniform", "prior", "history", "copy", "noise_floor")
"""Names that no system may have."""


def uniform(scored: Scored) -> Answers:
    """Every class alike."""
    return Answers(np.full((len(scored.labels), len(SENTIMENTS)), 1 / len(SENTIMENTS)))


def prior(scored: Scored, training: np.ndarray) -> Answers | None:
    """Shares of the labels of all training cases, ``training`` [m] (-1: none); None: there are none."""
    counts = np.bincount(training[training >= 0], minlength=len(SENTIMENTS))
    if not counts.sum():
        return None
    return Answers(np.tile(counts / counts.sum(), (len(scored.labels), 1)))


def history(scored: Scored, labels: Mapping[str, str | None]) -> Answers:
    """Labels of the found history posts of each case, each post alike. labels: post_id -> class."""
    rows = np.repeat(np.arange(len(scored.labels)), scored.frame["history"].list.len().fill_null(0).to_numpy())
    posts = scored.frame["history"].explode(empty_as_null=False, keep_nulls=False).to_list()
    return Answers(averaged_votes(rows, class_codes([labels.get(post) for post in posts]), len(scored.labels)))


def copied(scored: Scored, cases: pl.DataFrame, topics: pl.DataFrame, seed: int) -> tuple[pl.DataFrame, list[str]]:
    """A training response to the training news that is nearest by BM25: GENERATED rows of ``copy``, their case_ids.

    Which of the responses to that news: by seed and case_id. No rows where no training response has a text.
    """
    training = cases.filter((pl.col("split") == "train") & pl.col("target_text").is_not_null()).sort("case_id")
    news = dict(topics.select("topic_id", "news_text").iter_rows())
    known = sorted(set(training["topic_id"]) & news.keys())
    if not known:
        return pl.DataFrame(schema={name: column.dtype for name, column in GENERATED.columns.items()}), []
    by_topic = {key[0]: group for key, group in training.group_by("topic_id", maintain_order=True)}
    nearest = _nearest([news.get(name, "") for name in scored.names], [news[name] for name in known])
    draws = stable_random(scored.frame["case_id"].to_list(), seed, "copy")
    rows, sources = [], []
    own = scored.frame.select("case_id", "topic_id", "split").iter_rows()
    for (case, topic, split), code, draw in zip(own, scored.topics.tolist(), draws.tolist(), strict=True):
        group = by_topic[known[nearest[code]]]
        place = int(draw * group.height)
        rows.append((case, topic, "copy", 0, split, group["target_text"][place], "end"))
        sources.append(group["case_id"][place])
    frame = pl.DataFrame(rows, schema=list(GENERATED.columns), orient="row")
    return frame.with_columns(pl.col("sample").cast(pl.Int16)), sources


def _nearest(queries: list[str], documents: list[str]) -> list[int]:
    """Place of the nearest document of each query, the first of equals; k1 1.5, b 0.75."""
    import bm25s

    index = bm25s.BM25(k1=1.5, b=0.75, method="lucene")
    index.index([_terms(text) for text in documents], show_progress=False)
    return [int(np.argmax(index.get_scores(terms))) if (terms := _terms(text)) else 0 for text in queries]


def _terms(text: str) -> list[str]:
    """Pairs of neighbouring characters of Chinese, and words of Latin; a text without either is one empty term."""
    found = tokens(normalised(text))
    pairs = [a + b for a, b in pairwise(found) if not (a + b).isascii()]
    return (pairs + [token for token in found if token.isascii()]) or [""]

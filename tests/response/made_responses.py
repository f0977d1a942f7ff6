"""Invented cases, topics and generated responses for the tests of judging."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl

from popcast.core import tables
from popcast.response.response_tables import CASES, GENERATED, SENTIMENTS, TOPICS

WORDS = {"negative": "太可怕了，难过", "neutral": "今天开会，路过", "positive": "太好了，支持"}
START = datetime(2024, 5, 1, tzinfo=UTC)


def topics(train: int = 6, test: int = 24) -> pl.DataFrame:
    """Generated topics t00, t01, ...; the first ``train`` are training ones, the rest test ones."""
    rows = [
        {
            "topic_id": f"t{i:02}", "hashtag": f"话题{i}",
            "news_text": f"新闻{i}：大桥{i % 4}今日通车，市民{i}前往参观",
            "news_time": START + timedelta(days=i), "author_id": None, "source": "manual",
            "split": "train" if i < train else "test",
        }
        for i in range(train + test)
    ]  # fmt: skip
    return tables.check(_typed(rows, TOPICS), TOPICS, "topics")


def cases(of: pl.DataFrame, each: int = 25, seed: int = 0) -> tuple[pl.DataFrame, dict[str, str | None]]:
    """Cases of generated topics whose real shares differ, and their labels. Every fifth user is in training too."""
    generator = np.random.default_rng(seed)
    rows, labels = [], {}
    for code, (topic, split) in enumerate(of.select("topic_id", "split").iter_rows()):
        shares = generator.dirichlet([1.0, 1.0, 1.0])
        for place, label in enumerate(generator.choice(3, size=each, p=shares).tolist()):
            case = f"{topic}-{place:03}"
            labels[case] = SENTIMENTS[label]
            rows.append(
                {
                    "case_id": case, "response_id": case, "topic_id": topic, "split": split,
                    "user_id": f"u{place}" if split == "train" or place % 5 == 0 else f"u{code}-{place}",
                    "target_text": f"#话题{code}# {WORDS[SENTIMENTS[label]]}{place}",
                    "target_time": START + timedelta(days=code + place % 4), "time_unknown": False,
                    "n_history": 10, "history": [f"h{place}-{k}" for k in range(5)], "bm25": [1.0] * 5,
                }
            )  # fmt: skip
    return tables.check(_typed(rows, CASES), CASES, "cases"), labels


def generated(of: pl.DataFrame, system: str, labels: dict[str, str | None], samples: int = 1) -> pl.DataFrame:
    """Texts in the sentiment that ``labels`` names, for all cases outside training."""
    rows = [
        {
            "case_id": case, "topic_id": topic, "system": system, "sample": sample, "split": split,
            "text": WORDS[labels[case]], "finish_reason": "end",
        }
        for case, topic, split in of.select("case_id", "topic_id", "split").iter_rows()
        if split != "train"
        for sample in range(samples)
    ]  # fmt: skip
    return tables.check(_typed(rows, GENERATED), GENERATED, "generated")


def _typed(rows: list[dict], schema) -> pl.DataFrame:
    types = {name: column.dtype for name, column in schema.columns.items()}
    return pl.DataFrame(rows, schema=types, orient="row")

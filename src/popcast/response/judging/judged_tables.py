"""Tables behind the pictures of responses: shares per topic, sentiment over time, means per topic, sample cases."""

from __future__ import annotations

import numpy as np
import polars as pl

from popcast.core.stable import stable_random
from popcast.response.judging import macro_metrics, micro_metrics
from popcast.response.judging.params import Judging
from popcast.response.judging.share_distances import normalised
from popcast.response.judging.system_answers import Answers, Scored
from popcast.response.response_tables import SENTIMENTS

NEWS_SHOWN = 200
"""Characters of a news text in the table of samples."""


def predicted_counts(scored: Scored, answers: Answers) -> np.ndarray:
    """Votes of each topic, [topics, 3]."""
    table = np.zeros((len(scored.names), len(SENTIMENTS)))
    np.add.at(table, scored.topics, answers.votes)
    return table


def tables(
    split: str,
    scored: Scored,
    systems: dict[str, Answers],
    real: np.ndarray,
    generated: pl.DataFrame,
    topics: pl.DataFrame,
    settings: Judging,
    seed: int,
) -> dict[str, pl.DataFrame]:
    """``topic_shares``, ``topic_means``, ``over_time`` and ``samples`` of one split.

    generated: rows of the split with a column ``label``. The system ``real`` holds what is real.
    """
    found = {
        "topic_shares": _topic_shares(scored, systems, real),
        "topic_means": _topic_means(scored, systems),
        "over_time": _over_time(scored, systems, settings.bucket),
        "samples": _samples(scored, generated, topics, settings.shown, seed),
    }
    return {name: table.select(pl.lit(split).alias("split"), pl.all()) for name, table in found.items()}


def _topic_shares(scored: Scored, systems: dict[str, Answers], real: np.ndarray) -> pl.DataFrame:
    """system, topic_id, n (weight of labelled responses), one column per class, jsd; judged topics only."""
    judged = real.sum(1) > 0
    parts = [_shares("real", scored, real, judged, np.zeros(len(real)))]
    for name, answers in systems.items():
        counts = predicted_counts(scored, answers)
        parts.append(_shares(name, scored, counts, judged, macro_metrics.per_topic(real, counts)["jsd"]))
    return pl.concat(parts)


def _shares(name: str, scored: Scored, counts: np.ndarray, judged: np.ndarray, jsd: np.ndarray) -> pl.DataFrame:
    columns = dict(zip(SENTIMENTS, normalised(counts).T, strict=True))
    frame = pl.DataFrame(
        {"topic_id": pl.Series(scored.names, dtype=pl.String), "n": counts.sum(1), **columns, "jsd": jsd}
    )
    return frame.filter(pl.Series(judged)).fill_nan(None).select(pl.lit(name).alias("system"), pl.all())


def _topic_means(scored: Scored, systems: dict[str, Answers]) -> pl.DataFrame:
    """system, topic_id, cases, labelled, means of all measures and sentiment metrics per topic."""
    parts = []
    for name, answers in systems.items():
        cells = (scored.real[:, :, None] * answers.votes[:, None, :]).reshape(-1, 9)
        frame = micro_metrics.per_topic(scored.frame["topic_id"], answers.measures, scored.labels, cells)
        parts.append(frame.select(pl.lit(name).alias("system"), pl.all()))
    return pl.concat(parts, how="diagonal_relaxed")


def _over_time(scored: Scored, systems: dict[str, Answers], bucket: str | None) -> pl.DataFrame:
    """system, topic_id, bucket (its start, UTC), n and one column per class: summed votes of labelled cases."""
    kept = scored.frame["target_time"].is_not_null().to_numpy() & (scored.labels >= 0)
    base = scored.frame.select("topic_id", pl.col("target_time").dt.truncate(bucket or "1d").alias("bucket"))
    sides = {"real": scored.real} | {name: answers.votes for name, answers in systems.items()}
    parts = []
    for name, votes in sides.items():
        frame = base.with_columns(pl.Series(one, column) for one, column in zip(SENTIMENTS, votes.T, strict=True))
        sums = (
            frame.filter(pl.Series(kept))
            .group_by("topic_id", "bucket")
            .agg(pl.sum(*SENTIMENTS))
            .sort("topic_id", "bucket")
        )
        parts.append(
            sums.select(
                pl.lit(name).alias("system"),
                "topic_id",
                "bucket",
                pl.sum_horizontal(*SENTIMENTS).alias("n"),
                *SENTIMENTS,
            )
        )
    return pl.concat(parts)


def _samples(scored: Scored, generated: pl.DataFrame, topics: pl.DataFrame, shown: int, seed: int) -> pl.DataFrame:
    """case_id, topic_id, hashtag, news, system, text, label of ``shown`` cases drawn by seed; first samples only."""
    draws = stable_random(scored.frame["case_id"].to_list(), seed, "shown")
    places = np.sort(np.argsort(draws, kind="stable")[:shown])
    codes = [None if code < 0 else SENTIMENTS[code] for code in scored.labels.tolist()]
    cases = scored.frame.with_columns(pl.Series("label", codes, pl.String))[places]
    real = cases.select("case_id", pl.lit("real").alias("system"), pl.col("target_text").alias("text"), "label")
    made = generated.filter((pl.col("sample") == 0) & pl.col("case_id").is_in(cases["case_id"].to_list()))
    both = pl.concat([real, made.select("case_id", "system", "text", "label").sort("case_id", "system")])
    about = topics.select("topic_id", "hashtag", pl.col("news_text").str.slice(0, NEWS_SHOWN).alias("news"))
    told = cases.select("case_id", "topic_id").join(about, on="topic_id", how="left")
    return told.join(both, on="case_id", how="left", maintain_order="left_right")

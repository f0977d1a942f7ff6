"""All figures of generated responses: micro, macro, reference rows, intervals, differences; and tables for pictures."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl

from popcast.core.errors import bad_input
from popcast.response.judging import (
    encoder_scores,
    judged_tables,
    macro_metrics,
    micro_metrics,
    reference_rows,
    response_intervals,
    text_overlap,
)
from popcast.response.judging.params import Judging
from popcast.response.judging.system_answers import (
    Answers,
    Scored,
    class_codes,
    from_shares,
    from_texts,
    scored_cases,
)
from popcast.response.response_tables import SENTIMENTS
from popcast.scoring.bootstrap import interval, paired_difference

JUDGED = ("valid", "test")
Figures = dict[str, float | int | str | None]


def score(
    cases: pl.DataFrame,
    generated: pl.DataFrame,
    real_labels: Mapping[str, str | None],
    labels_of_generated: Sequence[str | None],
    topics: pl.DataFrame,
    counts: pl.DataFrame | None,
    settings: Judging,
    seed: int,
    *,
    history_labels: Mapping[str, str | None] | None = None,
    shares: Mapping[str, pl.DataFrame] | None = None,
) -> tuple[Figures, dict[str, pl.DataFrame]]:
    """Flat figures ``<split>.<system>.<micro|macro|unseen>.<metric>``, and the tables of ``judged_tables``.

    cases, generated, topics: tables CASES, GENERATED, TOPICS. real_labels: case_id -> class, of training cases too;
    labels_of_generated: one per row of ``generated``, by the same labeller. counts: real reactions per topic (COUNTS,
    classes of SENTIMENTS) in place of the labels of cases, or None. history_labels: post_id -> class, for the row
    ``history``. shares: system -> SHARES with topic ids, for models that predict shares directly.

    Figures with an interval have ``_low`` and ``_high`` beside them; ``<split>.drawn`` says what was resampled. What is
    undefined is None. Raises BadInput for a system named like a reference row, or without answers to some cases.
    """
    named = sorted({*generated["system"].unique(), *(shares or {})})
    if taken := [name for name in named if name in reference_rows.ROWS or "." in name]:
        raise bad_input("a system has the name of a reference row, or a dot in it", value=taken[0])
    if len(labels_of_generated) != generated.height:
        raise bad_input(f"{len(labels_of_generated)} labels for {generated.height} generated responses")
    made = generated.with_columns(pl.Series("label", labels_of_generated, pl.String))
    training = cases.filter(pl.col("split") == "train")
    prior = class_codes([real_labels.get(one) for one in training["case_id"]])
    figures: Figures = {}
    tables: dict[str, list[pl.DataFrame]] = {}
    for split in JUDGED:
        scored = scored_cases(cases, real_labels, split)
        if not len(scored.labels):
            continue
        systems = _generated(scored, made.filter(pl.col("split") == split), topics, settings)
        for name, table in (shares or {}).items():
            systems[name] = from_shares(scored, dict(table.select("post_id", "shares").iter_rows()))
        own = list(systems)
        systems |= dict(_references(scored, cases, real_labels, history_labels, prior, topics, settings, seed))
        real = _real_counts(scored, counts, settings.least_cases)
        figures |= _figures(split, scored, systems, own, real, counts is not None, settings, seed)
        answered = made.filter(pl.col("split") == split)
        for name, table in judged_tables.tables(split, scored, systems, real, answered, topics, settings, seed).items():
            tables.setdefault(name, []).append(table)
    rounded = {key: round(value, 6) if isinstance(value, float) else value for key, value in figures.items()}
    return rounded, {name: pl.concat(parts, how="diagonal_relaxed") for name, parts in tables.items()}


def _generated(scored: Scored, made: pl.DataFrame, topics: pl.DataFrame, settings: Judging) -> dict[str, Answers]:
    news = dict(topics.select("topic_id", "news_text").iter_rows())
    found = {}
    for name in sorted(made["system"].unique()):
        own = made.filter(pl.col("system") == name).sort("case_id", "sample")
        found[name] = from_texts(scored, own, own["label"].to_list(), news, settings.encoder)
    return found


def _references(
    scored: Scored,
    cases: pl.DataFrame,
    labels: Mapping[str, str | None],
    history_labels: Mapping[str, str | None] | None,
    training: np.ndarray,
    topics: pl.DataFrame,
    settings: Judging,
    seed: int,
) -> Iterator[tuple[str, Answers]]:
    """The reference rows that can be made, but the noise floor."""
    yield "uniform", reference_rows.uniform(scored)
    if (prior := reference_rows.prior(scored, training)) is not None:
        yield "prior", prior
    if history_labels is not None:
        yield "history", reference_rows.history(scored, history_labels)
    frame, sources = reference_rows.copied(scored, cases, topics, seed)
    if frame.height:
        news = dict(topics.select("topic_id", "news_text").iter_rows())
        copied = [labels.get(one) for one in sources]
        yield "copy", from_texts(scored, frame, copied, news, settings.encoder)


def _real_counts(scored: Scored, counts: pl.DataFrame | None, least: int) -> np.ndarray:
    """Real counts of each topic [topics, 3]; zeros for a topic with fewer than ``least``."""
    if counts is None:
        table = np.zeros((len(scored.names), len(SENTIMENTS)))
        np.add.at(table, scored.topics, scored.real)
    else:
        known = dict(counts.select("post_id", "counts").iter_rows())
        table = np.array([known.get(name) or [0.0] * len(SENTIMENTS) for name in scored.names], np.float64)
    return table * (table.sum(1, keepdims=True) >= least)


def _figures(
    split: str,
    scored: Scored,
    systems: dict[str, Answers],
    own: list[str],
    real: np.ndarray,
    own_counts: bool,
    settings: Judging,
    seed: int,
) -> Figures:
    unit = response_intervals.unit(scored) if settings.resamples else None
    judged = real.sum(1) > 0
    figures: Figures = {
        f"{split}.cases": len(scored.labels),
        f"{split}.labelled": int((scored.labels >= 0).sum()),
        f"{split}.unseen_cases": int((~scored.seen).sum()),
        f"{split}.topics": len(scored.names),
        f"{split}.topics_judged": int(judged.sum()),
        f"{split}.drawn": unit,
    }
    points = {name: _points(scored, answers, real) for name, answers in systems.items()}
    draws = response_intervals.draws(scored, systems, real, own_counts, settings.resamples, seed)
    for name, found in draws.items():
        for key in response_intervals.MACRO:
            found[f"macro.{key}"] = response_intervals.centred(found[f"macro.{key}"], points[name][f"macro.{key}"])
    for name, found in points.items():
        for key, value in (found | _others(scored, systems[name], real, settings)).items():
            figures[f"{split}.{name}.{key}"] = value
            if key in draws.get(name, {}):
                figures |= _bounds(f"{split}.{name}.{key}", draws[name][key], settings.confidence)
    for first, second in _pairs(own, list(systems), settings.against):
        for key in draws.get(first, {}):
            for name, value in _difference(points, draws, first, second, key, settings.confidence).items():
                figures[f"{split}.{first}.vs_{second}.{key}.{name}"] = value
    names = [name for name, one in zip(scored.names, judged, strict=True) if one]
    floor = macro_metrics.noise_floor(real[judged], names, settings.halves, seed)
    return figures | {f"{split}.noise_floor.macro.{key}": value for key, value in floor.items()}


def _bounds(key: str, draws: np.ndarray, confidence: float) -> Figures:
    """``_low`` and ``_high`` of a figure; a distance that was moved is not below 0."""
    low, high = interval(draws, confidence) or (None, None)
    if low is not None and ".macro." in key:
        low = max(0.0, low)
    return {f"{key}_low": low, f"{key}_high": high}


def _points(scored: Scored, answers: Answers, real: np.ndarray) -> Figures:
    """``micro.*`` and ``macro.*`` of a system."""
    figures = _micro(scored, answers, np.ones(len(scored.labels), bool), "micro")
    macro = macro_metrics.across(real, judged_tables.predicted_counts(scored, answers))
    return figures | {f"macro.{key}": _plain(value) for key, value in macro.items()}


def _micro(scored: Scored, answers: Answers, kept: np.ndarray, part: str) -> Figures:
    """Means over the cases ``kept``; text measures only of systems that write."""
    cells = scored.real[kept].T @ answers.votes[kept]
    figures = {f"{part}.{key}": _plain(value) for key, value in micro_metrics.from_confusion(cells).items()}
    for key in (*text_overlap.MEASURES, *encoder_scores.MEASURES) if answers.measures else ():
        figures[f"{part}.{key}"] = _plain(micro_metrics.mean_over_cases(answers.measures[key][kept]))
    return figures


def _others(scored: Scored, answers: Answers, real: np.ndarray, settings: Judging) -> Figures:
    """Facts of a system, its scores for users that training does not know, and its trend."""
    figures: Figures = {f"micro.{key}": value for key, value in answers.facts.items()}
    if (~scored.seen).any():
        figures |= _micro(scored, answers, ~scored.seen, "unseen")
    if settings.bucket is not None:
        timed = scored.frame["target_time"].is_not_null().to_numpy()
        buckets = scored.frame["target_time"].dt.truncate(settings.bucket).dt.epoch("s").fill_null(0).to_numpy()
        judged = timed & (real.sum(1) > 0)[scored.topics]
        sides = scored.real[judged], answers.votes[judged]
        topics, least = scored.topics[judged], settings.bucket_cases
        figures["macro.trend"] = macro_metrics.trend(*sides, topics, buckets[judged], least) if judged.any() else None
    return figures


def _pairs(own: list[str], systems: list[str], against: Sequence[str] | None) -> list[tuple[str, str]]:
    """(system, what it is compared with): each pair of own systems once, and all with prior; or as told."""
    if against is not None:
        return [(one, other) for one in own for other in against if other in systems and other != one]
    pairs = [(one, other) for place, one in enumerate(own) for other in own[place + 1 :]]
    return pairs + [(one, "prior") for one in own if "prior" in systems]


def _difference(
    points: dict[str, Figures], draws: response_intervals.Draws, first: str, second: str, key: str, confidence: float
) -> Figures:
    """``difference``, ``low``, ``high`` and ``p`` of first minus second; {} where one lacks the metric."""
    one, other = points[first].get(key), points[second].get(key)
    bounds = paired_difference(draws[first][key], draws[second][key], confidence)
    if one is None or other is None or bounds is None:
        return {}
    return {"difference": one - other, "low": bounds[0], "high": bounds[1], "p": bounds[2]}


def _plain(value: Any) -> float | None:
    value = float(value)
    return None if np.isnan(value) else value

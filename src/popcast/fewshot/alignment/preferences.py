"""Preference pairs: two sampled answers per prompt, the one nearer to the truth is chosen.

Source: sheet multismpllm.md section 6 and equations 13 and 14. The answers stay the strings that the model wrote. A
prompt whose answers cannot be compared makes no pair and is counted by reason: one of them is empty, one is not a
number in range, or both are equally far off. Only what is left enters the largest and smallest error of equation 13:
one wild answer would make all weights equal. Both equations look at the pairs of one number of shots together.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import polars as pl
from pydantic import Field

from popcast.core.errors import BadInput
from popcast.core.section import Section

REASONS = ("empty", "not_a_score", "equal_errors")
"""Why a prompt makes no pair; the first that applies is counted."""


class Params(Section):
    """How answers are sampled and weighed (``llm.preferences``)."""

    alpha: float = Field(1.0, ge=0, description="equation 13: how fast the weight of an answer falls with its error")
    lam: float = Field(1.0, ge=0, description="equation 14: lambda, scale of the pair weights mu")
    delta: float = Field(0.1, gt=0, description="equation 14: a pair of equal weights gets mu = lam / delta")
    mu_max: float | None = Field(None, gt=0, description="largest mu; null: lam / delta")
    temperature: float = Field(1.0, gt=0, description="of sampling")
    dtype: Literal["auto", "bfloat16", "fast"] = Field("auto", description="of sampling, as in llm.decoding")


def two_answers(folder: Path, prompts: list[str], keys: list[str], params: Params, seed: int) -> list[list[str]]:
    """Two sampled answers per prompt, as the model of the folder wrote them. keys: of the random numbers, one each."""
    from popcast.lm import backbone, decoding

    model, tokenizer = backbone.load(folder)
    sampling = decoding.Params(temperature=params.temperature, dtype=params.dtype)
    return decoding.sample(model, tokenizer, prompts, keys, 2, sampling, seed)


def answer_weights(errors: np.ndarray, alpha: float) -> np.ndarray:
    """Equation 13, ``W = 10 exp(-alpha M / (M_max - M_min))`` [any shape]; 10 for all where no error differs.

    >>> answer_weights(np.array([0.0, 1.0, 2.0]), 1.0).round(4).tolist()
    [10.0, 6.0653, 3.6788]
    """
    spread = errors.max() - errors.min()
    if spread == 0:
        return np.full(errors.shape, 10.0)
    return 10.0 * np.exp(-alpha * errors / spread)


def pair_weights(chosen: np.ndarray, rejected: np.ndarray, params: Params) -> np.ndarray:
    """Equation 14, ``mu = lam / (W_c - W_r + delta)`` [pairs], at most ``mu_max``. chosen, rejected: W [pairs]."""
    mu = params.lam / (chosen - rejected + params.delta)
    return mu if params.mu_max is None else np.minimum(mu, params.mu_max)


def pairs(
    records: pl.DataFrame,
    prompts: Sequence[str],
    answers: Sequence[Sequence[str]],
    scores: tuple[float, float],
    params: Params,
) -> tuple[pl.DataFrame, dict[str, float]]:
    """The pairs of one number of shots (PAIRS), and what was counted.

    records: RECORDS, all of the same shots. prompts [records] and answers [records][2], in the order of the records.
    scores: smallest and largest score that counts. The counts: ``asked``, ``pairs``, one per reason of ``REASONS``,
    ``mu_mean`` and ``mu_max``. Raises BadInput where no pair is left.
    """
    from popcast.lm.decoding import parse

    shots = records["shots"].unique().to_list()
    if len(shots) != 1 or not len(records) == len(prompts) == len(answers):
        raise ValueError(f"one number of shots and two answers per record: got shots {shots}, {len(answers)} answers")
    counts: dict[str, float] = {"asked": records.height, "pairs": 0} | dict.fromkeys(REASONS, 0)
    rows = []
    for record, prompt, two in zip(records.iter_rows(named=True), prompts, answers, strict=True):
        found = _ranked(two, record["score"], lambda text: parse(text, *scores))
        if isinstance(found, str):
            counts[found] += 1
        else:
            rows.append((record["record_id"], record["record_id"], record["shots"], prompt, *found))
    if not rows:
        told = ", ".join(f"{reason} {counts[reason]}" for reason in REASONS)
        raise BadInput(
            f"preference pairs of {shots[0]} shots: none of {records.height} prompts has two answers that differ "
            f"in their error ({told}): expected at least one pair"
        )
    table = pl.DataFrame(
        rows,
        schema={"pair_id": pl.String, "record_id": pl.String, "shots": pl.Int8, "prompt": pl.String}
        | {"chosen": pl.String, "rejected": pl.String, "chosen_error": pl.Float64, "rejected_error": pl.Float64},
        orient="row",
    )
    weights = answer_weights(table.select("chosen_error", "rejected_error").to_numpy(), params.alpha)
    mu = pair_weights(weights[:, 0], weights[:, 1], params)
    counts |= {"pairs": table.height, "mu_mean": round(float(mu.mean()), 6), "mu_max": round(float(mu.max()), 6)}
    return table.with_columns(chosen_weight=weights[:, 0], rejected_weight=weights[:, 1], mu=mu), counts


def _ranked(two: Sequence[str], truth: float, parse) -> tuple[str, str, float, float] | str:
    """(chosen, rejected, their errors), or why they make no pair. Errors have the 6 places that scores have."""
    if any(not text.strip() for text in two):
        return "empty"
    values = [parse(text) for text in two]
    if None in values:
        return "not_a_score"
    (first, second), (a, b) = two, (round(abs(value - truth), 6) for value in values)
    if a == b:
        return "equal_errors"
    return (first, second, a, b) if a < b else (second, first, b, a)

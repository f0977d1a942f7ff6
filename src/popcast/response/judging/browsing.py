"""Cases of the test part for the page on which a person browses them: what was told, what was written, by whom.

``cases.json``: generated, stand_in, labeller, systems (in their order), topics ``{id, title, news, mixes}`` and cases
``{topic, alias, portrait, history, real, texts}``. ``mixes``: (who, shares of sentiments, how many labels). ``real``
and every entry of ``texts`` (system -> the first sample): ``{text, sentiment}``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import polars as pl

from popcast.core.stable import stable_random
from popcast.response.judging.share_distances import normalised
from popcast.response.response_tables import SENTIMENTS

TOPICS = 20
PER_TOPIC = 12
LEAST_MIX = 5
"""Labels that a bar of shares needs."""

Labels = Mapping[str, str | None]


def chosen_cases(cases: pl.DataFrame, seed: int) -> pl.DataFrame:
    """At most ``PER_TOPIC`` cases of each of the ``TOPICS`` test topics with most cases, drawn by seed."""
    test = cases.filter(pl.col("split") == "test")
    order = test.group_by("topic_id").len().sort(["len", "topic_id"], descending=[True, False]).head(TOPICS)
    test = test.join(order.select("topic_id"), on="topic_id", how="semi")
    chance = stable_random(test["case_id"].to_list(), seed, "browsed")
    drawn = test.with_columns(chance=pl.Series(chance, dtype=pl.Float64)).sort("chance", "case_id")
    return drawn.group_by("topic_id", maintain_order=True).head(PER_TOPIC).drop("chance").sort("topic_id", "case_id")


def mixes(labels: Mapping[str, list[str | None]], counts: np.ndarray | None) -> list[tuple[str, list[float], int]]:
    """Shares of each who has at least ``LEAST_MIX`` labels, in order; first the counts of all responses, if any."""
    found = []
    if counts is not None and counts.sum() > 0:
        found.append(("all responses, counted", normalised(counts).round(4).tolist(), int(counts.sum())))
    for who, of in labels.items():
        known = [label for label in of if label is not None]
        if len(known) >= LEAST_MIX:
            shares = [round(known.count(name) / len(known), 4) for name in SENTIMENTS]
            found.append((who, shares, len(known)))
    return found


def case(
    row: Mapping[str, Any], told: Mapping[str, Any], label: str | None, written: Mapping[str, tuple[str, str | None]]
) -> dict[str, Any]:
    """One case. row: of CASES; told: alias, portrait, history (texts); label: of the real text; written: by system."""
    return {
        "topic": row["topic_id"],
        "real": {"text": row["target_text"], "sentiment": label},
        "texts": {name: {"text": text, "sentiment": of} for name, (text, of) in written.items()},
        **told,
    }

"""Small made-up triggers and states of a simulation for tests: no audience took part."""

from __future__ import annotations

import numpy as np
import polars as pl

from popcast.core.tables import STATES, TRIGGERS, check
from popcast.simulation.records import ACTIONS, NO_FIELD, Trigger

AGENTS = 6
WORDS = ("warm", "cold", "funny", "dull", "useful", "loud", "kind", "odd", "bright", "slow", "calm", "new")


def make_triggers(post_ids: list[str], runs: list[int] | int = 1, shared: int = 0) -> pl.DataFrame:
    """TRIGGERS; the first ``shared`` posts have one line in common."""
    lines = [f"Post: number {0 if i < shared else i}" for i in range(len(post_ids))]
    counts = [runs] * len(post_ids) if isinstance(runs, int) else runs
    table = pl.DataFrame(
        {
            "post_id": post_ids,
            "trigger": [Trigger(line).key for line in lines],
            "line": lines,
            "runs": pl.Series(counts, dtype=pl.Int16),
        }
    )
    return check(table, TRIGGERS, "triggers")


def make_states(
    triggers: pl.DataFrame, epochs: int = 3, signal: dict[str, float] | None = None, noise: float = 0.3, seed: int = 0
) -> pl.DataFrame:
    """STATES of random attitudes; ``signal`` (by trigger, within 0..10) is what the mean attitude carries.

    Raw scores and words are random in any case. Nobody answers for the last trigger: no score, no text.
    """
    rng = np.random.default_rng(seed)
    keys = triggers.group_by("trigger").agg(pl.col("runs").max()).sort("trigger")
    rows = []
    for number, (trigger, runs) in enumerate(keys.iter_rows()):
        silent = number == keys.height - 1
        for run in range(runs):
            for epoch in range(epochs):
                level = rng.uniform(1, 9) if signal is None else signal[trigger]
                attitudes = np.clip(level + rng.normal(0, noise, AGENTS), 0, 10) * (0.0 if silent else 1.0)
                counts = np.zeros(len(ACTIONS), int) if silent else rng.multinomial(4, [0.2] * len(ACTIONS))
                text = NO_FIELD if silent else " ".join(rng.choice(WORDS, 8)) + "."
                rows.append(
                    {
                        "run": run,
                        "trigger": trigger,
                        "epoch": epoch,
                        "field_text": text,
                        "field_status": "kept" if silent else "ok",
                        "mean_attitude": float(attitudes.mean()),
                        "attitudes": attitudes.tolist(),
                        "n_ok": int(counts.sum()),
                        "mean_raw_score": None if silent else float(rng.uniform(0, 10)),
                        "share_interested": None if silent else float(rng.uniform(0, 1)),
                        **{f"n_{action}": int(count) for action, count in zip(ACTIONS, counts, strict=True)},
                        "field_prompt_tokens": None,
                        "field_output_tokens": None,
                    }
                )
    schema = {name: column.dtype for name, column in STATES.columns.items()}
    return check(pl.DataFrame(rows, schema=schema), STATES, "states")

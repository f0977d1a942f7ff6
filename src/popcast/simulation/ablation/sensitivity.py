"""How much the mean field depends on the rules of the numeric field (popsim.md 3.9): the stored scores, swept again.

Nobody is asked again, so this is what the rules alone change, not what personas who see another field would answer.
Scores are flat: ``sensitivity.<setting>.mean`` (mean attitude after the last epoch, mean over posts), ``.sd`` (over
posts), ``.shift`` (mean minus that of the rules in use) and ``.rank_correlation`` with the rules in use, over posts.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl

from popcast.scoring.metrics import spearman
from popcast.simulation.fields import RUN
from popcast.simulation.numeric_field import resweep
from popcast.simulation.params import Rules

SETTINGS: dict[str, dict[str, object]] = {
    "alpha_0_1": {"alpha": 0.1},
    "alpha_0_3": {"alpha": 0.3},
    "alpha_1": {"alpha": 1.0},
    "bound_0": {"bound": 0.0, "scale_bound": False},
    "bound_2": {"bound": 2.0, "scale_bound": False},
    "bound_10": {"bound": 10.0, "scale_bound": False},
    "core_weight_0": {"core_weight": 0.0},
    "core_weight_0_5": {"core_weight": 0.5},
    "core_weight_1": {"core_weight": 1.0},
    "reference": {"update": "reference"},
    "simultaneous": {"update": "simultaneous"},
}
"""Rules that differ from those in use in one thing."""
IN_USE = "in_use"
COLUMNS = ("run", "trigger", "epoch", "row", "status", "score")
"""Of REACTIONS, all that is needed here."""


def sensitivity(
    reactions: pl.DataFrame, triggers: pl.DataFrame, neighbours: Sequence[Sequence[int]], rules: Rules
) -> dict[str, float | None]:
    """Scores of every setting, see the head of this module.

    reactions: ``COLUMNS`` of REACTIONS; run 0 is used. triggers: TRIGGERS of the posts in question. neighbours: rows
    of each persona's neighbours. rules: those in use.
    """
    first = triggers.with_columns(runs=pl.lit(RUN + 1, pl.Int16))
    own = reactions.filter(pl.col("run") == RUN).join(first.select("trigger").unique(), on="trigger", how="semi")
    usual = _last(own, first, neighbours, rules)
    found: dict[str, float | None] = {}
    for name, change in {IN_USE: {}, **SETTINGS}.items():
        other = rules.model_copy(update=change)
        values = usual if other == rules else _last(own, first, neighbours, other)
        rank = float(spearman(usual, values))
        found |= {
            f"sensitivity.{name}.mean": float(values.mean()),
            f"sensitivity.{name}.sd": float(values.std()),
            f"sensitivity.{name}.shift": float(values.mean() - usual.mean()),
            f"sensitivity.{name}.rank_correlation": None if np.isnan(rank) else rank,
        }
    return found


def _last(reactions: pl.DataFrame, triggers: pl.DataFrame, neighbours: Sequence[Sequence[int]], rules: Rules):
    """Mean attitude of each post after the last epoch, float64 [posts], in the order of ``triggers``."""
    swept = resweep(reactions, triggers, neighbours, rules)
    last = swept.filter(pl.col("epoch") == swept["epoch"].max())
    return triggers.join(last, on="trigger", how="left", maintain_order="left")["mean_attitude"].to_numpy()

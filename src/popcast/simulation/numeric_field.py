"""The numeric mean field on arrays: many posts at once, bit for bit what the Mesa model finds (popsim.md 3.9).

For questions after a simulation, such as how the field would stand with another confidence bound: scores of the
reactions are swept again, without personas being asked again. Nothing here imports Mesa.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl

from popcast.simulation.params import Rules

Neighbours = Sequence[Sequence[int]]


def confidence_bound(rules: Rules) -> float:
    """Distance on the 0-10 scale below which others are listened to."""
    return rules.bound * 10 if rules.scale_bound else rules.bound


def mean_attitudes(attitudes: np.ndarray) -> np.ndarray:
    """Mean field [P] of attitudes [P, N], summed as ``numpy.mean`` sums one row."""
    return np.ascontiguousarray(attitudes, dtype=np.float64).mean(axis=1)


def sweep(attitudes: np.ndarray, scores: np.ndarray, neighbours: Neighbours, rules: Rules) -> np.ndarray:
    """One epoch of the numeric field for P posts.

    attitudes: [P, N] before the epoch. scores: [P, N] of the personas that answered, NaN elsewhere. neighbours: rows,
    ascending, of each of N personas. Returns the attitudes [P, N] after mirroring the scores and one Deffuant sweep in
    order of rows: in place, or from the state before where ``rules.update`` is ``simultaneous``.
    """
    asked = ~np.isnan(scores).T
    before = np.ascontiguousarray(np.where(asked, scores.T, attitudes.T), dtype=np.float64)
    after = before if rules.update == "reference" else np.empty_like(before)
    bound = confidence_bound(rules)
    for row, friends in enumerate(neighbours):
        own = before[row]
        near_sum, core_sum = np.zeros_like(own), np.zeros_like(own)
        near, core = np.zeros(len(own), dtype=np.int64), np.zeros(len(own), dtype=np.int64)
        for friend in friends:
            distance = before[friend] - own
            listened = np.abs(distance) < bound
            near += listened
            near_sum += np.where(listened, distance, 0.0)
            core += asked[friend]
            core_sum += np.where(asked[friend], distance, 0.0)
        shift = near_sum / np.maximum(near, 1)
        mixed = (1 - rules.core_weight) * shift + rules.core_weight * (core_sum / np.maximum(core, 1))
        after[row] = np.clip(own + rules.alpha * np.where(core > 0, mixed, shift), 0.0, 10.0)
    return np.ascontiguousarray(after.T)


def replay(
    reactions: pl.DataFrame, triggers: pl.DataFrame, neighbours: Neighbours, rules: Rules
) -> tuple[pl.DataFrame, np.ndarray]:
    """Sweep the scores of a simulation again.

    reactions: REACTIONS. triggers: TRIGGERS, which says how many runs each line has. Of ``rules`` those of the sweep
    count: alpha, bound, scale_bound, core_weight, update; who was asked stays as it was. Returns the simulations
    (columns run, trigger; P rows, sorted) and attitudes [epochs, P, N] after each epoch.
    """
    runs = triggers.group_by("trigger").agg(pl.col("runs").max())
    keys = (
        runs.select("trigger", run=pl.int_ranges(pl.col("runs"), dtype=pl.Int16))
        .explode("run", empty_as_null=False)
        .select("run", "trigger")
        .sort("run", "trigger")
    )
    answered = reactions.filter(pl.col("status") == "ok").join(keys.with_row_index("place"), on=["run", "trigger"])
    epochs = int(reactions["epoch"].max()) + 1 if len(reactions) else 0
    shape = (len(keys), len(neighbours))
    attitudes, states = np.zeros(shape), np.empty((epochs, *shape))
    for epoch in range(epochs):
        now = answered.filter(pl.col("epoch") == epoch)
        scores = np.full(shape, np.nan)
        scores[now["place"].to_numpy(), now["row"].to_numpy()] = now["score"].to_numpy()
        states[epoch] = attitudes = sweep(attitudes, scores, neighbours, rules)
    return keys, states


def resweep(reactions: pl.DataFrame, triggers: pl.DataFrame, neighbours: Neighbours, rules: Rules) -> pl.DataFrame:
    """Mean attitudes under other rules, see :func:`replay`: columns run, trigger, epoch, mean_attitude, sorted."""
    keys, states = replay(reactions, triggers, neighbours, rules)
    means = [
        keys.with_columns(
            epoch=pl.lit(epoch, dtype=pl.Int8), mean_attitude=pl.Series(mean_attitudes(state), dtype=pl.Float64)
        )
        for epoch, state in enumerate(states)
    ]
    schema = {"run": pl.Int16, "trigger": pl.String, "epoch": pl.Int8, "mean_attitude": pl.Float64}
    return pl.concat([pl.DataFrame(schema=schema), *means]).sort("run", "trigger", "epoch")

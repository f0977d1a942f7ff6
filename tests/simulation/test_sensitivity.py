"""Sensitivity of the mean field: stored scores swept again under other rules, against hand-made cases."""

import polars as pl
import pytest

from popcast.core.tables import REACTIONS, check
from popcast.simulation.ablation.sensitivity import SETTINGS, sensitivity
from popcast.simulation.params import Rules
from tests.simulation.states import make_triggers

NEIGHBOURS = ((1, 2), (0, 2, 3), (0, 1), (1, 4), (3,))
"""The toy graph of popsim.md 3.10."""


def make_reactions(triggers: pl.DataFrame, scores: list[dict[int, int]]) -> pl.DataFrame:
    """REACTIONS of one epoch: ``scores`` per trigger in the order of the table: row -> score."""
    rows = [
        {"run": run, "trigger": trigger, "epoch": 0, "slot": slot, "row": row, "status": "ok", "attempts": 1,
         "action": "like", "score": score}
        for run in range(2)
        for trigger, of in zip(triggers["trigger"], scores, strict=True)
        for slot, (row, score) in enumerate(sorted(of.items()))
    ]  # fmt: skip
    schema = {name: column.dtype for name, column in REACTIONS.columns.items()}
    return check(pl.DataFrame(rows, schema=schema), REACTIONS, "reactions")


@pytest.fixture(scope="module")
def found():
    triggers = make_triggers(["a", "b", "c"], runs=2)
    reactions = make_reactions(triggers, [{0: 8, 3: 2}, {0: 9, 3: 9}, {1: 1, 4: 0}])
    other_run = pl.when(pl.col("run") == 1).then(pl.lit(10, pl.Int8)).otherwise("score").alias("score")
    return sensitivity(reactions.with_columns(other_run), triggers[:2], NEIGHBOURS, Rules())


def test_rules_in_use_give_the_golden_toy(found):
    # popsim.md 3.10: [8, 2.4, 3.84, 2.24, 1.0752] after one epoch of the first post; the second by the same equations
    triggers = make_triggers(["a"], runs=1)
    alone = sensitivity(make_reactions(triggers, [{0: 8, 3: 2}]), triggers, NEIGHBOURS, Rules())
    assert alone["sensitivity.in_use.mean"] == pytest.approx((8 + 2.4 + 3.84 + 2.24 + 1.0752) / 5, abs=1e-12)
    assert alone["sensitivity.simultaneous.mean"] == pytest.approx((8 + 2.4 + 3.84 + 2 + 0.96) / 5, abs=1e-12)
    assert alone["sensitivity.in_use.rank_correlation"] is None  # one post has no ranks
    assert found["sensitivity.in_use.mean"] > alone["sensitivity.in_use.mean"]


def test_every_setting_is_compared_with_the_rules_in_use(found):
    assert len(found) == 4 * (1 + len(SETTINGS))
    assert found["sensitivity.in_use.shift"] == 0.0
    assert found["sensitivity.in_use.rank_correlation"] == pytest.approx(1.0)
    assert found["sensitivity.reference.mean"] == found["sensitivity.in_use.mean"]
    for name in SETTINGS:
        shift = found[f"sensitivity.{name}.mean"] - found["sensitivity.in_use.mean"]
        assert found[f"sensitivity.{name}.shift"] == pytest.approx(shift, abs=1e-12)
    assert found["sensitivity.core_weight_0.mean"] < found["sensitivity.in_use.mean"]
    assert found["sensitivity.alpha_0_1.mean"] < found["sensitivity.alpha_0_3.mean"] < found["sensitivity.in_use.mean"]

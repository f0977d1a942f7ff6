"""Preference pairs: equations 13 and 14 by hand, what is dropped and why, strings unchanged."""

import math

import numpy as np
import polars as pl
import pytest

from popcast.core import tables
from popcast.core.errors import BadInput
from popcast.fewshot.alignment.preferences import Params, answer_weights, pair_weights, pairs

SCORES = (1.0, 16.99)


def records(scores: list[float], shots: int = 3) -> pl.DataFrame:
    rows = range(len(scores))
    return pl.DataFrame(
        {
            "record_id": [f"pool-preference-{shots}-p{i}" for i in rows],
            "draw": "pool",
            "role": "preference",
            "shots": pl.Series([shots] * len(scores), dtype=pl.Int8),
            "user_id": [f"u{i}" for i in rows],
            "history": [[f"h{i}"] for i in rows],
            "target": [f"p{i}" for i in rows],
            "score": scores,
        }
    )


def made(scores, answers, **params):
    prompts = [f"prompt {i}\n" for i in range(len(scores))]
    return pairs(records(scores), prompts, answers, SCORES, Params(**params))


def test_pairs_by_hand():
    """Errors 0.5, 2 and 1, 3: M_max - M_min = 2.5."""
    table, counts = made([7.0, 5.0], [["9.00", "7.50"], ["6.00", "2.00"]], alpha=1.0, lam=2.0, delta=0.1)
    tables.check(table, tables.PAIRS, "pairs")
    first, second = table.rows(named=True)
    assert (first["pair_id"], first["prompt"]) == ("pool-preference-3-p0", "prompt 0\n")
    assert (first["chosen"], first["rejected"]) == ("7.50", "9.00")
    assert (first["chosen_error"], first["rejected_error"]) == (0.5, 2.0)
    assert (second["chosen"], second["rejected"]) == ("6.00", "2.00")
    # 10 exp(-0.2), 10 exp(-0.8), 10 exp(-0.4), 10 exp(-1.2)
    assert first["chosen_weight"] == pytest.approx(8.187308, abs=1e-6)
    assert first["rejected_weight"] == pytest.approx(4.493290, abs=1e-6)
    assert second["chosen_weight"] == pytest.approx(6.703200, abs=1e-6)
    assert second["rejected_weight"] == pytest.approx(3.011942, abs=1e-6)
    # 2 / (3.694018 + 0.1) and 2 / (3.691258 + 0.1)
    assert first["mu"] == pytest.approx(0.527146, abs=1e-6)
    assert second["mu"] == pytest.approx(0.527530, abs=1e-6)
    assert counts == {"asked": 2, "pairs": 2, "empty": 0, "not_a_score": 0, "equal_errors": 0,
                      "mu_mean": 0.527337, "mu_max": 0.527529}  # fmt: skip


def test_dropped_by_reason():
    answers = [["7.00", ""], [" ", "x"], ["7.00", "about 7"], ["17.00", "7.00"], ["6.50", "7.50"], ["7.00", "8.00"]]
    table, counts = made([7.0] * 6, answers)
    assert table["pair_id"].to_list() == ["pool-preference-3-p5"]
    assert [counts[name] for name in ("asked", "pairs", "empty", "not_a_score", "equal_errors")] == [6, 1, 2, 2, 1]


def test_equal_errors_that_floats_tell_apart():
    """|7.13 - 7.015| and |6.90 - 7.015| differ in the last bit only."""
    assert abs(7.13 - 7.015) != abs(6.9 - 7.015)
    _, counts = made([7.015, 7.0], [["7.13", "6.90"], ["7.00", "8.00"]])
    assert counts["equal_errors"] == 1


def test_wild_answer_changes_no_weight():
    """An answer out of range is gone before the largest error is taken."""
    answers = [["7.10", "7.90"], ["6.00", "4.00"]]
    plain, _ = made([7.0, 7.0], answers)
    wild, counts = made([7.0, 7.0, 7.0], [*answers, ["999.99", "7.00"]])
    assert counts["not_a_score"] == 1
    assert wild.equals(plain)


def test_near_tie_weighs_more_and_is_clipped():
    scores, answers = [7.0, 7.0], [["7.00", "7.01"], ["7.00", "12.00"]]
    free, _ = made(scores, answers)
    clipped, counts = made(scores, answers, mu_max=3.0)
    assert free["mu"][0] > 3.0 > free["mu"][1]
    assert clipped["mu"].to_list() == [3.0, free["mu"][1]]
    assert counts["mu_max"] == 3.0


def test_all_errors_equal():
    weights = answer_weights(np.array([0.7, 0.7]), 1.0)
    assert weights.tolist() == [10.0, 10.0]
    assert pair_weights(weights[:1], weights[1:], Params(lam=2.0, delta=0.1)).tolist() == [20.0]


def test_alpha_zero_is_dpop():
    table, _ = made([7.0, 5.0], [["9.00", "7.50"], ["6.00", "2.00"]], alpha=0.0, lam=1.0, delta=0.5)
    assert table["mu"].to_list() == [2.0, 2.0]


def test_weight_falls_with_the_error():
    weights = answer_weights(np.array([[0.0, 5.0], [1.0, 2.0]]), 2.0)
    assert weights[0, 0] == 10.0
    assert weights[0, 1] == pytest.approx(10 * math.exp(-2))
    assert weights[1, 0] > weights[1, 1]


def test_no_pair_left():
    with pytest.raises(BadInput, match=r"3 shots: none of 2 prompts .*empty 0, not_a_score 1, equal_errors 1") as error:
        made([7.0, 7.0], [["x", "7.00"], ["6.00", "6.00"]])
    assert "\n" not in str(error.value)

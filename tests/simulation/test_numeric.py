"""The sweep over arrays against the Mesa model, bit for bit, and simulations swept again under other rules."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from popcast.simulation.model import AudienceModel
from popcast.simulation.numeric_field import confidence_bound, mean_attitudes, replay, resweep, sweep
from popcast.simulation.params import Rules
from tests.simulation.audience import (
    PUBLISHED_CORES,
    PUBLISHED_MEANS,
    TOY,
    population_of,
    published,
    random_neighbours,
    run_cores,
)


def scores_of(core: dict[int, int], n: int) -> np.ndarray:
    scores = np.full(n, np.nan)
    scores[list(core)] = list(core.values())
    return scores


def random_cores(rng: np.random.Generator, n: int, epochs: int) -> list[dict[int, int]]:
    """Per epoch zero to all of the personas, with scores; ties and zeros are frequent."""
    return [
        {int(row): int(rng.integers(0, 11)) for row in rng.permutation(n)[: rng.integers(0, n + 1)]}
        for _ in range(epochs)
    ]


RULES = [
    {},
    {"update": "simultaneous"},
    {"bound": 0.45, "scale_bound": True},
    {"bound": 0.45, "scale_bound": True, "update": "simultaneous"},
    {"alpha": 1.0, "core_weight": 1.0, "bound": 10.0},
    {"alpha": 0.3, "core_weight": 0.0, "bound": 3.7, "update": "simultaneous"},
    {"alpha": 1.0, "core_weight": 0.8, "bound": 11.0},
]


@pytest.mark.parametrize("update", RULES, ids=str)
def test_sweep_is_the_mesa_model_bit_for_bit(update):
    rng = np.random.default_rng(11)
    n, epochs, posts = 25, 4, 12
    neighbours = random_neighbours(n, 7)
    rules = Rules(sample=n, epochs=epochs, **update)
    model = AudienceModel(population_of(neighbours), rules)
    cores = [random_cores(rng, n, epochs) for _ in range(posts)]
    expected = [run_cores(model, post, f"Post: {number}") for number, post in enumerate(cores)]
    attitudes = np.zeros((posts, n))
    for epoch in range(epochs):
        scores = np.stack([scores_of(post[epoch], n) for post in cores])
        attitudes = sweep(attitudes, scores, neighbours, rules)
        assert attitudes.tobytes() == np.array([states[epoch].attitudes for states in expected]).tobytes()
        assert mean_attitudes(attitudes).tolist() == [states[epoch].mean_attitude for states in expected]
        assert attitudes.min() >= 0
        assert attitudes.max() <= 10


def test_a_post_alone_is_as_in_company():
    rng = np.random.default_rng(3)
    neighbours = random_neighbours(30, 5)
    attitudes = rng.uniform(0, 10, (9, 30))
    scores = np.where(rng.random((9, 30)) < 0.3, rng.integers(0, 11, (9, 30)), np.nan)
    together = sweep(attitudes, scores, neighbours, Rules(bound=4.0))
    alone = [sweep(attitudes[[post]], scores[[post]], neighbours, Rules(bound=4.0))[0] for post in range(9)]
    assert together.tobytes() == np.stack(alone).tobytes()
    assert mean_attitudes(together).tolist() == [float(np.mean(row)) for row in alone]


def test_inputs_stay_as_they_were():
    attitudes, scores = np.ones((2, 5)), np.full((2, 5), np.nan)
    scores[0, 0] = 8
    before = attitudes.copy(), scores.copy()
    sweep(attitudes, scores, TOY, Rules())
    assert attitudes.tobytes() == before[0].tobytes()
    assert scores.tobytes() == before[1].tobytes()


def test_published_sample_bit_for_bit(shared_data):
    population, states = published(shared_data("popsim-sample"))
    attitudes, means = np.zeros((1, 100)), []
    for core, known in zip(PUBLISHED_CORES, states, strict=True):
        attitudes = sweep(attitudes, scores_of(core, 100)[None], population.neighbours, Rules())
        assert attitudes[0].tolist() == known["all_atts"]
        means.append(mean_attitudes(attitudes)[0])
    assert tuple(means) == PUBLISHED_MEANS


def test_confidence_bound():
    assert confidence_bound(Rules(bound=0.6)) == 0.6
    assert confidence_bound(Rules(bound=0.6, scale_bound=True)) == 6.0


def tables(simulations: dict[tuple[int, str], list[dict[int, int]]]) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Reactions (everybody asked, some answered) and triggers of simulations by (run, trigger)."""
    reactions = pl.DataFrame(
        [
            (run, trigger, epoch, row, "ok" if row in core else "failed", core.get(row))
            for (run, trigger), cores in simulations.items()
            for epoch, core in enumerate(cores)
            for row in range(5)
        ],
        schema={
            "run": pl.Int16,
            "trigger": pl.String,
            "epoch": pl.Int8,
            "row": pl.Int16,
            "status": pl.String,
            "score": pl.Int8,
        },
        orient="row",
    )
    lines = sorted({trigger for _, trigger in simulations})
    runs = [1 + max(run for run, trigger in simulations if trigger == line) for line in lines]
    triggers = pl.DataFrame({"post_id": lines, "trigger": lines, "runs": pl.Series(runs, dtype=pl.Int16)})
    return reactions, pl.concat([triggers, triggers.with_columns(post_id=pl.lit("twin") + pl.col("post_id"))])


def test_resweep_follows_the_reactions():
    rng = np.random.default_rng(2)
    simulations = {key: random_cores(rng, 5, 3) for key in ((0, "aa"), (0, "bb"), (1, "aa"))}
    simulations[0, "bb"][1] = {}  # nobody answered
    reactions, triggers = tables(simulations)
    rules = Rules(sample=5, bound=5.0, core_weight=0.4, update="simultaneous")
    model = AudienceModel(population_of(TOY), rules)
    expected = {key: run_cores(model, cores) for key, cores in simulations.items()}

    keys, states = replay(reactions.sample(fraction=1.0, shuffle=True, seed=1), triggers, TOY, rules)
    assert keys.rows() == sorted(simulations)
    for place, key in enumerate(keys.rows()):
        for epoch, state in enumerate(expected[key]):
            assert states[epoch, place].tolist() == list(state.attitudes)

    means = resweep(reactions, triggers, TOY, rules)
    assert means.schema == {"run": pl.Int16, "trigger": pl.String, "epoch": pl.Int8, "mean_attitude": pl.Float64}
    assert means.rows() == [
        (*key, epoch, state.mean_attitude) for key in sorted(expected) for epoch, state in enumerate(expected[key])
    ]


def test_resweep_of_some_triggers_and_of_none():
    reactions, triggers = tables({(0, "aa"): [{0: 8, 3: 2}], (0, "bb"): [{1: 5}]})
    some = resweep(reactions, triggers.filter(pl.col("trigger") == "aa"), TOY, Rules(sample=5))
    assert some["trigger"].to_list() == ["aa"]
    assert some["mean_attitude"][0] == pytest.approx((8 + 2.4 + 3.84 + 2.24 + 1.0752) / 5, abs=1e-12)
    assert resweep(reactions.clear(), triggers.clear(), TOY, Rules()).shape == (0, 4)

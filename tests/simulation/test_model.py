"""The Mesa model: golden values, who hears of what, failed answers, seeds, nothing left between posts."""

from __future__ import annotations

import gc
import itertools
import subprocess
import sys
import weakref
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from popcast.core.errors import BadInput
from popcast.simulation.model import AudienceModel, request_seed
from popcast.simulation.numeric_field import sweep
from popcast.simulation.params import Rules
from popcast.simulation.records import NO_FIELD, Memory, Reaction, Trigger
from tests.simulation.audience import (
    PUBLISHED_CORES,
    PUBLISHED_MEANS,
    TOY,
    answered,
    failed,
    population_of,
    published,
    random_neighbours,
    run_cores,
)

SOURCES = Path(__file__).resolve().parents[2] / "src"
A, B, C, D, E = range(5)
ALL_ASKED = Rules(sample=5, epochs=2)


def toy(**rules) -> AudienceModel:
    return AudienceModel(population_of(TOY), ALL_ASKED.model_copy(update=rules))


def whole_post(model: AudienceModel, line: str, seed: int = 0, run: int = 0) -> list:
    """Requests and states of a post whose reactions follow from the requests."""
    n = len(model.personas)
    model.start(Trigger(line), seed, run, np.linspace(-0.2, 0.5, n))
    seen = []
    while not model.finished:
        requests = model.plan()
        reactions = [reaction_to(request) for request in requests]
        seen += [*requests, model.field_request(reactions)]
        seen.append(model.step(reactions, f"Words of {model.steps}." if requests[0].seed % 2 else None))
    return seen


def reaction_to(request) -> Reaction:
    if request.seed % 7 == 0:
        return failed(request.row)
    action = ("nothing", "like", "post", "retweet", "reply")[request.seed % 5]
    return answered(request.row, request.seed % 11, action, f"text {request.seed % 97}")


@pytest.mark.parametrize(
    ("update", "first"),
    [("reference", (8, 2.4, 3.84, 2.24, 1.0752)), ("simultaneous", (8, 2.4, 3.84, 2, 0.96))],
)
def test_golden_toy(update, first):
    states = run_cores(toy(update=update), [{A: 8, D: 2}])
    assert states[0].attitudes == pytest.approx(first, abs=1e-12)
    assert states[0].mean_attitude == pytest.approx(sum(first) / 5, abs=1e-12)


def test_golden_toy_second_epoch():
    states = run_cores(toy(), [{A: 8, D: 2}, {B: 5, E: 0}])
    assert states[1].attitudes == pytest.approx((6.56, 5, 4.3968, 2.3648, 0), abs=1e-12)


def test_published_sample_bit_for_bit(shared_data):
    population, published_states = published(shared_data("popsim-sample"))
    model = AudienceModel(population, Rules(sample=100))
    states = run_cores(model, PUBLISHED_CORES)
    for state, known in zip(states, published_states, strict=True):
        assert state.attitudes == tuple(known["all_atts"])
        assert (state.epoch, state.n_ok) == (known["epoch"], 10)
        assert state.mean_attitude == pytest.approx(known["mean_atts:"], rel=2e-16)  # summed in another order there
    assert tuple(state.mean_attitude for state in states) == PUBLISHED_MEANS


def test_sensitivity_of_the_published_sample(shared_data):
    """Final means that popsim.md 3.9 measured under other rules."""
    population, _ = published(shared_data("popsim-sample"))
    expected = [
        ({"bound": 0.0}, 4.099),
        ({"bound": 10.0}, 5.125),
        ({"core_weight": 0.0}, 1.91),
        ({"alpha": 0.1}, 2.33),
        ({"update": "simultaneous"}, 4.113),
    ]
    for rules, mean in expected:
        last = run_cores(AudienceModel(population, Rules(sample=100, **rules)), PUBLISHED_CORES)[-1]
        assert last.mean_attitude == pytest.approx(mean, abs=0.005), rules


def test_memories_reach_the_neighbours_of_who_acted_and_only_later():
    model = toy(epochs=2)
    model.start(Trigger("Post: x"), 0, 0, np.zeros(5))
    assert [request.memories for request in model.plan()] == [()] * 5
    reactions = [
        answered(A, 8, "post", "Hello"),
        answered(B, 3, "nothing"),
        answered(C, 9, "like"),
        failed(D),
        answered(E, 7, "retweet"),
    ]
    model.step(reactions, "Words.")
    from_a, from_c, from_e = Memory("P0", "post", "Hello"), Memory("P2", "like", None), Memory("P4", "retweet", None)
    second = model.plan()
    assert [request.memories for request in second] == [(from_c,), (from_a, from_c), (from_a,), (from_e,), ()]
    assert {request.field.text for request in second} == {"Words."}


def test_a_persona_remembers_the_last_lines_in_order_of_rows():
    star = [[1, 2, 3, 4], [0], [0], [0], [0]]
    for memory, kept in ((3, ["P2", "P3", "P4"]), (1, ["P4"]), (0, [])):
        model = AudienceModel(population_of(star), Rules(sample=5, memory=memory))
        model.start(Trigger("Post: x"), 0, 0, np.zeros(5))
        model.plan()
        model.step([answered(row, 5) for row in (4, 2, 0, 3, 1)], None)
        assert [line.author for line in model.plan()[0].memories] == kept


def test_order_of_answers_changes_nothing():
    seen = []
    for order in ((A, B, C, D, E), (E, C, A, D, B)):
        model = toy()
        model.start(Trigger("Post: x"), 0, 0, np.zeros(5))
        model.plan()
        reactions = [answered(row, row + 2, "post", f"text {row}") for row in order]
        seen.append((model.field_request(reactions), model.step(reactions, None), model.plan()))
    assert seen[0] == seen[1]


def test_a_failed_persona_changes_nothing():
    model = toy()
    first = {A: 8, B: 4, D: 2}
    before = np.array([run_cores(model, [first])[0].attitudes])
    field = model.field
    rows = [request.row for request in model.plan()]
    reactions = [answered(row, 9, "post", "Yes") if row == E else failed(row) for row in rows]
    asked = model.field_request(reactions)
    remembered = {persona.row: tuple(persona.memory) for persona in model.personas}
    state = model.step(reactions, None)

    only_e = np.full((1, 5), np.nan)
    only_e[0, E] = 9
    assert state.attitudes == tuple(sweep(before, only_e, TOY, model.rules)[0])
    assert [reaction.row for reaction in asked.reactions] == [E]
    for persona in model.personas:
        new = (Memory("P4", "post", "Yes"),) if persona.row == D else ()
        assert tuple(persona.memory) == (remembered[persona.row] + new)[-3:]
    assert (state.n_ok, state.mean_raw_score, state.share_interested) == (1, 9.0, 1.0)
    assert (state.field_text, state.field_status) == (field.text, "kept")
    assert state.counts == {"nothing": 0, "like": 0, "post": 1, "retweet": 0, "reply": 0}


def test_an_epoch_where_everybody_failed():
    model = toy()
    model.start(Trigger("Post: x"), 0, 0, np.zeros(5))
    reactions = [failed(request.row) for request in model.plan()]
    assert model.field_request(reactions) is None
    state = model.step(reactions, None)
    assert state.attitudes == (0.0,) * 5
    assert (state.n_ok, state.mean_raw_score, state.share_interested) == (0, None, None)
    assert (state.field_text, state.field_status) == (NO_FIELD, "kept")
    assert all(request.memories == () and request.field.text == NO_FIELD for request in model.plan())


def test_summary_of_an_epoch():
    model = toy(interested=4)
    model.start(Trigger("Post: x"), 0, 0, np.zeros(5))
    model.plan()
    actions = [("post", 4), ("nothing", 0), ("reply", 3), ("reply", 10)]
    state = model.step([*(answered(row, s, a, "t") for row, (a, s) in enumerate(actions)), failed(E)], "Words.")
    assert (state.epoch, state.n_ok, state.mean_raw_score, state.share_interested) == (0, 4, 17 / 4, 0.5)
    assert state.counts == {"nothing": 1, "like": 0, "post": 1, "retweet": 0, "reply": 2}
    assert (state.field_text, state.field_status) == ("Words.", "ok")
    assert (model.field.text, model.field.mean_attitude, model.field.share_interested) == (
        "Words.",
        state.mean_attitude,
        0.5,
    )


def test_limits_of_the_rules():
    core = {B: 9, D: 3}
    mirrored = (0.0, 9.0, 0.0, 3.0, 0.0)
    assert run_cores(toy(alpha=0.0), [core])[0].attitudes == mirrored
    assert run_cores(toy(core_weight=0.0, bound=0.0), [core])[0].attitudes == mirrored
    # Whole steps towards the mean of the neighbours asked, from the state before.
    jump = run_cores(toy(alpha=1.0, core_weight=1.0, bound=0.0, update="simultaneous"), [core])[0]
    assert jump.attitudes == (9.0, 3.0, 9.0, 9.0, 3.0)
    # The same in place: D sees where B went, E where D went.
    jump = run_cores(toy(alpha=1.0, core_weight=1.0, bound=0.0), [core])[0]
    assert jump.attitudes == (9.0, 3.0, 3.0, 3.0, 3.0)


def test_scaled_bound():
    cores = [{A: 7, D: 2}, {C: 5, E: 0}]
    scaled, points, narrow = (
        run_cores(toy(**rules), cores)[1].attitudes
        for rules in ({"bound": 0.5, "scale_bound": True}, {"bound": 5.0}, {"bound": 0.5})
    )
    assert scaled == points != narrow


def test_bound_is_strict():
    """Somebody exactly one bound away is not listened to."""
    pair = population_of([[1], [0, 2], [1]])
    attitudes = {}
    for bound in (2.0, 2.1):
        rules = Rules(sample=3, epochs=2, alpha=0.5, core_weight=0.0, bound=bound)
        attitudes[bound] = run_cores(AudienceModel(pair, rules), [{1: 2}])[0].attitudes
    assert attitudes[2.0] == (0.0, 2.0, 0.0)
    assert attitudes[2.1] == (1.0, 1.25, 0.625)


def test_rounding_does_not_leave_the_scale():
    """The equation gives 0 here, floating point -4e-16, which no table of states would take."""
    star = [[1, 2, 3], [0], [0], [0]]
    rules = Rules(sample=4, alpha=1.0, core_weight=0.9, bound=10.0)
    model = AudienceModel(population_of(star), rules)
    model.start(Trigger("Post: x"), 0, 0, np.zeros(4))
    model.plan()
    model.personas[0].attitude = 3.1926833230610905
    state = model.step([failed(0), *(answered(row, 0) for row in (1, 2, 3))], None)
    assert state.attitudes == (0.0,) * 4
    before = np.array([[3.1926833230610905, 0, 0, 0]])
    assert sweep(before, np.array([[np.nan, 0, 0, 0]]), star, rules).tolist() == [[0.0] * 4]


@pytest.mark.parametrize("rules", [{}, {"update": "simultaneous", "expose": True, "temperature": 0.05}])
def test_nothing_stays_between_posts(rules):
    population = population_of(random_neighbours(20, 3))
    rules = Rules(sample=6, **rules)
    fresh = whole_post(AudienceModel(population, rules), "Post: second")
    used = AudienceModel(population, rules)
    whole_post(used, "Post: first", seed=5)
    assert whole_post(used, "Post: second") == fresh
    used.start(Trigger("Post: third"), 0, 1, np.zeros(20))
    used.step([answered(request.row, 9, "post", "left behind") for request in used.plan()], "Left behind.")
    used.plan()
    assert whole_post(used, "Post: second") == fresh
    assert whole_post(used, "Post: second", run=1) != fresh
    assert whole_post(used, "Post: second", seed=1) != fresh


def test_seeds_depend_on_what_is_asked_alone():
    names = list(itertools.product((0, 1), (0, 1), ("00", "01"), (0, 1), (-1, 0, 1, 11), (1, 2)))
    seeds = [request_seed(*name) for name in names]
    assert len(set(seeds)) == len(names)
    assert all(0 <= seed < 2**63 for seed in seeds)
    assert request_seed(0, 0, "0123456789abcdef", 0, 0, 1) == 6667724022783072288


def test_a_second_attempt_asks_the_same_with_another_seed():
    model = toy()
    model.start(Trigger("Post: x"), 3, 2, np.zeros(5))
    first = model.plan()[C]
    second = model.retry(first)
    assert (first.attempt, second.attempt) == (1, 2)
    assert first.seed == request_seed(3, 2, Trigger("Post: x").key, 0, C, 1)
    assert second.seed == request_seed(3, 2, Trigger("Post: x").key, 0, C, 2)
    for name in ("kind", "trigger", "epoch", "row", "field", "similarity", "memories"):
        assert getattr(first, name) == getattr(second, name)


@pytest.mark.parametrize("temperature", [1e-4, 1e-12, 1e-300, 5e-324])
def test_a_cold_draw_takes_the_nearest(temperature):
    """No probability may vanish: with exp() all but one would, and nine more have to be drawn."""
    rules = Rules(sample=10, epochs=3, temperature=temperature)
    model = AudienceModel(population_of(random_neighbours(40, 1)), rules)
    similarities = np.random.default_rng(0).permutation(np.linspace(-1, 1, 40))
    nearest = sorted(np.argsort(similarities)[-10:].tolist())
    model.start(Trigger("Post: x"), 0, 0, similarities)
    while not model.finished:
        requests = model.plan()
        assert [request.row for request in requests] == nearest
        assert [request.similarity for request in requests] == similarities[nearest].tolist()
        model.step([failed(row) for row in nearest], None)


def test_draws_have_the_probabilities_of_weighted_draws_without_replacement():
    rules = Rules(sample=2, epochs=1, temperature=0.5)
    model = AudienceModel(population_of([[1], [0, 2], [1, 3], [2]]), rules)
    similarities = np.array([0.0, 0.2, 0.5, 0.9])
    weights = np.exp(similarities / 0.5)
    p = weights / weights.sum()
    expected = {
        pair: p[pair[0]] * p[pair[1]] * (1 / (1 - p[pair[0]]) + 1 / (1 - p[pair[1]]))
        for pair in itertools.combinations(range(4), 2)
    }
    drawn = Counter()
    for number in range(4000):
        model.start(Trigger(f"Post: {number}"), 0, 0, similarities)
        drawn[tuple(request.row for request in model.plan())] += 1
    for pair, probability in expected.items():
        assert drawn[pair] / 4000 == pytest.approx(probability, abs=0.03)  # about four standard errors


def test_each_epoch_draws_anew():
    model = AudienceModel(population_of(random_neighbours(30, 2)), Rules(sample=5, epochs=3))
    model.start(Trigger("Post: x"), 0, 0, np.zeros(30))
    rows = []
    while not model.finished:
        requests = model.plan()
        rows.append(tuple(request.row for request in requests))
        assert [request.epoch for request in requests] == [len(rows) - 1] * 5
        assert list(rows[-1]) == sorted(set(rows[-1]))
        model.step([failed(row) for row in rows[-1]], None)
    assert len(set(rows)) == 3


def test_the_mean_is_shown_only_where_the_rules_say_so():
    for expose in (False, True):
        model = toy(expose=expose)
        model.start(Trigger("Post: x"), 0, 0, np.zeros(5))
        assert {request.shown_attitude for request in model.plan()} == {None}
        state = model.step([answered(row, 6) for row in range(5)], None)
        assert {request.shown_attitude for request in model.plan()} == {state.mean_attitude if expose else None}


def test_fewer_personas_than_are_asked():
    with pytest.raises(BadInput) as error:
        AudienceModel(population_of(TOY), Rules(sample=6))
    assert str(error.value) == (
        "params.yaml: field 'simulation.rules.sample': more personas asked per epoch than the population has: "
        "got 6, expected at most 5"
    )


def test_out_of_turn():
    model = toy()
    with pytest.raises(RuntimeError, match="plan"):
        model.plan()
    model.start(Trigger("Post: x"), 0, 0, np.zeros(5))
    with pytest.raises(ValueError, match="each persona asked"):
        model.step([], None)
    model.start(Trigger("Post: x"), 0, 0, np.zeros(5))
    model.plan()
    with pytest.raises(RuntimeError, match="plan"):
        model.plan()
    with pytest.raises(ValueError, match="each persona asked"):
        model.step([answered(row, 1) for row in (A, A, C, D, E)], None)
    for wrong in (np.zeros(4), np.array([0, 0, np.nan, 0, 0])):
        with pytest.raises(ValueError, match="5 finite numbers"):
            model.start(Trigger("Post: x"), 0, 0, wrong)


def test_collected_for_inspection():
    model = AudienceModel(population_of(TOY), ALL_ASKED, collect=True)
    states = run_cores(model, [{A: 8, D: 2}, {B: 5, E: 0}])
    field = model.collected.field()
    assert field["step"].to_list() == [1, 2]
    assert field["mean_attitude"].to_list() == [state.mean_attitude for state in states]
    assert field["field_text"].to_list() == [state.field_text for state in states]
    second = model.collected.personas().filter(step=2)
    assert tuple(second["attitude"]) == states[1].attitudes
    assert second["agent_id"].to_list() == [1, 2, 3, 4, 5]
    assert second["is_core"].to_list() == [row in (B, E) for row in range(5)]
    run_cores(model, [{A: 1}])
    assert model.collected.field().height == 1


def test_a_closed_model_is_let_go():
    model = toy()
    run_cores(model, [{A: 8}])
    gone = weakref.ref(model)
    model.close()
    del model
    gc.collect()
    assert gone() is None


def test_mesa_stays_where_it_is_needed():
    """Importing Mesa changes how processes start; the sweep and the grammar are used outside the simulation."""
    modules = "popcast.simulation.policies.reactions, popcast.simulation.numeric_field"
    code = f"import sys; sys.path.insert(0, {str(SOURCES)!r}); import {modules}; print('mesa' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"

"""Pictures of a simulation and the posts that the page shows: numbers, choices, who remembers what, bytes."""

import json

import numpy as np
import polars as pl
import pytest

from popcast.core.paths import EPISODES
from popcast.simulation.model import AudienceModel
from popcast.simulation.records import Reaction, Trigger
from popcast.simulation.showing import episodes, layout, pictures
from tests.simulation import told
from tests.simulation.audience import TOY, population_of, random_neighbours


@pytest.fixture(scope="module")
def tables():
    return told.simulated()


@pytest.fixture(scope="module")
def content(tables):
    return episodes.of("generated", **tables)


def first_run(tables, name: str) -> pl.DataFrame:
    return tables[name].filter(pl.col("run") == 0)


def test_attitudes_by_epoch_start_at_zero_and_are_those_of_the_states(tables):
    states = first_run(tables, "states")
    found = pictures.attitude_by_epoch(states)
    assert found["epoch"].to_list() == [0, 1, 2, 3]
    assert found.row(0) == (0, 0.0, 0.0, 0.0, 0.0, 0.0)
    last = np.array(states.filter(pl.col("epoch") == 2)["attitudes"].to_list())
    expected = (last.mean(), *np.quantile(last.mean(1), (0.1, 0.9)), *np.quantile(last, (0.1, 0.9), axis=1).mean(1))
    assert found.row(3)[1:] == pytest.approx(expected)


def test_actions_by_epoch_count_every_answer_once_and_failures_apart(tables):
    reactions = first_run(tables, "reactions")
    found = pictures.actions_by_epoch(reactions)
    assert found["answers"].sum() == reactions.height
    assert found.group_by("epoch").agg(pl.col("share").sum())["share"].to_list() == pytest.approx([1, 1, 1])
    failed = found.filter(pl.col("action") == "failed")["answers"].sum()
    assert failed == reactions.filter(pl.col("status") == "failed").height > 0


def test_interest_leaves_out_epochs_in_which_nobody_answered(tables):
    states = first_run(tables, "states")
    silent = pl.when(pl.col("trigger") == states["trigger"][0]).then(None).otherwise("share_interested")
    found = pictures.interest_by_epoch(states.with_columns(share_interested=silent))
    assert found["posts"].to_list() == [len(told.LINES) - 1] * 3
    others = states.filter((pl.col("epoch") == 0) & (pl.col("trigger") != states["trigger"][0]))
    assert found["mean"][0] == pytest.approx(others["share_interested"].mean())


def test_network_shows_the_extremes_in_one_layout(tables):
    table = pictures.network(first_run(tables, "states"), tables["triggers"], tables["population"])
    final = first_run(tables, "states").filter(pl.col("epoch") == 2)["mean_attitude"]
    ends = table.filter(pl.col("epoch") == 3).group_by("example", maintain_order=True).agg(pl.col("attitude").mean())
    assert ends["attitude"].to_list() == pytest.approx([final.max(), final.min()])
    assert table.group_by("row").agg(pl.struct("x", "y").n_unique().alias("places"))["places"].unique().to_list() == [1]
    assert table.filter(pl.col("epoch") == 0)["attitude"].unique().to_list() == [0.0]


def test_pictures_are_the_same_bytes_each_time(tables, tmp_path):
    arguments = {name: table for name, table in tables.items() if name != "manifest"}
    for place in ("one", "two"):
        pictures.draw(pictures.title("generated", True, True), **arguments, folder=tmp_path / place)
    names = sorted(path.name for path in (tmp_path / "one").iterdir())
    stems = ("actions_by_epoch", "attitude_by_epoch", "interest_by_epoch", "network")
    assert names == [f"{stem}.{kind}" for stem in stems for kind in ("csv", "png")]
    for name in names:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_titles_say_what_is_generated_and_who_answered():
    assert pictures.title("d", True, True) == "d (generated data), answers by rules (a stand-in)"
    assert pictures.title("d", False, False) == "d, answers by a language model"


def test_no_two_personas_stand_in_one_place_and_hubs_are_kept():
    neighbours = random_neighbours(layout.MOST + 50, 1)
    rows = layout.shown_rows(neighbours, wanted={7, layout.MOST + 49})
    assert len(rows) == layout.MOST
    assert {1, 7, layout.MOST + 49} <= set(rows)
    few = layout.shown_rows(TOY)
    places = layout.positions(few, TOY)
    assert places.min() >= 0
    assert places.max() <= 1
    assert len({tuple(place) for place in places.tolist()}) == len(TOY)
    assert sorted(layout.edges_between(few, TOY)) == [(0, 1), (0, 2), (1, 2), (1, 3), (3, 4)]
    assert layout.edges_between([1, 3, 4], TOY) == [(0, 1), (1, 2)]


def test_examples_are_chosen_by_rule_and_never_twice(tables, content):
    final = first_run(tables, "states").filter(pl.col("epoch") == 2).sort("mean_attitude")
    chosen = content["episodes"]
    assert [one["why"].partition(",")[0] for one in chosen[:2]] == ["highest final mean", "lowest final mean"]
    assert [one["trigger"] for one in chosen[:2]] == [final["trigger"][-1], final["trigger"][0]]
    assert len({one["trigger"] for one in chosen}) == len(chosen) >= 7
    failing = Trigger(next(line for line in told.LINES if told.NEVER in line)).key
    assert [one["trigger"] for one in chosen if "failed" in one["why"]] == [failing]


def test_one_post_alone_is_told_once(tables):
    only = {name: tables[name].filter(pl.col("trigger") == tables["triggers"]["trigger"][-1])
            for name in ("states", "reactions", "triggers")}  # fmt: skip
    found = episodes.of("generated", **{**tables, **only})["episodes"]
    assert [(one["why"], one["posts"], one["post_id"]) for one in found] == [("highest final mean", 2, "p12")]


def test_episodes_hold_the_tables_of_the_first_run(tables, content):
    states, reactions = first_run(tables, "states"), first_run(tables, "reactions")
    for one in content["episodes"]:
        own = states.filter(pl.col("trigger") == one["trigger"]).sort("epoch")
        said = reactions.filter(pl.col("trigger") == one["trigger"]).sort("epoch", "slot")
        answers = [answer for turn in one["rounds"] for answer in turn["answers"]]
        assert [answer["score"] for answer in answers] == said["score"].to_list()
        assert [content["people"][answer["who"]]["row"] for answer in answers] == said["row"].to_list()
        assert [turn["field"] for turn in one["rounds"]] == own["field_text"].to_list()
        assert (
            np.abs(np.array([turn["attitudes"] for turn in one["rounds"]]) - own["attitudes"].to_list()).max() < 0.006
        )
        assert [turn["mean"] for turn in one["rounds"]] == pytest.approx(own["mean_attitude"].to_list(), abs=6e-5)


@pytest.mark.parametrize(("action", "ok"), [("reply", True), ("nothing", True), ("like", False)])
def test_told_are_those_whose_memory_the_model_fills(action, ok):
    population = population_of(TOY)
    model = AudienceModel(population, told.RULES.model_copy(update={"sample": 1}))
    model.start(Trigger("Post: toy"), 0, 0, np.zeros(5))
    row = model.plan()[0].row
    text = "hear, hear" if action == "reply" else None
    answer = {"action": action, "score": 3, "text": text} if ok else {"reason": "no_action"}
    model.step([Reaction(row, ok, 1, **answer)], None)
    remembering = tuple(persona.row for persona in model.personas if persona.memory)
    model.close()
    status = "ok" if ok else "failed"
    assert episodes.told({"row": row, "status": status, "action": action}, population, told.RULES) == remembering


def test_same_file_whatever_the_order_of_rows(tables, tmp_path):
    shuffled = {name: tables[name].sample(fraction=1, shuffle=True, seed=1)
                for name in ("states", "reactions", "triggers")}  # fmt: skip
    episodes.write("generated", **tables, folder=tmp_path / "one")
    episodes.write("generated", **{**tables, **shuffled}, folder=tmp_path / "two")
    assert (tmp_path / "one" / EPISODES).read_bytes() == (tmp_path / "two" / EPISODES).read_bytes()
    policy = json.loads((tmp_path / "one" / EPISODES).read_bytes())["policy"]
    assert policy == {"kind": "persona", "model": "org/model <1b>", "stand_in": True}

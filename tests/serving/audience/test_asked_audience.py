"""Drafts before the audience of a bundle: who was asked and what they did, as the project would have it."""

from __future__ import annotations

import shutil

import orjson
import polars as pl
import pytest
from click.testing import CliRunner

from popcast.cli import main
from popcast.core.errors import BadInput
from popcast.serving.audience.asked_audience import audience_of
from popcast.serving.audience.bundled_audience import FILE, PEOPLE, Audience, audience_in, write_audience
from popcast.serving.forecast import Forecast
from popcast.simulation.audience import population
from popcast.simulation.params import PopulationSource, Simulated
from popcast.simulation.showing import trial
from tests.conftest import ROOT

LISTS = ROOT / "src" / "popcast" / "simulation" / "audience" / "persona_lists.json"


@pytest.fixture(scope="module")
def audience() -> Audience:
    people, _ = population.make(PopulationSource(kind="generated", file=str(LISTS), agents=30), 7)
    return Audience("default", people, Simulated(), 7)


@pytest.fixture
def peopled(bundle_folder, audience, tmp_path) -> Forecast:
    shutil.copytree(bundle_folder, tmp_path / "bundle")
    write_audience(tmp_path / "bundle", audience)
    return Forecast.load(tmp_path / "bundle")


def test_a_draft_is_answered_as_the_simulation_answers_and_named_as_rules(peopled, audience):
    drafts = pl.DataFrame({"title": ["storm over the harbour", "a recipe"], "category": ["photo", None]})
    found = audience_of(peopled, drafts)
    assert (found["kind"], found["personas"], found["population"]) == ("rules", 30, "default")
    assert "by rules" in found["note"]
    assert len(found["posts"]) == 2
    one = trial.simulate({"title": "storm over the harbour", "category": "photo"}, audience.population, "default",
                         audience.settings, 7)  # fmt: skip
    post = found["posts"][0]
    assert post["mean_field"] == [round(mean, 4) for mean in one.states["mean_attitude"]]
    asked = [persona for turn in post["rounds"] for persona in turn["asked"]]
    assert [persona["action"] for persona in asked] == one.reactions["action"].to_list()
    assert sum(post["actions"].values()) == len(asked) == 30
    assert {persona["name"] for persona in asked} <= {person.name for person in audience.population.people}
    assert orjson.loads(orjson.dumps(found)) == found


def test_a_saved_bundle_has_its_audience_and_one_without_has_none(peopled, tmp_path):
    peopled.save(tmp_path / "copy")
    again = audience_in(Forecast.load(tmp_path / "copy"))
    assert again == audience_in(peopled)
    (tmp_path / "bundle" / FILE).unlink()
    assert audience_of(Forecast.load(tmp_path / "bundle"), pl.DataFrame({"title": ["storm"]})) is None


def test_a_draft_without_words_and_edited_personas_are_one_line(peopled, tmp_path):
    with pytest.raises(BadInput, match="the post has no words"):
        audience_of(peopled, pl.DataFrame({"title": [None]}, schema={"title": pl.String}))
    file = tmp_path / "bundle" / PEOPLE
    content = orjson.loads(file.read_bytes())
    content["people"][0]["age"] = 99
    file.write_bytes(orjson.dumps(content))
    with pytest.raises(BadInput, match="edited"):
        audience_of(Forecast.load(tmp_path / "bundle"), pl.DataFrame({"title": ["storm"]}))


def called(*words: str):
    return CliRunner().invoke(main, [str(word) for word in words])


def test_the_command_asks_the_audience_of_a_bundle(peopled, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    said = called("audience", "bundle", "storm over the harbour", "--page", "page.html")
    assert said.exit_code == 0, said.output
    assert said.stdout.startswith('Post: "storm over the harbour"\nanswered by rules')
    assert "storm over the harbour" in (tmp_path / "page.html").read_text(encoding="utf-8")
    told = orjson.loads(called("audience", "bundle", "storm over the harbour", "--json").stdout)
    assert told["kind"] == "rules"
    assert told["posts"][0]["mean_field"][-1] == pytest.approx(
        float(said.stdout.split("mean attitude ")[-1].split()[0]), abs=0.005
    )
    (tmp_path / "bundle" / FILE).unlink()
    said = called("audience", "bundle", "storm")
    assert said.exit_code == 1
    assert said.stderr.count("\n") == 1
    assert "this bundle has no simulated audience" in said.stderr

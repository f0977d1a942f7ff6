"""A post of one's own before the audience: as the stage would have it, in words and on the page."""

from __future__ import annotations

import io

import polars as pl
import pytest

from popcast.chat.response import Response
from popcast.core import tables
from popcast.core.errors import BadInput
from popcast.report import stepping_page
from popcast.simulation.params import Rules, Simulated
from popcast.simulation.running import reaction_tables, runner
from popcast.simulation.running.runner import Job
from popcast.simulation.running.workload import Shard
from popcast.simulation.showing import trial
from tests.simulation.doubles import SeededDouble, audience, cosines

SETTINGS = Simulated(rules=Rules(sample=4, attempts=2))
POST = {"title": "Old harbour", "category": "Travel", "subcategory": None, "concept": None}
LINE = 'Post: "Old harbour" Category: "Travel"'


@pytest.fixture
def tried(monkeypatch):
    """Function (policy) -> trial of POST answered by it; cosines are made up."""

    def run(policy) -> trial.Trial:
        monkeypatch.setattr(trial, "make", lambda *args: policy)
        monkeypatch.setattr(trial, "similarities", lambda lines, roles, encoder: cosines(1))
        return trial.simulate(POST, audience(), "default", SETTINGS, 7)

    return run


def test_is_what_the_stage_makes_of_the_post(tried, tmp_path):
    policy = SeededDouble()
    own = tried(policy)
    assert policy.closed == 1
    shard = Shard(0, (LINE,), (0,), cosines(1))
    part = runner.simulate(shard, Job(audience(), SETTINGS, 7, tmp_path), policy=SeededDouble())
    for kind, table in (("reactions", own.reactions), ("states", own.states)):
        expected = pl.read_parquet(io.BytesIO(part.tables[kind]))
        assert tables.rounded(table).sort(reaction_tables.KEYS[kind]).equals(expected)
    assert own.triggers["line"].to_list() == [LINE]


def test_told_in_words_without_marks_that_a_terminal_obeys(tried):
    class Painter(SeededDouble):
        def respond(self, requests):
            answers = ["Red.\x1b[31m", 'Action: reply("red \x1b[31mhat")\nScore: 7']
            return [Response(answers[one.kind == "action"]) for one in requests]

    lines = "\n".join(tried(Painter()).lines())
    assert lines.startswith(f"{LINE}\nanswered by seeded double, a stand-in for a language model\n\nround 1\n")
    assert lines.count(': reply "red [31mhat", score 7') == 12
    assert lines.count("  field: Red. (31m") == 3
    assert "\x1b" not in lines


def test_answers_that_cannot_be_read_are_told_as_such(tried):
    lines = "\n".join(tried(SeededDouble(failing=100, fields=False)).lines())
    assert lines.count("no answer that could be read (no_action, asked 2 times)") == 12
    assert lines.count("field: None (kept: no new words came)") == 3
    assert lines.count("mean attitude 0.00 of 10") == 3


def test_page_shows_it(tried):
    content = tried(SeededDouble()).episode("smpd")
    (episode,) = content["episodes"]
    assert (episode["line"], episode["why"], len(episode["rounds"])) == (LINE, "tried by hand", 3)
    assert content["generated"] is False
    html = stepping_page.render([content])
    assert "Old harbour" in html
    assert 'href="index.html"' not in html


def test_a_post_without_words_and_too_few_personas(tried):
    with pytest.raises(BadInput, match="the post has no words"):
        trial.simulate({"title": " \x00", "category": None}, audience(), "default", SETTINGS, 7)
    with pytest.raises(BadInput, match=r"simulation.rules.sample.*got 40, expected at most 12"):
        trial.simulate(POST, audience(), "default", Simulated(rules=Rules(sample=40)), 7)

"""The page that steps through simulated posts: what is embedded, and what a real browser makes of it."""

import json
import re
from html.parser import HTMLParser

import pytest

from popcast.report import stepping_page
from popcast.report.page_templates import embedded
from popcast.simulation.showing import episodes
from tests.report.browsers import driven
from tests.simulation import told

DRIVE = """
function look(frame) {
  const doc = frame.contentDocument;
  const tells = [...doc.querySelectorAll("#network line.tells")].length;
  return {
    where: text(doc, "where"), caption: text(doc, "caption"), line: text(doc, "line"), about: text(doc, "about"),
    answers: text(doc, "answers"), after: text(doc, "after"),
    chart: doc.getElementById("chart").getAttribute("aria-label"),
    tells, told: doc.querySelectorAll("#network .ring.told").length,
    asked: doc.querySelectorAll("#network .ring.asked").length,
    actor: doc.querySelectorAll("#network .ring.actor").length,
    fills: [...doc.querySelectorAll("#network circle[data-at]")].map((circle) => circle.style.fill),
    over: doc.documentElement.scrollWidth - doc.documentElement.clientWidth,
  };
}
function drive(frame) {
  const doc = frame.contentDocument, found = {};
  frame.contentWindow.alert = (said) => alerts.push(said);
  choose(frame, "dataset", 1);
  found.other = text(doc, "badges") + text(doc, "who");
  choose(frame, "dataset", 0);
  found.who = text(doc, "who");
  found.badges = text(doc, "badges");
  found.start = look(frame);
  key(frame, "ArrowRight", false);
  found.first = look(frame);
  doc.getElementById("next").click();
  found.second = look(frame);
  key(frame, "ArrowRight", true);
  found.settled = look(frame);
  doc.getElementById("last").click();
  found.last = look(frame);
  found.atEnd = doc.getElementById("next").disabled;
  doc.getElementById("first").click();
  found.home = look(frame).where;
  doc.getElementById("slider").value = 2;
  doc.getElementById("slider").dispatchEvent(new frame.contentWindow.Event("input"));
  found.slid = look(frame).where;
  key(frame, "ArrowLeft", false);
  found.back = look(frame).where;
  choose(frame, "persona", 1);
  found.picked = text(doc, "about");
  choose(frame, "post", 1);
  found.hostile = look(frame);
  doc.getElementById("last").click();
  found.wide = frame.contentWindow.innerWidth;
  found.scripts = doc.scripts.length;
  found.images = doc.images.length;
  return found;
}
"""


@pytest.fixture(scope="module")
def content():
    """Two audiences of the same posts; the second post of both has a hostile line, and so has a model's name."""
    first = {**episodes.of("first", **told.simulated()), "generated": True}
    first["episodes"][1]["line"] = told.HOSTILE
    policy = {"kind": "transformers", "model": told.HOSTILE, "stand_in": False}
    return [first, {**first, "dataset": told.HOSTILE, "generated": False, "policy": policy}]


@pytest.fixture(scope="module")
def html(content):
    return stepping_page.render(content, "index.html")


def test_embedded_json_cannot_end_its_script_and_reads_back():
    text = embedded({"line": told.HOSTILE + "\u2029", "cdata": "]]>"})
    assert not re.search("[<>&\u2028\u2029]", text)
    assert json.loads(text) == {"line": told.HOSTILE + "\u2029", "cdata": "]]>"}


def test_page_is_one_file_that_asks_for_nothing(html, content):
    parts = []

    class Reader(HTMLParser):
        def handle_starttag(self, tag, attrs):
            parts.append((tag, dict(attrs)))

    Reader().feed(html)
    scripts = [attrs for tag, attrs in parts if tag == "script"]
    assert scripts == [{"type": "application/json", "id": "data"}, {}]
    links = [attrs[key] for _, attrs in parts for key in ("src", "href", "action") if key in attrs]
    assert sorted(links) == ["data:,", "index.html"]
    assert not re.search(
        r"https?://(?!www\.w3\.org/2000/svg)|@import|url\(|innerHTML|insertAdjacent|document\.write|eval\(", html
    )
    assert "default-src 'none'" in html
    data = re.search(r'<script type="application/json" id="data">(.*?)</script>', html, re.DOTALL).group(1)
    assert json.loads(data) == json.loads(json.dumps(content))


def test_page_stays_small_with_a_full_audience():
    tables = told.simulated(people=100, runs=1)
    one = {**episodes.of("generated", **tables), "generated": True}
    assert len(stepping_page.render([one] * 5)) < 2_000_000


@pytest.fixture(scope="module")
def seen(html, tmp_path_factory):
    """What the harness found in the page, in frames 1280 and 390 pixels wide."""
    return driven(html, DRIVE, tmp_path_factory.mktemp("page"))


@pytest.mark.parametrize("width", ["wide", "narrow"])
def test_a_person_steps_through_a_post(seen, content, width):
    found, audience = seen[width], content[0]
    post = audience["episodes"][0]
    one = post["rounds"][0]
    assert found["start"]["where"] == "Before the first round"
    assert found["start"]["line"] == post["line"]
    assert found["start"]["actor"] == found["start"]["tells"] == 0
    assert len(set(found["start"]["fills"])) == 1
    assert len(found["start"]["fills"]) == len(audience["people"])
    for at, step in enumerate(("first", "second")):
        answer, shown = one["answers"][at], found[step]
        name = audience["people"][answer["who"]]["name"]
        assert shown["where"] == f"Round 1 of 3, answer {at + 1} of {len(one['answers'])}"
        assert shown["caption"].startswith(f"{name} ")
        assert f"interest {answer['score']} of 10" in shown["caption"]
        assert shown["actor"] == 1
        assert shown["asked"] == len(one["answers"])
        assert shown["tells"] == shown["told"] == len(answer["told"])
        assert (answer["text"] or "") in shown["answers"]
        assert answer["thought"] in shown["answers"]
        assert audience["people"][answer["who"]]["role"] in shown["about"]
    assert one["answers"][2]["thought"] not in found["second"]["answers"]
    assert found["settled"]["where"] == "Round 1 of 3, after all answers"
    assert found["settled"]["after"] == one["field"]
    assert found["settled"]["chart"] == f"Mean attitude: start 0.00, round 1 {one['mean']:.2f}"
    assert found["last"]["where"] == "Round 3 of 3, after all answers"
    assert found["atEnd"] is True
    assert len(set(found["last"]["fills"])) > 10
    assert found["home"] == "Before the first round"
    assert found["slid"] == f"Round 1 of 3, answer 2 of {len(one['answers'])}"
    assert found["back"] == f"Round 1 of 3, answer 1 of {len(one['answers'])}"
    assert audience["people"][1]["role"] in found["picked"]


@pytest.mark.parametrize(("width", "pixels"), [("wide", 1280), ("narrow", 390)])
def test_nothing_is_wider_than_the_screen(seen, width, pixels):
    steps = ("start", "first", "settled", "last", "hostile")
    assert seen[width]["wide"] == pixels
    assert [seen[width][step]["over"] for step in steps] == [0] * len(steps)


def test_page_says_who_answered(seen):
    assert "rules, a stand-in for a language model" in seen["wide"]["who"]
    assert "generated posts" in seen["wide"]["badges"]
    assert "stand-in" in seen["wide"]["badges"]
    assert "generated posts" not in seen["wide"]["other"]
    assert "stand-in" not in seen["wide"]["other"]


def test_hostile_words_are_shown_and_do_nothing(seen, content):
    assert seen["wide"]["hostile"]["line"] == told.HOSTILE
    assert " ".join(told.HOSTILE.split()) in seen["wide"]["first"]["answers"]
    assert told.HOSTILE in seen["wide"]["other"]
    assert seen["wide"]["scripts"] == 2
    assert seen["wide"]["images"] == 0
    assert seen["alerts"] == []

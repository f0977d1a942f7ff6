"""The page that shows cases of responses: what is embedded, and what a real browser makes of it."""

from __future__ import annotations

import json
import re

import pytest

from popcast.report import response_page
from tests.report.browsers import driven
from tests.simulation.told import HOSTILE

DRIVE = """
function look(frame) {
  const doc = frame.contentDocument;
  return {
    title: text(doc, "title"), news: text(doc, "news"), count: text(doc, "count"), cases: text(doc, "cases"),
    cards: doc.querySelectorAll("#cases > li").length,
    bars: [...doc.querySelectorAll("#mixes .bar")].map((bar) => bar.getAttribute("aria-label")),
    over: doc.documentElement.scrollWidth - doc.documentElement.clientWidth,
  };
}
function drive(frame) {
  const doc = frame.contentDocument, found = {};
  frame.contentWindow.alert = (said) => alerts.push(said);
  found.who = text(doc, "who");
  found.badges = text(doc, "badges");
  found.first = look(frame);
  found.atStart = doc.getElementById("back").disabled;
  choose(frame, "filter", 1);
  found.agree = look(frame);
  choose(frame, "filter", 2);
  found.differ = look(frame);
  choose(frame, "filter", 0);
  doc.querySelectorAll("details").forEach((one) => { one.open = true; });
  found.open = look(frame);
  key(frame, "ArrowRight", false);
  found.second = look(frame);
  found.atEnd = doc.getElementById("next").disabled;
  key(frame, "ArrowLeft", false);
  found.back = look(frame).title;
  doc.getElementById("next").click();
  found.clicked = look(frame).title;
  choose(frame, "set", 1);
  found.other = text(doc, "badges");
  found.wide = frame.contentWindow.innerWidth;
  found.scripts = doc.scripts.length;
  found.images = doc.images.length;
  return found;
}
"""


def case(topic: str, real: str | None, pac: str | None, text: str = "写了") -> dict:
    return {
        "topic": topic, "alias": "用户3f9a", "portrait": "1. 兴趣：体育\n2. 语气：活泼", "history": ["以前一", HOSTILE],
        "real": {"text": text, "sentiment": real}, "texts": {"pac": {"text": "", "sentiment": pac}},
    }  # fmt: skip


@pytest.fixture(scope="module")
def content() -> list[dict]:
    topics = [
        {"id": "a", "title": "某地地震", "news": "救援队已经出发。", "mixes": [["real", [0.5, 0.25, 0.25], 8]]},
        {"id": "b", "title": None, "news": HOSTILE * 12, "mixes": []},
    ]
    cases = [case("a", "negative", "negative"), case("a", "positive", "negative"), case("b", None, None, HOSTILE * 20)]
    one = {"name": "weibo", "generated": True, "stand_in": True, "labeller": "lexicon", "systems": ["pac"]}
    one |= {"topics": topics, "cases": cases}
    return [one, one | {"name": HOSTILE, "generated": False, "stand_in": False}]


@pytest.fixture(scope="module")
def html(content) -> str:
    return response_page.render(content, "index.html")


def test_page_is_one_file_that_asks_for_nothing(html, content):
    assert not re.search(r"https?://|@import|url\(|innerHTML|insertAdjacent|document\.write|eval\(", html)
    assert "default-src 'none'" in html
    data = re.search(r'<script type="application/json" id="data">(.*?)</script>', html, re.DOTALL).group(1)
    assert json.loads(data) == json.loads(json.dumps(content))


@pytest.fixture(scope="module")
def seen(html, tmp_path_factory) -> dict:
    return driven(html, DRIVE, tmp_path_factory.mktemp("page"))


@pytest.mark.parametrize("width", ["wide", "narrow"])
def test_a_person_browses_topics_and_cases(seen, width):
    found = seen[width]
    assert found["first"]["title"] == "#某地地震#"
    assert found["first"]["news"] == "救援队已经出发。"
    assert found["first"]["bars"] == ["negative 50 %, neutral 25 %, positive 25 %"]
    assert (found["first"]["cards"], found["agree"]["cards"], found["differ"]["cards"]) == (2, 1, 1)
    assert "以前一" in found["open"]["cases"]
    assert "兴趣：体育" in found["open"]["cases"]
    assert "nothing" in found["first"]["cases"]
    assert (found["atStart"], found["atEnd"]) == (True, True)
    assert found["second"]["title"] == "Topic 2"
    assert found["second"]["cards"] == 1
    assert "no sentiment found" in found["second"]["cases"]
    assert (found["back"], found["clicked"]) == ("#某地地震#", "Topic 2")


@pytest.mark.parametrize(("width", "pixels"), [("wide", 1280), ("narrow", 390)])
def test_nothing_is_wider_than_the_screen(seen, width, pixels):
    assert seen[width]["wide"] == pixels
    assert [seen[width][step]["over"] for step in ("first", "open", "second")] == [0, 0, 0]


def test_page_says_what_it_shows(seen):
    assert "generated data" in seen["wide"]["badges"]
    assert "stand-in" in seen["wide"]["badges"]
    assert "lexicon" in seen["wide"]["badges"]
    assert "generated data" not in seen["wide"]["other"]
    assert "3 cases of the test part" in seen["wide"]["who"]


def test_hostile_words_are_shown_and_do_nothing(seen):
    assert seen["alerts"] == []
    assert seen["wide"]["second"]["news"] == HOSTILE * 12
    assert HOSTILE in seen["wide"]["open"]["cases"]
    assert seen["wide"]["scripts"] == 2
    assert seen["wide"]["images"] == 0

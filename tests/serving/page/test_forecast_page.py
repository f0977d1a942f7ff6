"""HTML of the page, and the page of one draft as one file, which opens without a server and says the same."""

from __future__ import annotations

import base64
import hashlib
import re
from importlib.resources import files

import orjson
import polars as pl
import pytest
from click.testing import CliRunner

from popcast.cli import main
from popcast.serving.page import page_html, static_files
from tests.serving.page.browsing import MARKUP

OPTIONS = ("--text", "election storm", "--author", "page 3", "--time", "2025-06-02 03:00", "--tags", "storm, sea")


def three(count: float) -> str:
    """Three figures, as the page shows what is forecast."""
    return f"{round(float(f'{count:.3g}')):,}"


def called(*words):
    return CliRunner().invoke(main, ["forecast", *map(str, words)])


@pytest.fixture(scope="module")
def written(page_bundle, tmp_path_factory):
    """The file, and the same forecast as JSON."""
    page = tmp_path_factory.mktemp("static") / "one.html"
    done = called(page_bundle, *OPTIONS, "--static", page, "--above", "30")
    assert done.exit_code == 0, done.output
    return page, orjson.loads(called(page_bundle, *OPTIONS, "--json").stdout)["forecasts"][0]


def test_every_file_of_the_page_is_served_and_none_names_another_host():
    served = static_files()
    folder = files("popcast.serving.page").joinpath("static")
    assert sorted(served) == sorted(one.name for one in folder.iterdir())
    pages = {"page": page_html().encode(), **{name: content for name, (content, _) in served.items()}}
    for name, content in pages.items():
        named = set(re.findall(rb"https?://[\w.]+", content))
        assert named <= {b"http://www.w3.org"}, name
    for name in re.findall(r'(?:src|href)="static/([^"]+)"', page_html()):
        assert name in served
    assert all(kind.startswith(("text/javascript", "text/css")) for _, kind in served.values())


def test_the_served_page_has_no_style_and_no_script_of_its_own():
    text = page_html({"dataset": MARKUP})
    assert not re.search(r"\sstyle=|<style|\son\w+=", text.replace(r"\u003c", "<").split('id="facts"')[0])
    assert re.findall(r"<script(?![^>]*src=)([^>]*)>", text) == [' type="application/json" id="facts"']


def test_what_is_embedded_cannot_end_its_script():
    text = page_html({"dataset": MARKUP}, {"draft": {"text": MARKUP + "<!--<script>\u2028"}})
    assert MARKUP not in text
    found = re.findall(r'<script type="application/json" id="(\w+)">(.*?)</script>', text, re.S)
    assert [name for name, _ in found] == ["facts", "given"]
    assert orjson.loads(found[1][1])["draft"]["text"] == MARKUP + "<!--<script>\u2028"


def test_a_page_in_one_file_allows_its_own_script_and_style_alone():
    text = page_html({"dataset": "posts"}, {"draft": {}})
    policy = re.search(r'http-equiv="Content-Security-Policy" content="([^"]+)"', text)[1].replace("&#39;", "'")
    assert "unsafe" not in policy
    assert policy.startswith("default-src 'none'; ")
    for kind, parts in {"script": re.findall(r"<script>(.*?)</script>", text, re.S),
                        "style": re.findall(r"<style>(.*?)</style>", text, re.S)}.items():  # fmt: skip
        allowed = re.search(rf"{kind}-src ([^;]+)", policy)[1].split()
        hashes = [base64.b64encode(hashlib.sha256(part.encode()).digest()).decode() for part in parts]
        assert allowed == [f"'sha256-{one}'" for one in hashes]


def test_the_page_of_one_draft_opens_from_a_file_and_says_the_same(written, opened):
    place, said = written
    page = opened(place.as_uri(), offline=True)
    assert page.inner_text("#figure") == three(said["prediction_count"])
    lower, upper = (three(said[name]) for name in ("lower_count", "upper_count"))
    assert page.inner_text("#width").startswith(f"Nine times in ten between {lower} and {upper}.")
    assert page.asked == [place.as_uri()]
    assert page.said == []
    for text in ("election storm", "page 3", "#storm #sea", "2025-06-02 03:00, UTC"):
        assert text in page.inner_text("#told")
    assert page.locator("#reasons .bars li").count() > 1
    assert page.locator("table.hours button").count() == 168
    assert page.locator("#similar li").count() == 5
    assert "to get more than 30" in page.inner_text("#forecast")
    assert not page.locator("form#draft, #keep, #above").count()


@pytest.mark.parametrize("width", [1280, 390])
def test_axe_finds_no_serious_fault_in_the_page_of_one_draft(written, opened, width):
    from axe_playwright_python.sync_playwright import Axe

    page = opened(written[0].as_uri(), width, "dark")
    grave = [one["id"] for one in Axe().run(page).response["violations"] if one["impact"] in ("serious", "critical")]
    assert not grave
    assert page.evaluate("document.documentElement.scrollWidth") == width


@pytest.mark.parametrize(
    ("coverage", "words"),
    [(0.9, "Nine times in ten between "), (0.8, "Eight times in ten between "),
     (0.95, "95 times in a hundred between "), (0.975, "97.5 times in a hundred between ")],
)  # fmt: skip
def test_the_page_says_how_often_the_interval_is_meant_to_hold(written, opened, tmp_path, coverage, words):
    """The ends are those of the interval, whatever quantiles are told beside it."""
    place, said = written
    html = place.read_text(encoding="utf-8")
    assert html.count('"coverage":0.9,') == 1
    (tmp_path / "other.html").write_text(html.replace('"coverage":0.9,', f'"coverage":{coverage},'), encoding="utf-8")
    page = opened((tmp_path / "other.html").as_uri(), offline=True)
    lower, upper = (three(said[name]) for name in ("lower_count", "upper_count"))
    assert page.inner_text("#width").startswith(f"{words}{lower} and {upper}.")


@pytest.mark.parametrize("width", [1280, 390, 320])
def test_no_number_of_the_axis_is_cut_off_and_the_name_of_the_dataset_has_room(written, opened, width):
    page = opened(written[0].as_uri(), width, offline=True)
    outside = """() => {
      const frame = document.querySelector("svg.distribution").getBoundingClientRect();
      return [...document.querySelectorAll("svg.distribution text")]
        .map((one) => [one.textContent, one.getBoundingClientRect()])
        .filter(([, at]) => at.left < frame.left - 1 || at.right > frame.right + 1).map(([text]) => text);
    }"""
    assert page.locator("svg.distribution .tick-text").count() > 2
    assert page.evaluate(outside) == []
    assert page.locator("#dataset").bounding_box()["height"] < 40


def test_texts_of_any_direction_have_their_own(written, opened):
    page = opened(written[0].as_uri(), offline=True)
    for place in ("#told dd", ".like-title"):
        assert page.locator(place).first.evaluate("one => getComputedStyle(one).unicodeBidi") == "plaintext"
    for field in ('input id="author"', 'textarea id="text"', 'input id="tags"', 'input id="category"'):
        assert f'<{field} dir="auto"' in page_html()


def test_a_page_is_about_one_draft(page_bundle, tmp_path):
    pl.DataFrame({"message": ["a", "b"]}).write_csv(tmp_path / "two.csv")
    done = called(page_bundle, tmp_path / "two.csv", "--static", tmp_path / "two.html")
    assert done.exit_code == 1
    assert done.stderr.strip() == "error: a page in one file is about one draft: got 2, expected one row"
    assert not (tmp_path / "two.html").exists()
    done = called(page_bundle, "--text", "a", "--above", "3")
    assert done.exit_code == 1
    assert "expected it with --static FILE.html" in done.stderr

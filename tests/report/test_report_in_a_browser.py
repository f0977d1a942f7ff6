"""The report page in a real browser: nothing cut off at two widths, sorting by keyboard, names that mean harm, axe."""

from __future__ import annotations

import base64
import csv
import io
import re
import shutil
from dataclasses import replace
from types import SimpleNamespace

import pytest

from popcast.core import paths, tables
from popcast.planning import project_params
from popcast.report import fewshot_chapter, standard
from popcast.report.page.index_page import page
from popcast.report.params import ReportedDataset
from popcast.report.single_posts import examples_shown
from popcast.scoring import bootstrap
from tests import popularity
from tests.fewshot import few_shot
from tests.plans import run_stage
from tests.report.made_examples import examples

HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>"
LONG = "a" * 90
OUTSIDE = """() => {
  const wrong = [];
  for (const one of document.querySelectorAll('body *')) {
    if (one.classList.contains('skip')) continue;
    const box = one.getBoundingClientRect();
    if (box.width && (box.right > innerWidth + 0.5 || box.left < -0.5)) wrong.push(one.outerHTML.slice(0, 90));
    if (one.scrollWidth > one.clientWidth + 1 && one.clientWidth && getComputedStyle(one).overflowX !== 'visible')
      wrong.push('cut off: ' + one.outerHTML.slice(0, 90));
  }
  return wrong;
}"""
"""Elements that leave the window, and those that hide or scroll a part of what is in them."""
UNFOLD = "() => document.querySelectorAll('main details').forEach((one) => { one.open = true; })"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Result, chapters and examples of a small project: a run, an author and a title mean harm, one is long."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("report")
        patch.chdir(folder)
        popularity.project(folder, popularity.posts())
        few_shot.project()
        few_shot.rows_are_there(patch)
        patch.setattr(bootstrap, "LEAST_POSTS", 10)
        for name, *key in (("blend", "tiny"), ("evaluate", "tiny"), ("tracks", "tiny"), ("report",)):
            result = run_stage(name, *key)
            assert result.exit_code == 0, result.output
        tables.write_json(examples(HOSTILE, LONG), paths.example_posts("tiny"))
        whole = project_params.load()
        told = {
            "tiny": ReportedDataset(
                metric="mae", kind="smpd", split="chronological", models=["median", "good", "fair", "posthoc"],
                adversarial=False,
            )
        }  # fmt: skip
        result = standard.collect(told, whole.evaluation)[0]
        renamed = {{"fair": HOSTILE, "posthoc": LONG}.get(name, name): of for name, of in result.scores.items()}
        weights = [row | {"model": {"fair": HOSTILE}.get(row["model"], row["model"])} for row in result.weights]
        weights += [{"segment": "all", "model": f"idle{number}", "weight": 0.0} for number in range(12)]
        result = replace(result, scores=renamed, weights=weights)
        return result, fewshot_chapter.collect({"tiny": "tiny"}), examples_shown.collect({"tiny": True})


@pytest.fixture(scope="module")
def html(made) -> str:
    result, chapters, shown = made
    return page([result], chapters, shown, "a processor")


@pytest.fixture(scope="module")
def chromium():
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if found is None:
        pytest.skip("no browser here: chromium or google-chrome must be on the path")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def shown(chromium, html, tmp_path):
    """``shown(width, scheme)`` -> the page in a window of its own; whatever it says or alerts is a failure."""
    (tmp_path / "index.html").write_text(html, encoding="utf-8")
    said, windows = [], []

    def show(width: int = 1280, scheme: str = "light", **how):
        windows.append(chromium.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme, **how))
        tab = windows[-1].new_page()
        tab.on("dialog", lambda dialog: (said.append(dialog.message), dialog.dismiss()))
        tab.on("console", lambda message: said.append(message.text))
        tab.on("pageerror", lambda error: said.append(str(error)))
        tab.on("request", lambda asked: None if asked.url.startswith(("file:", "data:")) else said.append(asked.url))
        tab.goto((tmp_path / "index.html").as_uri())
        return tab

    yield show
    for one in windows:
        one.close()
    assert said == []


@pytest.mark.parametrize("width", [1280, 390])
def test_nothing_is_wider_than_the_window_or_cut_off(shown, width):
    tab = shown(width)
    assert tab.evaluate(OUTSIDE) == []
    tab.evaluate(UNFOLD)
    assert tab.evaluate(OUTSIDE) == []
    assert tab.evaluate("() => document.documentElement.scrollWidth") == width
    if width == 390:
        tab.click(".folded summary")
        assert tab.evaluate(OUTSIDE) == []


def test_long_tables_are_folded_on_a_telephone_alone(chromium, tmp_path):
    """What follows the first rows comes at a touch or a key; after sorting, the first rows are others."""
    rows = [[f"m{n}", str(n)] for n in range(40)]
    long = SimpleNamespace(title="long", head=["model", "MAE"], rows=rows, notes=[])
    told = {"anchor": "long", "title": "Long", "badges": [], "introduction": "", "link": None, "pictures": []}
    html = page([], [SimpleNamespace(tables=[long], **told)])
    (tmp_path / "long.html").write_text(html, encoding="utf-8")
    counts = {}
    for width in (1280, 390):
        tab = chromium.new_page(viewport={"width": width, "height": 900})
        tab.goto((tmp_path / "long.html").as_uri())
        counts[width] = tab.locator("tbody tr:visible").count()
    assert counts == {1280: 40, 390: 4}
    button = tab.locator("button.all")
    assert (button.inner_text(), button.get_attribute("aria-expanded")) == ("All 40 rows", "false")
    for _ in range(2):
        tab.locator("thead button").nth(1).click()
    assert tab.locator("tbody tr:visible th").all_inner_texts() == [f"m{n}" for n in range(39, 35, -1)]
    button.focus()
    tab.keyboard.press("Enter")
    assert tab.locator("tbody tr:visible").count() == 40
    assert button.get_attribute("aria-expanded") == "true"
    tab.keyboard.press("Enter")
    assert tab.locator("tbody tr:visible").count() == 4
    assert button.inner_text() == "All 40 rows"
    tab.emulate_media(media="print")
    assert tab.locator("tbody tr:visible").count() == 40


def test_names_that_mean_harm_are_words(shown):
    tab = shown()
    tab.evaluate(UNFOLD)
    text = tab.inner_text("#tiny")
    assert text.count(HOSTILE) >= 4, "in the leaderboard, the weights, as author and as title"
    assert tab.locator("script").count() == 1
    assert tab.locator("img[onerror]").count() == 0


def test_a_dataset_or_processor_that_means_harm_is_words(made):
    result, _, shown = made
    text = page([replace(result, name=HOSTILE)], [], {HOSTILE: shown["tiny"]}, HOSTILE)
    assert text.count("<script>") == 1
    assert "<img src=x" not in text
    assert text.count("&lt;script&gt;alert(1)&lt;/script&gt;") > 8


@pytest.mark.parametrize("key", ["Enter", "Space"])
def test_a_table_is_sorted_by_keyboard(shown, key):
    tab = shown()
    board = tab.get_by_role("table", name="Leaderboard, tiny")
    head = board.get_by_role("columnheader", name="SRC")
    button = head.get_by_role("button")

    def column() -> list[str]:
        return board.locator("tbody tr td:nth-child(4)").all_inner_texts()

    assert head.get_attribute("aria-sort") is None
    button.focus()
    tab.keyboard.press(key)
    assert head.get_attribute("aria-sort") == "ascending"
    rising = column()
    assert rising[-1] == "–", "what is not defined stands last"
    values = [float(value.replace("−", "-")) for value in rising[:-1]]
    assert values == sorted(values)
    tab.keyboard.press(key)
    assert head.get_attribute("aria-sort") == "descending"
    assert column() == [*reversed(rising[:-1]), "–"]
    assert board.locator("[aria-sort]").count() == 1
    board.get_by_role("columnheader", name="model").get_by_role("button").focus()
    tab.keyboard.press(key)
    names = board.locator("tbody th").evaluate_all("all => all.map((one) => one.firstChild.textContent.trim())")
    assert names == sorted(names, key=str.lower)
    assert board.locator("[aria-sort]").count() == 1


def test_the_menu_stays_and_says_where_one_is(shown):
    tab = shown()
    tab.locator(".open a", has_text="coldstart").click()
    tab.wait_for_function("() => document.querySelector('.open a[aria-current]')?.hash === '#track-tiny'")
    assert tab.locator(".menu").bounding_box()["y"] == 0
    top = tab.locator("#track-tiny").bounding_box()["y"]
    assert tab.locator(".menu").bounding_box()["height"] <= top < 200, "the menu does not cover the heading"


def test_every_picture_is_told_in_words_of_its_own(shown, html):
    alts = shown().locator("img").evaluate_all("all => all.map((one) => one.alt)")
    assert len(alts) == len(set(alts)) == 8 + 5
    for alt in alts:
        assert len(alt) > 20
        assert re.search(r"\d", alt), alt


def test_nothing_is_said_that_is_no_number(shown):
    tab = shown()
    tab.evaluate(UNFOLD)
    text = tab.inner_text("body") + " ".join(tab.locator("img").evaluate_all("all => all.map((one) => one.alt)"))
    assert not re.findall(r"\b(?:nan|none|null|undefined|inf)\b", text, re.IGNORECASE)
    assert "/ no SRC" in text
    assert "no SRC: the system says the same of every record there" in text
    assert "A dash under SRC: the row says the same of every post" in text


def test_members_without_weight_are_folded(shown):
    tab = shown()
    folded = tab.locator("details", has=tab.locator("summary", has_text="without weight"))
    listed = folded.locator("p")
    assert not listed.is_visible()
    idle = int(folded.locator("summary").inner_text().split()[0])
    assert idle >= 12
    weights = tab.get_by_role("table", name="Weights of the blend, tiny").locator("tbody tr td")
    assert all(float(value) != 0 for value in weights.all_inner_texts())
    folded.locator("summary").focus()
    tab.keyboard.press("Enter")
    assert listed.is_visible()
    assert len(listed.inner_text().split(", ")) == idle


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_axe_finds_no_serious_fault(shown, width, scheme):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe_playwright_python is not installed")
    tab = shown(width, scheme, bypass_csp=True)
    tab.evaluate(UNFOLD)
    found = axe.Axe().run(tab).response["violations"]
    serious = [(one["id"], one["nodes"][0]["html"]) for one in found if one["impact"] in ("serious", "critical")]
    assert serious == []


def test_every_table_can_be_taken_away_as_csv(shown):
    tab = shown()
    links = tab.locator("a.take")
    assert links.count() == tab.locator("table").count() > 8
    names = links.evaluate_all("all => all.map((one) => one.download)")
    assert len(set(names)) == len(names)
    with tab.expect_download() as waiting:
        links.first.click()
    assert waiting.value.suggested_filename == "tiny-leaderboard.csv"
    address = links.first.get_attribute("href").partition("base64,")[2]
    rows = list(csv.DictReader(io.StringIO(base64.b64decode(address).decode("utf-8-sig"), newline="")))
    assert [row["model"] for row in rows][-1] == "median"
    assert {"MAE", "SRC", "notes"} <= set(rows[0])
    assert float(rows[0]["MAE"]) <= float(rows[-1]["MAE"])
    assert rows[-1]["SRC"] == ""
    assert rows[-1]["notes"] == "reference, constant"


def test_the_page_is_small_and_its_one_script_is_the_one_that_may_run(html):
    assert len(html.encode()) < 2_000_000
    policy = re.search(r'http-equiv="Content-Security-Policy" content="([^"]*)"', html).group(1)
    assert "default-src 'none'" in policy
    assert "'unsafe-inline'" not in policy.partition("script-src")[2].partition(";")[0]

"""The page in a real browser: a draft is typed, its forecast read, its hour changed; and what must not happen."""

from __future__ import annotations

import json
import re

import polars as pl
import pytest

import popcast
from tests.serving.page.browsing import MARKUP, answered, told

DRAFT = {"author": "page 3", "text": "election storm", "date": "2025-06-02", "clock": "03:00"}


def figure(page) -> float:
    """The forecast that is shown, a count below ten thousand."""
    return float(page.inner_text("#figure").replace(",", ""))


def asking_for_facts(page, address: str) -> None:
    """Let the page ask for the facts, as it does where a token guards them: tests answer with others."""
    embedded = re.compile(rb'<script type="application/json" id="facts">.*?</script>', re.S)

    def without(route):
        came = route.fetch()
        route.fulfill(response=came, body=embedded.sub(b"", came.body()))

    page.route(f"{address}/", without)


def test_a_draft_is_typed_its_forecast_read_and_another_hour_moves_it(opened, address, page_bundle):
    page = opened(address)
    page.focus("#author")
    page.keyboard.type("page")
    page.wait_for_selector("[role=option]")
    assert page.get_attribute("#author", "aria-expanded") == "true"
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    chosen = page.inner_text("[role=option][aria-selected=true] span")
    page.keyboard.press("Enter")
    assert page.input_value("#author") == chosen
    page.focus("#tags")
    page.keyboard.type("storm,sea")
    page.keyboard.press("Enter")
    assert page.locator("#tags-list li").count() == 2
    told(page, text="election storm", date="2025-06-02", clock="03:00")
    post = {"page": chosen, "created": "2025-06-02T03:00:00Z", "message": "election storm", "hashtags": "storm sea"}
    with pytest.warns(UserWarning, match="taken as not known"):
        expected = popcast.load(page_bundle).predict(pl.DataFrame([post]))
    assert figure(page) == float(f"{expected['prediction_count'][0]:.3g}")
    assert re.fullmatch(r"Nine times in ten between [\d,]+ and [\d,]+\. Half of the time .*", page.inner_text("#width"))
    before = figure(page)
    page.focus("#clock")
    for _ in range(10):
        page.keyboard.press("ArrowUp")
    assert page.input_value("#clock") == "13:00"
    page.wait_for_selector("#moved:text-matches('^\u00d7')")
    assert figure(page) > 1.5 * before
    assert f"it was {before:g}" in page.inner_text("#moved")
    assert "Forecast:" in page.inner_text("#said")  # announced


def test_a_cell_of_the_week_chosen_by_keyboard_sets_the_hour(opened, address):
    page = opened(address)
    told(page, **DRAFT)
    page.wait_for_selector("table.hours")
    assert page.locator("table.hours button").count() == 168
    assert page.locator("table.hours button[tabindex='0']").count() == 1
    page.focus("table.hours button[tabindex='0']")
    assert page.inner_text("#hour-said").startswith("Monday 03:00")
    for _ in range(10):
        page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowDown")
    said = page.inner_text("#hour-said")
    assert re.match(r"Tuesday 13:00: \u00d7[\d.]+ \(\u00d7[\d.]+ to \u00d7[\d.]+\)$", said), said
    before = figure(page)
    page.keyboard.press("Enter")
    page.wait_for_selector("#moved:text-matches('^\u00d7')")
    answered(page)
    assert (page.input_value("#date"), page.input_value("#clock")) == ("2025-06-03", "13:00")
    assert figure(page) > 1.5 * before
    assert page.evaluate("document.activeElement.dataset.slot") == "1-13"
    unknown = page.locator("table.hours .none").count()
    assert page.locator("#hours details tbody tr").count() == 168 - unknown
    assert unknown < 168


def test_where_no_hour_differs_one_line_says_so(opened, address):
    page = opened(address)

    def silent(route):
        found = route.fetch().json()
        for one in found["levers"]:
            one |= {"found": False, "options": [], "said": f"no {one['name']} differs by more than chance"}
        route.fulfill(json=found)

    page.route("**/what-if", silent)
    told(page, **DRAFT)
    assert page.inner_text("#hours") == "When\n\nNo hour and weekday differs by more than chance."
    assert page.locator("table.hours, .whisker").count() == 0
    assert "No tags differs by more than chance." in page.inner_text("#levers")


AUDIENCE = {
    "kind": "rules", "note": "12 personas, answered for by rules: a stand-in for a language model, and no forecast",
    "posts": [{
        "line": "election storm", "mean_field": [1.0, 2.5], "interested": 0.42,
        "actions": {"like": 5, "do_nothing": 7},
        "rounds": [{"asked": [{"name": MARKUP, "role": "fan", "action": "comment", "text": MARKUP, "ok": True}],
                    "field": "", "kept": True, "mean": 0.25, "interested": 0.42}] * 2,
    }],
}  # fmt: skip
RECORD = {
    "kept": 40, "counts": {"compared": 30, "waiting": 10}, "test": {"mae": 1.0},
    "figures": {"posts": 30, "mae": 1.5, "coverage": 0.87, "nominal": 0.9},
    "verdict": {"refit": False, "line": "No refit."}, "notes": ["2 outcomes counted too early"],
    "weeks": [{"week": "2025-06-02", "posts": 30, "mae": 1.5, "coverage": 0.87}],
}  # fmt: skip


def test_a_simulated_audience_is_named_as_rules_and_kept_forecasts_have_a_record(opened, address):
    from axe_playwright_python.sync_playwright import Axe

    page = opened(None)
    asking_for_facts(page, address)
    note = {"kind": "rules", "note": AUDIENCE["note"]}
    page.route("**/facts", lambda route: route.fulfill(json=route.fetch().json() | {"audience": note}))
    page.route("**/audience", lambda route: route.fulfill(json=AUDIENCE))
    page.route("**/track", lambda route: route.fulfill(json=RECORD))
    page.goto(f"{address}/")
    page.wait_for_selector("#columns:not([hidden])")
    told(page, **DRAFT)
    page.locator("#audience summary").click()
    said = page.inner_text("#audience")
    for text in (
        "Simulated audience, by rules",
        AUDIENCE["note"],
        "42%",
        "mean interest, 1.0 and then 2.5 of 10",
        "do nothing",
        f"{MARKUP}, fan: comment",
    ):
        assert text in said
    record = page.inner_text("#record")
    for text in ("No refit.", "\u00d72.8", "\u00d72.0 on posts held out", "87%", "30 compared, 10 waiting"):
        assert text in record
    violations = Axe().run(page).response["violations"]
    assert not [one["id"] for one in violations if one["impact"] in ("serious", "critical")]


def test_a_forecast_is_kept_when_asked_to_be(opened, address):
    page = opened(address)
    told(page, **DRAFT)
    with page.expect_request("**/forecast") as sent:
        page.click("#keep")
    assert json.loads(sent.value.post_data)["keep"] is True
    page.wait_for_selector(".kept:text-matches('^Kept as')")
    page.wait_for_selector("#record :text-matches('0 compared, 1 waiting')")


def test_the_moment_is_that_of_the_chosen_zone(opened, address):
    page = opened(address)
    told(page, **DRAFT)
    first = figure(page)
    assert page.locator("#zone option").all_inner_texts() == ["UTC, as the posts", "Europe/Berlin, as here"]
    page.select_option("#zone", "Europe/Berlin")
    assert page.input_value("#clock") == "05:00"
    page.wait_for_selector("#moved:text-matches('^As before')")
    assert figure(page) == first


def test_where_the_posts_ended_long_ago_the_draft_starts_there(opened, address):
    page = opened(None)
    asking_for_facts(page, address)
    page.route("**/facts", lambda route: route.fulfill(json=route.fetch().json() | {"to": "2016-02-29T14:44:35+00:00"}))
    page.goto(f"{address}/")
    page.wait_for_selector("#columns:not([hidden])")
    assert (page.input_value("#date"), page.input_value("#clock")) == ("2016-03-01", "12:00")


def test_the_chance_of_more_than_a_number_is_asked(opened, address):
    page = opened(address)
    told(page, **DRAFT)
    page.fill("#above", "many")
    page.press("#above", "Enter")
    assert page.inner_text("#above-fault") == "A count such as 1,000."
    page.fill("#above", "1")
    page.press("#above", "Enter")
    page.wait_for_selector("output[for=above]")
    assert page.inner_text("output[for=above]") == "above 99%"
    page.fill("#above", "1,000,000")
    page.press("#above", "Enter")
    page.wait_for_selector("output[for=above]:text-is('below 1%')")


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("colours", ["light", "dark"])
def test_axe_finds_no_serious_fault_and_nothing_is_cut_off(opened, address, width, colours):
    from axe_playwright_python.sync_playwright import Axe

    page = opened(address, width, colours)
    page.fill("#tags", "storm,")
    told(page, **DRAFT)
    page.wait_for_selector("table.hours")
    for one in page.locator("details").all():
        one.evaluate("part => { part.open = true; }")
    assert page.get_attribute("html", "data-theme") == colours
    grave = [
        (one["id"], [node["html"] for node in one["nodes"]])
        for one in Axe().run(page).response["violations"]
        if one["impact"] in ("serious", "critical")
    ]
    assert not grave
    assert page.evaluate("document.documentElement.scrollWidth") == width
    cut = """[...document.querySelectorAll('main *')].filter(one => !one.closest('.unseen, [hidden], svg')
        && one.getBoundingClientRect().right > innerWidth + 1).map(one => one.outerHTML.slice(0, 200))"""
    assert page.evaluate(cut) == []


def test_the_switch_changes_the_colours_and_is_kept(opened, address):
    page = opened(address)
    page.check("#theme input[value=dark]", force=True)
    assert page.get_attribute("html", "data-theme") == "dark"
    page.reload()
    assert page.get_attribute("html", "data-theme") == "dark"
    assert page.is_checked("#theme input[value=dark]")


def test_nothing_is_asked_of_other_hosts_and_the_policy_is_kept(opened, address):
    page = opened(address)
    told(page, **DRAFT)
    page.keyboard.press("Tab")
    assert len(page.asked) > 20
    assert not [one for one in page.asked if not one.startswith((f"{address}/", "data:", "blob:"))]
    assert not [line for line in page.said if "Refused" in line or "Content Security Policy" in line or "Error" in line]
    assert not page.locator("[style*=':']").evaluate_all("all => all.filter(one => !one.style.length)")


def test_hostile_text_is_shown_as_text(opened, address):
    page = opened(None)

    def hostile_facts(route):
        facts = route.fetch().json()
        categories = [{"name": MARKUP, "posts": 3}]
        route.fulfill(json=facts | {"dataset": MARKUP, "label": MARKUP, "stand_ins": [MARKUP], "categories": categories,
                                    "left_out": {MARKUP: MARKUP}})  # fmt: skip

    page.route("**/facts", hostile_facts)
    asking_for_facts(page, address)
    page.goto(f"{address}/")
    page.wait_for_selector("#columns:not([hidden])")
    page.fill("#tags", f"{MARKUP},")
    told(page, **DRAFT | {"author": MARKUP, "text": f"{MARKUP} storm"})
    assert page.locator("main img[onerror], footer img, .top img").count() == 0
    assert page.title().startswith(MARKUP)
    assert page.inner_text("#dataset") == MARKUP
    assert MARKUP in page.inner_text("#tags-list")
    assert MARKUP in page.inner_text("#notice")
    page.click("#author")
    page.wait_for_selector("[role=option]")
    assert page.inner_text("[role=option] span") == MARKUP


FAULTS = {
    "nothing is told": ({"date": "2025-06-02", "clock": "03:00"}, "draft", "Tell at least a text or an author"),
    "half a time": ({"text": "storm", "date": "2025-06-02", "clock": ""}, "time", "both a date and an hour"),
    "no number": ({"text": "storm", "number-0": "lots"}, "numbers", "must be a number"),
}


@pytest.mark.parametrize("case", FAULTS)
def test_a_fault_is_said_in_one_line_beside_its_field(opened, address, case):
    fields, name, line = FAULTS[case]
    page = opened(address)
    page.locator("#numbers-part").evaluate("part => { part.open = true; }")
    for field, value in fields.items():
        page.fill(f"#{field}", value)
    page.click("#ask")
    page.wait_for_selector(f"#{name}-fault:not(:empty)")
    assert line in page.inner_text(f"#{name}-fault")
    live = page.locator(f"#{name}-fault")
    assert live.get_attribute("aria-live") == "polite" or live.get_attribute("role") == "alert"
    assert not page.is_visible("#forecast")


def test_what_the_server_refuses_is_said_beside_its_field(opened, address):
    page = opened(address)
    page.fill("#text", "storm")
    page.fill("#author", "x" * 501)
    page.click("#ask")
    page.wait_for_selector("#author-fault:not(:empty)")
    assert page.get_attribute("#author", "aria-invalid") == "true"
    assert page.inner_text("#author-fault").startswith("String should have at most 500 characters")
    page.fill("#author", "page 3")
    page.click("#ask")
    answered(page)
    assert page.inner_text("#author-fault") == ""


def test_a_picture_is_shown_small_and_sent(opened, address, tmp_path):
    from PIL import Image
    from playwright.sync_api import expect

    page = opened(None)
    asking_for_facts(page, address)
    page.route(
        "**/facts",
        lambda route: route.fulfill(json=(facts := route.fetch().json()) | {"uses": [*facts["uses"], "picture"]}),
    )
    page.goto(f"{address}/")
    page.wait_for_selector("#columns:not([hidden])")
    Image.new("RGB", (8, 8), "teal").save(tmp_path / "sea.png")
    page.set_input_files("#picture", tmp_path / "sea.png")
    expect(page.locator("#preview")).to_have_js_property("naturalWidth", 8)
    assert page.inner_text("#picture-name") == "sea.png"
    with page.expect_request("**/forecast") as sent:
        page.click("#ask")
    picture = json.loads(sent.value.post_data)["drafts"][0]["picture"]
    assert picture["name"] == "sea.png"
    assert len(picture["data"]) > 50
    page.click("#picture-off")
    assert not page.is_visible("#chosen")
    (tmp_path / "notes.txt").write_text("no picture")
    page.set_input_files("#picture", tmp_path / "notes.txt")
    assert page.inner_text("#picture-fault") == "That is no picture or video."


def test_a_server_with_a_token_is_asked_with_it(opened, address):
    page = opened(None)
    seen = []

    def guarded(route):
        given = route.request.headers.get("authorization")
        seen.append(given)
        if given == "Bearer open sesame, open sesame":
            route.fulfill(response=route.fetch())
        else:
            route.fulfill(status=401, json={"error": "a token is needed"})

    asking_for_facts(page, address)
    page.route("**/facts", guarded)
    page.goto(f"{address}/")
    page.wait_for_selector("#token:not([hidden])")
    assert not page.is_visible("#columns")
    page.fill("#token-value", "no")
    page.press("#token-value", "Enter")
    page.wait_for_selector("#token-fault:not(:empty)")
    page.fill("#token-value", "open sesame, open sesame")
    page.press("#token-value", "Enter")
    page.wait_for_selector("#columns:not([hidden])")
    assert seen == [None, "Bearer no", "Bearer open sesame, open sesame"]


def test_without_a_script_the_page_says_so(opened, address):
    page = opened(None, java_script_enabled=False)
    page.goto(f"{address}/")
    assert "popcast forecast" in page.inner_text("noscript")

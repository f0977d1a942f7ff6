"""What the server answers: the forecasts of `popcast forecast`, and what else may be asked about a draft."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import orjson
import polars as pl
import pytest
from click.testing import CliRunner

from popcast.cli import main
from popcast.serving import bundle
from popcast.serving.http.gate import HEADERS
from popcast.serving.http.request_bodies import SentDraft
from popcast.serving.outlook.outlooks import LEVELS, MOST_PASTS
from tests.serving.http.conftest import app_of, client_of

DRAFT = {
    "text": "storm over the harbour", "author": "page 3", "time": "2025-06-20T18:30", "tags": ["storm", "harbour"],
}  # fmt: skip
NUMBERS = ("prediction", "lower", "upper", "prediction_count", "lower_count", "upper_count")


def answer(client, path: str, **body: object) -> dict:
    found = client.post(path, json=body)
    assert found.status_code == 200, found.text
    return found.json()


def test_forecasts_are_those_of_popcast_forecast(client, served, tmp_path):
    """One draft by options, and a batch as a file: the same numbers, and the same notes."""
    folder = str(served.folder)
    options = ["--text", DRAFT["text"], "--author", "page 3", "--time", DRAFT["time"], "--tags", "storm,harbour"]
    told = orjson.loads(CliRunner().invoke(main, ["forecast", folder, "--json", *options]).stdout)
    ours = answer(client, "/forecast", drafts=[DRAFT])
    assert ours["notes"] == told["notes"]
    assert {name: ours["forecasts"][0][name] for name in NUMBERS} == {
        name: told["forecasts"][0][name] for name in NUMBERS
    }

    drafts = [{**DRAFT, "id": f"d{i}", "author": f"page {i}", "time": f"2025-06-2{i}T0{i}:00"} for i in range(6)]
    rows = [
        {"id": one["id"], "page": one["author"], "created": one["time"], "message": one["text"],
         "hashtags": "storm harbour"}
        for one in drafts
    ]  # fmt: skip
    pl.DataFrame(rows).write_csv(tmp_path / "drafts.csv")
    for together in (False, True):
        flags = ["--together"] if together else []
        result = CliRunner().invoke(main, ["forecast", folder, str(tmp_path / "drafts.csv"), "--json", *flags])
        told = orjson.loads(result.stdout)["forecasts"]
        ours = answer(client, "/forecast", drafts=drafts, together=together)["forecasts"]
        assert [one["id"] for one in ours] == [one["id"] for one in told]
        assert [[one[name] for name in NUMBERS] for one in ours] == [[one[name] for name in NUMBERS] for one in told]


def test_a_forecast_is_a_distribution_beside_the_authors_past(client):
    body = answer(
        client, "/forecast", drafts=[DRAFT, {"text": "storm", "author": "nobody"}, {"text": "storm"}], above=50
    )
    warm, cold, without = body["forecasts"]
    values = [warm["quantiles"][f"{level:g}"] for level in LEVELS]
    assert values == sorted(values)
    assert warm["quantile_counts"]["0.5"] == pytest.approx(2 ** warm["quantiles"]["0.5"] - 1, abs=1e-3)
    own = warm["author"]
    assert own["known"]
    assert own["posts"] == len(own["past"]) > 20
    assert own["median_count"] == pytest.approx(2 ** own["median"] - 1, abs=1e-3)
    times = [one["posted_at"] for one in own["past"]]
    assert times == sorted(times, reverse=True)
    assert 0 < own["chance_above_median"] < 1
    assert cold["author"] == {
        "known": False, "posts": 0, "median": None, "median_count": None, "chance_above_median": None, "past": [],
    }  # fmt: skip
    assert without["author"] is None
    assert "authors of whom no post is known: 'nobody'" in body["notes"]
    notes = answer(client, "/forecast", drafts=[{"text": "storm", "author": "Page 3"}])["notes"]
    assert "authors of whom no post is known: 'Page 3' (known is 'page 3')" in notes
    assert warm["chance_above"]["value"] == 50
    chances = [
        answer(client, "/forecast", drafts=[DRAFT], above=above)["forecasts"][0]["chance_above"]["chance"]
        for above in (1, 50, 2000)
    ]
    assert 1 > chances[0] > chances[1] > chances[2] > 0
    assert chances[1] == warm["chance_above"]["chance"]


def test_drafts_of_a_batch_are_forecast_as_they_would_be_alone(client):
    drafts = [{**DRAFT, "author": f"page {i % 5}", "text": f"storm number {i}"} for i in range(MOST_PASTS + 5)]
    together = answer(client, "/forecast", drafts=drafts)
    alone = answer(client, "/forecast", drafts=[drafts[7]])["forecasts"][0]
    assert len(together["forecasts"]) == len(drafts)
    assert together["forecasts"][7]["prediction"] == alone["prediction"]
    assert together["forecasts"][7]["author"] == {**alone["author"], "past": None}
    assert any("pasts" in note for note in together["notes"])


def test_reasons_and_what_ifs_are_those_of_the_bundle(client, served):
    made = served.forecast
    from popcast.serving.http.draft_table import drafts_read

    posts = drafts_read([SentDraft(**DRAFT)], [None], made.contents, "drafts").posts
    found = answer(client, "/explain", drafts=[DRAFT])["explanations"][0]
    told = made.explain(posts)[0].as_dict()
    assert {name: found[name] for name in told} == orjson.loads(orjson.dumps(told))
    assert sum(one["value"] for one in found["contributions"]) == pytest.approx(
        found["prediction"] - found["baseline"], abs=1e-6
    )
    assert answer(client, "/explain", drafts=[DRAFT], words=False)["explanations"][0]["words"] == []
    wished = answer(client, "/what-if", draft=DRAFT, titles=["kitten"], levers=["time", "title"])
    assert wished["prediction"] == found["prediction"]
    assert [one["key"] for one in wished["levers"]] == ["time", "title"]
    assert wished["notes"] == answer(client, "/what-if", draft=DRAFT)["notes"]


def test_facts_say_what_drafts_may_tell(client):
    facts = client.get("/facts").json()
    assert facts["scale"] == "counts"
    assert facts["label"] == "likes"
    assert facts["uses"] == ["text", "author", "time", "tags", "category"]
    assert sum(facts["card"]["weights"].values()) == pytest.approx(1, abs=1e-3)
    assert facts["card"]["members"]
    for use in set(SentDraft.model_fields) - {"id", "numbers", *facts["uses"]}:
        value = {"name": "a.png", "data": "aGk="} if use == "picture" else "x"
        assert client.post("/forecast", json={"drafts": [{"text": "a", use: value}]}).status_code == 422


def test_authors_are_found_by_a_part_of_their_name(client):
    found = client.get("/authors", params={"like": "PAGE 3"}).json()["authors"]
    assert [one["author"] for one in found] == ["page 3"]
    assert found[0]["median_count"] > 0
    everyone = client.get("/authors", params={"like": "page", "most": 50}).json()["authors"]
    assert [one["posts"] for one in everyone] == sorted((one["posts"] for one in everyone), reverse=True)
    assert client.get("/authors", params={"like": "(page|.*)"}).json() == {"authors": []}


def test_what_is_observed_is_looked_back_at(client, served):
    before = answer(client, "/forecast", drafts=[{**DRAFT, "author": "newcomer"}])["forecasts"][0]
    assert not before["author"]["known"]
    post = {"id": "n1", "text": "kitten", "author": "newcomer", "time": "2025-06-01T10:00", "outcome": 255}
    counts = answer(client, "/observe", posts=[post], counted_at="2025-06-10T00:00")
    assert counts == {"posts": 1, "outcomes": 1, "too_young": 0}
    after = answer(client, "/forecast", drafts=[{**DRAFT, "author": "newcomer"}])["forecasts"][0]
    assert after["author"]["known"]
    assert after["author"]["past"] == [{"posted_at": "2025-06-01T10:00:00+00:00", "popularity": 8.0, "count": 255.0}]
    assert after["prediction"] != before["prediction"]
    assert client.get("/health").json()["posts_observed"] == served.observed >= 1
    assert "popcast_posts_observed 1.0" in client.get("/metrics").text
    young = answer(client, "/observe", posts=[{**post, "id": "n2"}], counted_at="2025-06-01T11:00")
    assert young == {"posts": 1, "outcomes": 0, "too_young": 1}
    assert client.get("/authors", params={"like": "newcomer"}).json()["authors"][0]["posts"] == 2


def test_kept_forecasts_are_tracked(client):
    found = answer(client, "/forecast", drafts=[{**DRAFT, "id": "kept1"}, DRAFT], keep=True)["forecasts"]
    assert len({one["kept"] for one in found} - {None}) == 2
    answer(client, "/observe", posts=[{**DRAFT, "id": "kept1", "outcome": 100}])
    tracked = client.get("/track").json()
    assert tracked["kept"] >= 2
    assert tracked["counts"]["compared"] == 1


def test_a_bundle_without_an_audience_says_so(client):
    found = client.post("/audience", json={"draft": DRAFT})
    assert (found.status_code, found.json()) == (404, {"error": "this bundle has no simulated audience"})
    assert client.get("/facts").json()["audience"] is None


def test_the_out_of_a_stage_takes_nothing_in(served, monkeypatch):
    monkeypatch.setattr(bundle, "made_anew", lambda folder: folder == served.folder)
    with client_of(app_of(served)) as client:
        for path, body in (
            ("/observe", {"posts": [{"id": "a", "text": "a"}]}),
            ("/forecast", {"drafts": [DRAFT], "keep": True}),
        ):
            found = client.post(path, json=body)
            assert found.status_code == 409
            assert "popcast export" in found.json()["error"]
        assert client.post("/forecast", json={"drafts": [DRAFT]}).status_code == 200


class Addresses(HTMLParser):
    """Tags and addresses of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.addresses: list[str] = []
        self.inline: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.addresses += [value or "" for name, value in attrs if name in ("href", "src", "action")]
        self.inline += [name for name, _ in attrs if name == "style" or name.startswith("on")]


def test_the_page_of_the_api_takes_nothing_from_elsewhere(client):
    found = client.get("/docs")
    assert found.headers["content-security-policy"] == HEADERS["content-security-policy"]
    page = Addresses(found.text)
    assert page.addresses
    assert all(address.startswith("/") and not address.startswith("//") for address in page.addresses)
    assert not page.inline
    assert not page.tags & {"script", "style", "iframe", "img"}
    assert all(client.get(address).status_code == 200 for address in page.addresses)
    paths = client.get("/openapi.json").json()["paths"]
    assert all(path in found.text for path in paths)


def test_every_example_of_the_api_can_be_sent(client):
    description = client.get("/openapi.json").json()
    sent = 0
    for path, ways in description["paths"].items():
        for one in ways.values():
            if "requestBody" in one:
                name = one["requestBody"]["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2]
                for example in description["components"]["schemas"][name]["examples"]:
                    found = client.post(path, json=example)
                    assert found.status_code == (404 if path == "/audience" else 200), found.text
                    sent += 1
    assert sent == 5


@pytest.mark.parametrize(
    "path", ["/", "/docs", "/health", "/facts", "/metrics", "/static/api.css", "/nothing", "/static/x"]
)
def test_every_answer_bears_the_headers(client, path):
    found = client.get(path)
    assert {name: found.headers[name] for name in HEADERS if name != "cache-control"} == {
        name: value for name, value in HEADERS.items() if name != "cache-control"
    }
    assert not [name for name in found.headers if name.startswith("access-control")]


def test_metrics_count_requests_by_our_own_paths(client):
    client.get("/no/such/path/of/ours")
    client.get("/static/none")
    lines = client.get("/metrics").text.splitlines()
    paths = {match[1] for line in lines if (match := re.search(r'path="([^"]*)"', line))}
    assert {"other", "/static", "/forecast"} <= paths
    assert not [path for path in paths if "such" in path or "none" in path]
    drafts = next(float(line.split()[1]) for line in lines if line.startswith("popcast_drafts_total"))
    assert drafts > 10

"""What clients of all kinds may count on: HEAD as GET, bodies that are what they say, outcomes that were counted."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import orjson
import pytest

DRAFT = {"text": "storm", "author": "page 3"}


@pytest.mark.parametrize("path", ["/", "/health", "/facts", "/docs", "/authors?like=page", "/static/page.js", "/track"])
def test_head_is_answered_as_get(client, path):
    asked, head = client.get(path), client.head(path)
    assert (head.status_code, head.headers["content-type"]) == (200, asked.headers["content-type"])


@pytest.mark.parametrize("path", ["/forecast", "/observe", "/nowhere"])
def test_head_of_what_has_no_get_is_refused(client, path):
    assert client.head(path).status_code in (404, 405)


@pytest.mark.parametrize(
    ("kind", "status"),
    [("application/json", 200), ("application/json; charset=utf-8", 200), ('Application/JSON;charset="UTF-8"', 200),
     ("application/json; charset=utf-16", 415), ("application/json; x=1; charset=latin-1", 415),
     ("application/json; charset=", 415)],
)  # fmt: skip
def test_a_body_in_another_encoding_is_not_read_as_utf8(client, kind, status):
    found = client.post("/forecast", content=orjson.dumps({"drafts": [DRAFT]}), headers={"content-type": kind})
    assert found.status_code == status


@pytest.mark.parametrize("moment", ["9999-12-31T23:59", "2300-01-01", "tomorrow's tomorrow"])
def test_outcomes_are_not_counted_in_the_future(client, served, moment):
    before = served.observed
    if moment.startswith("tomorrow"):
        moment = (datetime.now(UTC) + timedelta(days=2)).isoformat()
    found = client.post("/observe", json={"posts": [{"id": "later", **DRAFT, "outcome": 3}], "counted_at": moment})
    assert found.status_code == 422
    assert "outcomes counted in the future" in found.json()["error"]
    assert served.observed == before


def test_one_draft_is_called_draft_in_errors(client):
    for wrong, line in (
        ({"time": "soon"}, "draft.time"), ({"numbers": {"fans": 1}}, "draft.numbers"),
        ({"picture": {"data": "%%"}}, "draft"),
    ):  # fmt: skip
        found = client.post("/what-if", json={"draft": DRAFT | wrong})
        assert found.status_code == 422
        assert line in found.json()["error"]
        assert "draft[0]" not in found.json()["error"]


@pytest.mark.parametrize("path", ["/forecast", "/explain", "/what-if"])
def test_what_is_far_off_or_unknown_is_said_everywhere(client, path):
    draft = {"text": "storm", "author": "nobody at all", "time": "2035-01-01T10:00"}
    body = {"draft": draft, "levers": []} if path == "/what-if" else {"drafts": [draft]}
    notes = " ".join(client.post(path, json=body).json()["notes"])
    assert "later than the posts learned from by up to 3," in notes
    assert "authors of whom no post is known: 'nobody at all'" in notes


@pytest.mark.parametrize("above", [1e308, 1e18, 0])
def test_a_number_far_beyond_has_a_chance_and_no_warning(client, above, recwarn):
    found = client.post("/forecast", json={"drafts": [DRAFT], "above": above}).json()["forecasts"][0]
    assert 0 <= found["chance_above"]["chance"] <= 1
    assert not [one for one in recwarn if issubclass(one.category, RuntimeWarning)]

"""A thousand bodies that a seed makes odd: an answer, or 4xx in one line; the server is as well as before."""

from __future__ import annotations

from collections import Counter

import orjson

from tests.serving.http.hostile_bodies import hostile_body
from tests.serving.http.test_http_refusals import JSON, one_line_of

BODIES = 1000


def test_a_thousand_odd_bodies(client, served, caplog):
    draft = {"drafts": [{"text": "storm", "author": "page 4", "time": "2025-02-01T10:00"}]}
    before = client.post("/forecast", json=draft).json()["forecasts"][0]["prediction"]
    counts: Counter[int] = Counter()
    for seed in range(BODIES):
        path, body = hostile_body(seed)
        found = client.post(path, content=body, headers=JSON)
        counts[found.status_code] += 1
        assert found.status_code == 200 or 400 <= found.status_code < 500, (seed, path, body[:300], found.text)
        if found.status_code == 200:
            assert b"NaN" not in found.content or b"NaN" in body, seed
            assert isinstance(orjson.loads(found.content), dict)
        else:
            one_line_of(found, served)
    assert min(counts[200], counts[400], counts[422]) > 50, counts
    assert not caplog.records
    after = client.post("/forecast", json=draft).json()["forecasts"][0]["prediction"]
    assert after == before  # widths may follow the outcomes that were observed

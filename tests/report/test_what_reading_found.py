"""The report page shows what reading the raw files found: counts, first places of rejected rows, notes."""

from __future__ import annotations

import re

from popcast.core import paths, tables
from popcast.datasets.loading import Quality
from tests import popularity
from tests.plans import run_stage


def test_counts_places_and_notes_stand_on_the_page(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    popularity.project(tmp_path, popularity.posts())
    quality = Quality(0.1)
    quality.leave_out("likes: no label", 1234, ["posts.csv: row 7: field 'likes': no label: got '<b>'"])
    quality.say(["likes: '1.234' is read as 1234, as a count is whole"] * 2)
    tables.write_json(quality.as_dict(), paths.quality("tiny"))
    for name in ("blend", "evaluate", "report"):
        result = run_stage(name, *([] if name == "report" else ["tiny"]))
        assert result.exit_code == 0, result.output + result.stderr
    page = (paths.REPORT / "index.html").read_text()
    assert re.search(r"rejected: likes: no label</th><td[^>]*>1,234<", page)
    assert page.count("got &#39;&lt;b&gt;&#39;") == 1
    assert page.count("is read as 1234, as a count is whole") == 1

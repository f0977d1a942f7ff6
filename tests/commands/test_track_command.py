"""``popcast forecast --keep`` and ``popcast track``: what was said, what came of it, and a page about both."""

from __future__ import annotations

from datetime import UTC, datetime

import orjson
import polars as pl
import pytest
from click.testing import CliRunner

import popcast
from popcast.cli import main
from popcast.core import paths
from tests.api.fixed_choice import GIVEN, SETTINGS, rows

NOW = datetime.now(UTC).isoformat(timespec="seconds")


@pytest.fixture(scope="module")
def fitted(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bundle") / "posts"
    popcast.Forecaster(**GIVEN, settings=SETTINGS).fit(rows()).save(folder)
    return folder


@pytest.fixture
def here(fitted, tmp_path, monkeypatch):
    popcast.load(fitted).save(tmp_path / "own")
    came = rows(n=80, unlabelled=0, seed=3).with_columns(
        id="new " + pl.col("id"), created=pl.col("created").str.replace("2025-0", "2026-0")
    )
    came.drop("likes").write_csv(tmp_path / "drafts.csv")
    came.select("id", "likes").write_csv(tmp_path / "outcomes.csv")
    came.write_csv(tmp_path / "came.csv")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def called(*words: str):
    return CliRunner().invoke(main, [str(word) for word in words])


def told(*words: str) -> dict:
    said = called(*words, "--json")
    assert said.exit_code == 0, said.output
    return orjson.loads(said.stdout)


def test_kept_forecasts_are_compared_with_a_file_or_with_what_was_observed(here):
    kept = told("forecast", "own", "drafts.csv", "--keep")
    assert len({one["kept"] for one in kept["forecasts"]}) == 80
    assert kept["notes"][-1].startswith("kept as ")
    assert told("track", "own")["verdict"]["line"] == "Too early to say: 0 outcomes, 30 are needed."
    by_file = told("track", "own", "outcomes.csv", "--counted-at", NOW)
    assert by_file["counts"] == {"compared": 80, "waiting": 0, "older": 0, "settled": 0, "unknown": 0, "young": 0}
    assert called("observe", "own", "came.csv", "--counted-at", NOW).exit_code == 0
    observed = told("track", "own")
    assert observed == by_file
    assert observed["figures"]["posts"] == 80
    assert observed["test"]["mae"] > 0
    assert {one["input"] for one in observed["inputs"]} >= {"hour", "characters", "weekday", "category"}
    said = called("track", "own", "--page", "page.html")
    assert said.stdout.startswith("posts: 80 forecasts kept, 80 compared, 0 waiting")
    page = (here / "page.html").read_text(encoding="utf-8")
    assert page.count("<svg viewBox") == 3
    assert "NaN" not in page
    assert "None" not in page


def test_an_outcome_of_an_unknown_id_is_counted_in_one_line_and_young_ones_wait(here):
    told("forecast", "own", "drafts.csv", "--keep")
    pl.DataFrame({"id": ["new p0000", "nobody's"], "likes": [10, 20]}).write_csv("two.csv")
    found = told("track", "own", "two.csv", "--counted-at", NOW)
    assert (found["counts"]["compared"], found["counts"]["unknown"]) == (1, 1)
    assert found["notes"] == ["1 outcomes of posts without a kept forecast"]
    found = told("track", "own", "two.csv", "--counted-at", "2025-12-31")
    assert (found["counts"]["compared"], found["counts"]["young"]) == (0, 1)


def test_a_draft_by_options_is_found_by_the_id_it_was_kept_under(here):
    kept = told("forecast", "own", "--text", "storm harbour", "--author", "page 3", "--keep")["forecasts"][0]["kept"]
    pl.DataFrame({"id": [kept], "likes": [40]}).write_csv("one.csv")
    assert told("track", "own", "one.csv")["counts"]["compared"] == 1


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["track", "nothing"], "no bundle there"),
        (["track", "own", "none.csv"], "no such file"),
        (["track", "own", "--counted-at", "2025-01-01"], "of which outcomes?"),
        (["track", "own", "outcomes.csv", "--counted-at", "2999-01-01"], "outcomes counted in the future"),
        (["observe", "own", "outcomes.csv", "--counted-at", "2999-01-01"], "outcomes counted in the future"),
        (["track", "own", "drafts.csv"], "no outcomes in it"),
        (["track", "own", "twice.csv"], "duplicate id"),
        (["forecast", paths.bundle("posts"), "--text", "x", "--keep"], "the out of a stage"),
    ],
)
def test_what_cannot_be_is_one_line(here, fitted, words, line):
    popcast.load(fitted).save(paths.bundle("posts"))
    pl.DataFrame({"id": ["a", "a"], "likes": [1, 2]}).write_csv("twice.csv")
    said = called(*words)
    assert said.exit_code == 1
    assert said.stderr.startswith("error: ")
    assert line in said.stderr
    assert said.stderr.count("\n") == 1

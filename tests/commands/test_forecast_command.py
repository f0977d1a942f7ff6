"""``popcast forecast``, ``export`` and ``observe``: drafts by options and by file, and what is said of them."""

from __future__ import annotations

import shutil

import orjson
import polars as pl
import pytest
from click.testing import CliRunner

import popcast
from popcast.cli import main
from popcast.core import paths
from tests.api.fixed_choice import GIVEN, SETTINGS, rows


@pytest.fixture(scope="module")
def fitted(tmp_path_factory):
    """A bundle as the stage of a dataset ``posts`` leaves it."""
    folder = tmp_path_factory.mktemp("project")
    popcast.Forecaster(**GIVEN, settings=SETTINGS).fit(rows()).save(folder / paths.bundle("posts"))
    return folder


@pytest.fixture
def here(fitted, tmp_path, monkeypatch):
    shutil.copytree(fitted, tmp_path / "project")
    monkeypatch.chdir(tmp_path / "project")
    return tmp_path / "project"


def called(*words: str):
    return CliRunner().invoke(main, [str(word) for word in words])


OPTIONS = ("--text", "storm harbour", "--author", "page 3", "--time", "2025-07-01 12:00", "--tags", "storm, sea",
           "--category", "photo", "--number", "followers=4000")  # fmt: skip


def test_a_draft_by_options_is_the_draft_of_a_file(here):
    draft = {"page": "page 3", "created": "2025-07-01T12:00:00Z", "message": "storm harbour", "hashtags": "storm sea"}
    pl.DataFrame([draft | {"kind": "photo", "followers": 4000}]).write_csv("draft.csv")
    found = [orjson.loads(called("forecast", "posts", *given, "--json").stdout) for given in (OPTIONS, ["draft.csv"])]
    for one in found:
        one["forecasts"][0].pop("id")  # a hash of a row: of a file it is of texts
    assert found[0]["forecasts"] == found[1]["forecasts"]
    assert found[0]["notes"] == found[1]["notes"] == ["columns that the posts lack, taken as not known: 'id'"]
    row = found[0]["forecasts"][0]
    with pytest.warns(UserWarning, match="taken as not known: 'id'"):
        expected = popcast.load(paths.bundle("posts")).predict("draft.csv").drop("id")
    assert {name: row[name] for name in expected.columns} == expected.row(0, named=True)
    assert row["lower_count"] < row["prediction_count"] < row["upper_count"]


def test_what_is_not_told_is_said_and_counts_are_shown(here):
    said = called("forecast", "posts", "--text", "storm", "--author", "page 3")
    assert said.exit_code == 0, said.output
    assert "1 draft, forecasts counts" in said.stdout
    assert "note: columns that the posts lack, taken as not known:" in said.stderr
    for name in ("created", "hashtags", "kind", "followers"):
        assert f"'{name}'" in said.stderr
    assert "storm" in said.stdout


def test_a_file_of_drafts_becomes_a_csv_that_no_spreadsheet_runs(here):
    drafts = rows(n=8, unlabelled=8, seed=3).drop("likes").with_columns(message=pl.lit("=1+1"))
    drafts.write_csv("drafts.csv")
    said = called("forecast", "posts", "drafts.csv", "--csv", "out.csv")
    assert "out.csv: 8 rows" in said.stdout
    table = pl.read_csv("out.csv")
    assert table["post_id"].to_list() == drafts["id"].to_list()
    assert set(table["title"]) == {"'=1+1"}
    assert table["forecast"].dtype == pl.Int64
    together = orjson.loads(called("forecast", "posts", "drafts.csv", "--together", "--json").stdout)
    assert len(together["forecasts"]) == 8


def test_an_exported_bundle_says_the_same_and_learns_what_came_of_posts(here, tmp_path):
    out = tmp_path / "elsewhere"
    said = called("export", "posts", out)
    assert said.exit_code == 0, said.output
    assert {path.name for path in out.iterdir()} == {path.name for path in (here / paths.bundle("posts")).iterdir()}
    first = orjson.loads(called("forecast", out, *OPTIONS, "--json").stdout)
    assert first == orjson.loads(called("forecast", "posts", *OPTIONS, "--json").stdout)
    came = rows(n=6, unlabelled=2, seed=4).with_columns(id="new " + pl.col("id"), page=pl.lit("page 3"))
    came.write_csv("came.csv")
    said = called("observe", out, "came.csv")
    assert "6 new posts, 4 outcomes, 0 of posts younger than 1 days" in said.stdout
    assert orjson.loads(called("forecast", out, *OPTIONS, "--json").stdout) != first
    said = called("export", "posts", out)
    assert "posts were observed into it" in said.stderr
    assert popcast.load(out).observe(came.select("id", "likes")) == {"posts": 0, "outcomes": 4, "too_young": 0}


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["forecast", "posts"], "expected either a FILE of drafts, or options"),
        (["forecast", "posts", "drafts.csv", "--text", "x"], "expected either a FILE of drafts, or options"),
        (["forecast", "nothing", "--text", "x"], "no bundle there"),
        (["forecast", "posts", "none.csv"], "no such file"),
        (["forecast", "posts", "--time", "yesterday"], "not a time"),
        (["forecast", "posts", "--number", "fans=3"], "not a number of posts"),
        (["forecast", "posts", "--number", "followers=many"], "expected a number such as"),
        (["forecast", "posts", "--media", "a.jpg"], "have no media"),
        (["observe", "posts", "came.csv"], "the out of a stage"),
        (["export", "nothing", "out"], "no bundle there"),
        (["export", "posts", "."], "other files are in it"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_one_line(here, words, line):
    said = called(*words)
    assert said.exit_code == 1
    assert said.stderr.startswith("error: ")
    assert line in said.stderr
    assert said.stderr.count("\n") == 1


def test_posts_without_ids_cannot_be_observed(here, tmp_path):
    called("export", "posts", tmp_path / "out")
    rows(n=3).drop("id").write_csv("nameless.csv")
    said = called("observe", tmp_path / "out", "nameless.csv")
    assert "posts without ids cannot be observed" in said.stderr
    rows(n=3).with_columns(id=pl.lit(None, pl.String)).write_csv("nameless.csv")
    said = called("observe", tmp_path / "out", "nameless.csv")
    assert "a post without id" in said.stderr

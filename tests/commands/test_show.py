"""``popcast show``: forecasts as counts, newest first, and a csv that no spreadsheet runs."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from click.testing import CliRunner

from popcast.blend.count_scale import as_counts, transform_of
from popcast.cli import main
from popcast.core import paths
from popcast.datasets.params import Dataset

TITLES = ["=1+1", "plain", "[bold]marked[/bold]", "two\nlines \x1b[2J", "x" * 90, None]
COLUMNS = {"id": "id", "label": "likes"}


@pytest.fixture
def here(tmp_path, monkeypatch, request):
    """A project with predictions of six posts: two in test, four without a label."""
    monkeypatch.chdir(tmp_path)
    section = getattr(request, "param", None) or {"kind": "table", "table": {"labelled": "a.csv", "columns": COLUMNS}}
    monkeypatch.setattr(
        "popcast.planning.project_params.entry",
        lambda _, name: Dataset(raw="raw", zone="Asia/Tokyo", metric="mae", **section),
    )
    start = datetime(2024, 12, 31, 15, tzinfo=UTC)
    posts = pl.DataFrame(
        {
            "post_id": [f"p{row}" for row in range(6)],
            "user_id": ["ann", "-2+3", "bob", None, "ann", "ann"],
            "posted_at": [start + timedelta(hours=row) for row in range(6)],
            "title": TITLES,
            "popularity": [3.0, 4.0, None, None, None, None],
        }
    )
    predicted = pl.DataFrame(
        {
            "post_id": posts["post_id"],
            "split": ["test"] * 2 + ["unlabelled"] * 4,
            "fold": pl.Series([None] * 6, dtype=pl.Int8),
            "prediction": [3.0, 4.0, 5.0, 10.0, 0.0, -2.0],
            "lower": [1.0, 1.0, 1.0, 1.0, -3.0, -3.0],
            "upper": [20.0] * 6,
        }
    )
    for table, place in ((posts, paths.posts("mine")), (predicted, paths.predictions("mine", "blend"))):
        place.parent.mkdir(parents=True, exist_ok=True)
        table.write_parquet(place)
    return tmp_path


def shown(*options: str) -> str:
    result = CliRunner().invoke(main, ["show", "mine", *options])
    assert result.exit_code == 0, result.output
    return result.output


def test_posts_without_a_label_as_counts_newest_first(here):
    lines = shown().splitlines()
    assert lines[0] == "mine: 4 posts (unlabelled), forecasts counts, newest first"
    assert "posted (Asia/Tokyo)" in lines[1]
    assert [line.split()[:3] for line in lines[2:]] == [
        ["ann", "2025-01-01", "05:00"],
        ["ann", "2025-01-01", "04:00"],
        ["–", "2025-01-01", "03:00"],
        ["bob", "2025-01-01", "02:00"],
    ]
    assert lines[4].split()[-3:] == ["1,023", "1", "1,048,575"]
    assert lines[2].split()[-3:] == ["0", "0", "1,048,575"]
    assert "[bold]marked[/bold]" in lines[5]
    assert "\x1b" not in shown()


def test_the_test_part_has_what_came_out(here):
    lines = shown("--part", "test", "--limit", "1").splitlines()
    assert lines[2].split()[-4:] == ["15", "1", "1,048,575", "15"]
    assert lines[3] == "... 1 more: --limit, or --csv FILE for all"


def test_a_csv_runs_nothing_in_a_spreadsheet(here):
    assert shown("--part", "test", "--csv", "out.csv").splitlines()[1] == "out.csv: 2 rows"
    assert Path("out.csv").read_bytes().startswith(b"\xef\xbb\xbf")
    table = pl.read_csv("out.csv")
    assert table["author"].to_list() == ["'-2+3", "ann"]
    assert table["title"].to_list() == ["plain", "'=1+1"]
    assert table.columns == ["post_id", "author", "posted_at", "title", "forecast", "lower", "upper", "actual"]


@pytest.mark.parametrize("here", [{"kind": "smpd"}], indirect=True)
def test_scores_stay_scores(here):
    assert "on the scale of the label" in shown()
    assert shown().splitlines()[4].split()[-3:] == ["10.0", "1.0", "20.0"]


def test_nothing_to_show_is_one_line(here):
    result = CliRunner().invoke(main, ["show", "mine", "--part", "valid"])
    assert (result.exit_code, result.stderr.count("\n")) == (1, 1)
    assert "no post of the part 'valid'" in result.stderr
    paths.predictions("mine", "blend").unlink()
    result = CliRunner().invoke(main, ["show", "mine"])
    assert (result.exit_code, result.stderr.count("\n")) == (1, 1)


@pytest.mark.parametrize(("transform", "values"), [("log2(x)", [1.0, 8.0, 0.5]), ("log2(x+1)", [0.0, 7.0, 0.0])])
def test_counts_are_the_inverse_of_the_label(transform, values):
    assert as_counts(pl.Series([0.0, 3.0, -1.0]), transform).to_list() == values


def test_a_score_is_no_count():
    with pytest.raises(ValueError, match="no counts"):
        as_counts(pl.Series([1.0]), "none")
    assert transform_of(Dataset(kind="smp_video", raw="raw")) == "none"
    assert transform_of(Dataset(kind="microlens", raw="raw")) == "log2(x)"

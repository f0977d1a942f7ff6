"""What all datasets share: labels, numbers, times, counts of rejected rows, and the stage around them."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

from popcast.core import paths, tables
from popcast.core.errors import BadInput
from popcast.datasets import loading, times
from tests.plans import run_stage

WHERE = {"file": "a.csv", "field": "x"}


@pytest.mark.parametrize(
    ("transform", "raw", "expected"),
    [("log2(x)", ["1", "8"], [0, 3]), ("log2(x+1)", ["0", "7"], [0, 3]), ("none", ["-2.5", "64"], [-2.5, 64])],
)
def test_label_transforms(transform, raw, expected):
    assert loading.label(pl.Series(raw), transform, **WHERE).to_list() == expected


@pytest.mark.parametrize(
    ("transform", "raw", "words"),
    [
        ("log2(x)", ["1", "0"], "row 2: field 'x': label out of range: got '0', expected at least 1"),
        ("log2(x+1)", ["-1"], "row 1: field 'x': label out of range: got '-1', expected at least 0"),
        ("none", ["64.1"], "row 1: field 'x': label out of range"),
        ("none", ["1", "NaN"], "row 2: field 'x': no label: got 'NaN'"),
        ("none", ["1", "inf"], "row 2: field 'x': infinite value"),
        ("none", ["1", None], "row 2: field 'x': no label"),
        ("none", ["1", "many"], "row 2: field 'x': not a number: got 'many'"),
    ],
)
def test_labels_that_are_refused(transform, raw, words):
    with pytest.raises(BadInput) as error:
        loading.label(pl.Series(raw), transform, **WHERE)
    assert str(error.value).startswith("a.csv: " + words)


def test_iso_times_with_and_without_zone():
    texts = [
        "2016-02-24 00:00:00",
        "2016-02-24T00:00:00Z",
        "2016-02-24T01:30:00+01:30",
        "2016-02-23 20:00:00.250-0400",
        "2016-02-24 02:00:00+02",
        "2016-02-24 08:00",
        "2016-02-24",
        "24.2.2016",
        None,
    ]
    shanghai = times.iso(pl.Series(texts), "Asia/Shanghai")
    midnight, eight_before = datetime(2016, 2, 24, tzinfo=UTC), datetime(2016, 2, 23, 16, tzinfo=UTC)
    quarter = midnight.replace(microsecond=250_000)
    expected = [eight_before, midnight, midnight, quarter, midnight, midnight, eight_before, None, None]
    assert shanghai.to_list() == expected


def test_clock_times_that_occur_twice_or_never():
    local = pl.Series([datetime(2021, 10, 31, 2, 30), datetime(2021, 3, 28, 2, 30), None])
    utc = [datetime(2021, 10, 31, 0, 30, tzinfo=UTC), datetime(2021, 3, 28, 1, 30, tzinfo=UTC), None]
    assert times.in_zone(local, "Europe/Berlin").to_list() == utc


@pytest.mark.parametrize(
    ("values", "pattern", "expected"),
    [
        (["1440000000", "1440000001"], "auto", datetime(2015, 8, 19, 16, tzinfo=UTC)),
        (["1440000000000"], "auto", datetime(2015, 8, 19, 16, tzinfo=UTC)),
        (["1440000000.0"], "epoch", datetime(2015, 8, 19, 16, tzinfo=UTC)),
        ([1440000000000], "epoch_ms", datetime(2015, 8, 19, 16, tzinfo=UTC)),
        (["19.08.2015 18h"], "%d.%m.%Y %Hh", None),
        (["19.08.2015 18:00"], "%d.%m.%Y %H:%M", datetime(2015, 8, 19, 16, tzinfo=UTC)),
        ([datetime(2015, 8, 19, 18)], "auto", datetime(2015, 8, 19, 16, tzinfo=UTC)),
        ([datetime(2015, 8, 19, 16, tzinfo=UTC)], "auto", datetime(2015, 8, 19, 16, tzinfo=UTC)),
    ],
)
def test_times_of_a_users_column(values, pattern, expected):
    if expected is None:
        with pytest.raises(BadInput, match="time_format: Invalid format"):
            times.read_times(pl.Series(values), pattern, "Europe/Berlin", **WHERE)
    else:
        assert times.read_times(pl.Series(values), pattern, "Europe/Berlin", **WHERE)[0] == expected


@pytest.mark.parametrize(
    ("values", "pattern", "words"),
    [
        (["2016-01-01", "soon"], "auto", "row 3: field 'x': not a time: got 'soon', expected ISO 8601"),
        (["2016-01-01", ""], "auto", "row 3: field 'x': missing time"),
        (["1440000000", "1440000000000"], "epoch", "row 3: field 'x': time out of range"),
        (["1440000000", "0"], "epoch", "row 3: field 'x': time out of range"),
        (["1440000000", "12 June"], "epoch", "row 3: field 'x': not a time"),
        (["2016-01-01", "2216-01-01"], "auto", "row 3: field 'x': time out of range"),
    ],
)
def test_times_that_are_refused(values, pattern, words):
    with pytest.raises(BadInput) as error:
        times.read_times(pl.Series(values), pattern, "UTC", first_row=2, **WHERE)
    assert words in str(error.value)


def test_rejected_rows_are_counted_up_to_the_share():
    quality = loading.Quality(max_reject_share=0.01)
    quality.reject("without label", 1, of=100, file="raw")
    assert quality.as_dict()["rejected"] == {"without label": 1}
    with pytest.raises(BadInput, match="raw: 2 of 100 rows rejected"):
        quality.reject("without time", 2, of=100, file="raw")


PARAMS = """
base: {seed: 1}
datasets:
  mine: {kind: table, raw: raw, table: {labelled: posts.csv, columns: {id: id, text: [text], label: likes}}}
splits:
  mine: {method: published}
features: {}
runs: {}
models: {}
blend: {}
evaluation: {}
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "raw").mkdir()
    (tmp_path / "params.yaml").write_text(PARAMS)
    return tmp_path


def test_the_stage_writes_the_table_and_its_quality(project):
    rows = "".join(f"{number},text {number},{number}\n" for number in range(3, 13))
    (project / "raw/posts.csv").write_text("id,text,likes\n2,later,3\n1,,0\n" + rows)
    result = run_stage("posts", "mine")
    assert result.exit_code == 0, result.output
    posts = tables.read(paths.posts("mine"), tables.POSTS)
    rows = posts.filter(pl.col("post_id").is_in(["1", "2"])).select("post_id", "title", "popularity").rows()
    assert rows == [("1", None, 0.0), ("2", "later", 2.0)]
    splits = tables.read(paths.splits("mine"), tables.SPLIT_TABLE)
    assert set(splits["post_id"]) == set(posts["post_id"])
    assert '"labelled": 12' in paths.quality("mine").read_text()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("id,text,likes\n", "the dataset is empty"),
        ("", "empty file"),
        ("id,text,likes\n1,a,many\n", "posts.csv: row 2: field 'likes': not a number: got 'many'"),
        (None, "posts.csv: missing file"),
    ],
)
def test_the_stage_refuses_in_one_line_and_writes_nothing(project, content, words):
    if content is not None:
        (project / "raw/posts.csv").write_text(content)
    result = run_stage("posts", "mine")
    assert result.exit_code == 1
    assert words in result.output
    assert result.output.count("\n") == 1
    assert not {path.name for path in project.glob("data/*")} - {"plan"}
    assert not (project / "metrics").exists()


def test_exposure_is_the_time_to_the_snapshot():
    times = [datetime(2020, 11, 1, tzinfo=UTC), datetime(2020, 11, 7, 12, tzinfo=UTC)]
    posts = pl.DataFrame({"posted_at": pl.Series(times, dtype=tables.TIME)})
    found = loading.with_exposure(posts, datetime(2020, 11, 8), "demo")
    assert found["post_exposure_days"].to_list() == [7.0, 0.5]
    assert "post_exposure_days" not in loading.with_exposure(posts, None, "demo").columns
    with pytest.raises(BadInput, match=r"1 posts are newer than the snapshot.*expected from 2020-11-07 12:00"):
        loading.with_exposure(posts, datetime(2020, 11, 7, tzinfo=UTC), "demo")

"""Pictures of the data: counts of all parts, labels of the training part alone, hours of the dataset's zone."""

from __future__ import annotations

import datetime as dt

import numpy as np
import polars as pl
import pytest
from click.testing import CliRunner

from popcast.cli import main
from popcast.core import paths, tables
from popcast.datasets.params import Dataset
from popcast.report.described.described_posts import described
from popcast.report.described.description_drawn import DRAWN


def world(rows: int = 240) -> pl.DataFrame:
    """Popular in the evening and by the sea; the last quarter is test."""
    at = [dt.datetime(2020, 1, 1, tzinfo=dt.UTC) + dt.timedelta(hours=13 * i) for i in range(rows)]
    rng = np.random.default_rng(0)
    photos = rng.integers(0, 100, rows).astype(float)
    sea = np.arange(rows) % 3 == 0
    return pl.DataFrame({
        "post_id": [f"p{i:03d}" for i in range(rows)],
        "user_id": [f"u{i if i < 40 else 1000 + i % 20}" for i in range(rows)],
        "posted_at": at,
        "title": ["t" * (i % 30) for i in range(rows)],
        "tags": [["a"] * (i % 4) for i in range(rows)],
        "category": np.where(sea, "sea", "city"),
        "media": [[]] * rows,
        "user_photo_count": photos,
        "popularity": 5 + 2.0 * sea + photos / 50,
        "split": ["train"] * 180 + ["test"] * 60,
    })  # fmt: skip


def test_authors_categories_and_numbers_are_counted():
    found = described(world(), "UTC")
    assert set(found) == set(DRAWN)
    authors = found["posts_by_author"]
    assert authors.select("posts_each", "authors", "posts").rows() == [("1", 40, 40), ("6-10", 20, 200)]
    category = {row["value"]: row for row in found["label_by_category"].to_dicts()}
    assert category["sea"]["posts"] == 60
    assert category["sea"]["median"] > category["city"]["median"] + 1
    assert found["label_and_numbers"]["number"][0] == "user_photo_count"
    assert found["label_distribution"]["posts"].sum() == 180
    assert found["posts_by_month"]["posts"].sum() == 240


def test_hours_are_those_of_the_zone():
    one = world().with_columns(posted_at=pl.lit(dt.datetime(2020, 1, 5, 23, 30, tzinfo=dt.UTC)))
    assert described(one, "UTC")["label_by_hour"]["value"].to_list() == [23]
    found = described(one, "Asia/Tokyo")
    assert found["label_by_hour"]["value"].to_list() == [8]
    assert found["label_by_weekday"]["value"].to_list() == [1], "Monday in Tokyo"


def test_labels_of_test_posts_change_nothing():
    posts = world()
    other = posts.with_columns(popularity=pl.when(split="test").then(pl.lit(99.0)).otherwise("popularity"))
    left, right = described(posts, "UTC"), described(other, "UTC")
    assert all(left[name].equals(right[name]) for name in left)


def test_what_a_dataset_does_not_have_is_left_out():
    bare = world().with_columns(
        user_id=pl.lit(None, pl.String), posted_at=pl.lit(None, pl.Datetime("us", "UTC")),
        category=pl.lit(None, pl.String),
    )  # fmt: skip
    assert set(described(bare, "UTC")) == {"label_distribution", "label_and_numbers"}


@pytest.fixture
def project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("popcast.planning.project_params.entry", lambda _, name: Dataset(raw="raw", kind="smpd"))
    monkeypatch.setattr(tables, "read", lambda path, schema: pl.read_parquet(path))
    monkeypatch.setattr(tables, "labelled", lambda posts, splits: posts.join(splits, on="post_id"))
    whole = world()
    for table, place in (
        (whole.drop("split"), paths.posts("mine")), (whole.select("post_id", "split"), paths.splits("mine")),
    ):  # fmt: skip
        place.parent.mkdir(parents=True, exist_ok=True)
        table.write_parquet(place)
    return tmp_path


def test_the_command_draws_every_table_the_same_each_time(project):
    runs = []
    for _ in range(2):
        result = CliRunner().invoke(main, ["show", "mine", "--data", "drawn"])
        assert result.exit_code == 0, result.output
        runs.append({file.name: file.read_bytes() for file in sorted((project / "drawn").iterdir())})
    assert runs[0] == runs[1]
    assert set(runs[0]) == {f"{name}.{end}" for name in DRAWN for end in ("csv", "png")}


def test_a_folder_with_other_files_is_refused(project):
    (project / "drawn").mkdir()
    (project / "drawn" / "thesis.tex").write_text("mine")
    result = CliRunner().invoke(main, ["show", "mine", "--data", "drawn"])
    assert result.exit_code == 1
    assert "other files are in it" in result.output
    assert (project / "drawn" / "thesis.tex").read_text() == "mine"

"""The stage ``instructions`` on a small generated project: its tables, and inputs that it refuses."""

from __future__ import annotations

import polars as pl
import pytest

from popcast.core import paths, tables
from tests.generated import make_posts
from tests.plans import run_stage

PARAMS = """
base: {seed: 7}
datasets: {toy: {kind: smpd, raw: nowhere}}
splits: {toy: {method: chronological, shares: [0.7, 0.1, 0.2]}}
features: {}
runs: {}
models: {}
blend: {}
evaluation: {}
tasks:
  toy: {dataset: toy, source: toy, track: coldstart, template: smpd, users: USERS, newest: 4, extra: 1, shots: [1, 2],
        many_shot: [0.5]}
llms:
  toy: {scores: [1.0, 16.99], base: {made: {}}, sft: {lora: {shots: [1, 2]}}, preferences: {shots: [1, 2]}}
"""


@pytest.fixture
def project(tmp_path, monkeypatch):
    """600 posts of 12 authors; three posts of the busiest author are outside the window of the split."""
    monkeypatch.chdir(tmp_path)
    paths.PARAMS.write_text(PARAMS.replace("USERS", "2"))
    table = make_posts(600)
    busiest = table["user_id"].drop_nulls().mode().sort()[0]
    outside = table.filter((pl.col("user_id") == busiest) & pl.col("popularity").is_not_null())["post_id"][:3]
    splits = table.select("post_id", "split", "fold").with_columns(
        split=pl.when(pl.col("post_id").is_in(outside.implode())).then(pl.lit("unlabelled")).otherwise("split")
    )
    tables.write(table.drop("split", "fold"), paths.posts("toy"), tables.POSTS)
    tables.write(splits, paths.splits("toy"), tables.SPLIT_TABLE)
    return outside


def run():
    return run_stage("instructions", "toy")


def test_stage_writes_draws_and_records(project):
    done = run()
    assert done.exit_code == 0, done.stderr
    draws = tables.read(paths.draws("toy"), tables.DRAWS)
    records = tables.read(paths.records("toy"), tables.RECORDS)
    assert dict(draws["draw"].value_counts().iter_rows()) == {"fewshot": 2, "extra1": 2, "pool": 2}
    counts = {row[:3]: row[3] for row in records.group_by("draw", "role", "shots").len().iter_rows()}
    many = counts.pop(("many_50", "train", 2))
    assert many > 5
    assert counts == {
        (draw, role, shots): 2
        for draw, role in (("fewshot", "train"), ("fewshot", "test"), ("extra1", "test"), ("pool", "preference"))
        for shots in (1, 2)
    }
    assert done.stdout.startswith("instructions toy: 6 authors; extra1 test 1-shot 2, extra1 test 2-shot 2, ")
    used = set(records["target"]).union(*records["history"].to_list())
    posts = tables.read(paths.posts("toy"), tables.POSTS)
    unlabelled = posts.filter(pl.col("popularity").is_null())["post_id"]
    assert not used & {*project, *unlabelled}
    written = [path.read_bytes() for path in (paths.draws("toy"), paths.records("toy"))]
    assert run().exit_code == 0
    assert [path.read_bytes() for path in (paths.draws("toy"), paths.records("toy"))] == written


def test_too_few_authors_are_one_line_and_nothing_is_written(project):
    paths.PARAMS.write_text(PARAMS.replace("USERS", "200"))
    done = run()
    assert done.exit_code == 1
    assert done.stderr.startswith("error: params.yaml: tasks.toy.users: ")
    assert "expected at least 600, that is 200 for each of 3 draws" in done.stderr
    assert done.stderr.count("\n") == 1
    assert not paths.instructions("toy").exists()


def test_splits_of_other_posts_are_refused(project):
    splits = tables.read(paths.splits("toy"), tables.SPLIT_TABLE)
    tables.write(splits.head(50), paths.splits("toy"), tables.SPLIT_TABLE)
    done = run()
    assert done.exit_code == 1
    assert done.stderr == "error: posts (600) and splits (50) hold different posts: run `dvc repro`\n"

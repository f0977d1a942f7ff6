"""Rivals and popcast in one table: the project's scores, whose predictions they are, and what is refused."""

from __future__ import annotations

import shutil

import orjson
import polars as pl
import pytest
from click.testing import CliRunner

from benchmarks.peers import handover, score
from popcast.core.errors import BadInput
from popcast.scoring.bootstrap import bootstrap, clusters_of, paired_difference
from popcast.scoring.metrics import score as project_score


def test_scores_are_those_of_the_projects_scorer(posts, predictions):
    many = pl.concat([posts.with_columns(post_id=pl.col("post_id") + f" {i}") for i in range(3)])
    given = {
        name: pl.concat([table.with_columns(post_id=pl.col("post_id") + f" {i}") for i in range(3)])
        for name, table in predictions.items()
    }
    rows = score.scored(many, given, "mae")
    assert [row["name"] for row in rows] == ["popcast", "skrub-raw", "worse-history"]
    test = many.filter(pl.col("split") == "test").sort("post_id")
    y = test["popularity"].to_numpy()
    p = {name: test.join(table, on="post_id", maintain_order="left")["prediction"].to_numpy()
         for name, table in given.items()}  # fmt: skip
    clusters = clusters_of(test)
    draws = bootstrap(y, p, clusters.codes, 1000, score.SEED, "full")
    for row in rows:
        assert {key: row[key] for key in ("mae", "src", "posts")} == {
            key: project_score(y, p[row["name"]])[key] for key in ("mae", "src", "posts")
        }
    expected = paired_difference(draws["popcast"]["mae"], draws["skrub-raw"]["mae"], 0.95)
    assert rows[1]["vs_mae"] == (rows[0]["mae"] - rows[1]["mae"], *expected)
    assert rows[0]["vs_mae"] is None
    assert rows[1]["vs_mae"][2] < 0 < rows[1]["vs_src"][1]


def test_too_few_posts_have_scores_and_no_interval(posts, predictions):
    rows = score.scored(posts, predictions, "mape")
    assert {row["drawn"] for row in rows} == {None}
    assert {row["vs_mape"] for row in rows} == {None}
    lines = score.markdown(rows, "mape", {}).splitlines()
    assert lines[0].startswith("| system | MAPE | MAE | SRC |")
    assert all(line.count("|") == lines[0].count("|") for line in lines)


def test_a_post_without_a_prediction_is_refused(posts, predictions):
    test = posts.filter(pl.col("split") == "test")["post_id"]
    short = predictions | {"skrub-raw": predictions["skrub-raw"].filter(pl.col("post_id") != test[3])}
    with pytest.raises(BadInput, match=r"skrub-raw.*1 of 22 test posts have no prediction") as raised:
        score.scored(posts, short, "mae")
    assert "\n" not in str(raised.value)


def test_a_rival_that_has_run_is_read_with_its_seconds(tmp_path, predictions):
    predictions["skrub-raw"].write_parquet(tmp_path / "skrub-raw.parquet")
    (tmp_path / "skrub-raw.json").write_bytes(orjson.dumps({"took": {"test": {"processor_seconds": 12.5}}}))
    (tmp_path / handover.TASK).write_text("{}")
    found, took = score.read_rivals(tmp_path)
    assert took == {"skrub-raw": 12.5}
    assert found["skrub-raw"].equals(predictions["skrub-raw"])
    with pytest.raises(BadInput, match="no rival has run"):
        score.read_rivals(tmp_path / "empty")


def test_the_scorers_command_writes_the_table(tmp_path, monkeypatch, handed, predictions):
    monkeypatch.setattr(score, "ROOT", tmp_path)
    folder = tmp_path / ".scratch/peers/invented"
    shutil.copytree(handed[0] / "handed", folder)
    missing = CliRunner().invoke(score.main, ["invented"])
    assert missing.exit_code == 1
    assert missing.stderr.count("\n") == 1
    for name, role in (("popcast", "all"), ("skrub-raw", "test")):
        predictions[name].write_parquet(folder / f"{name}.parquet")
        (folder / f"{name}.json").write_bytes(orjson.dumps({"took": {role: {"processor_seconds": 61.7}}}))
    found = CliRunner().invoke(score.main, ["invented", "--out", str(tmp_path / "table.md")])
    assert found.exit_code == 0
    assert (tmp_path / "table.md").read_text().strip() == found.stdout.strip()
    assert found.stdout.startswith("invented, 22 posts of the test part; nothing drawn")
    assert [line.split("|")[1].strip() for line in found.stdout.splitlines()[4:6]] == ["**popcast**", "skrub-raw"]
    assert found.stdout.count("| 62 |") == 2


@pytest.fixture
def project(tmp_path, predictions, posts):
    """A project folder whose recipe has run."""
    folder = tmp_path / "project"
    (folder / "data/predictions/invented").mkdir(parents=True)
    (folder / ".scratch").mkdir()
    table = predictions["popcast"].join(posts.select("post_id", "split"), on="post_id")
    table.write_parquet(folder / "data/predictions/invented/blend.parquet")
    stages = {"posts@invented": 1.5, "train@invented-ridge": 20.0, "blend@invented": 3.0}
    others = {"train@invented_too-ridge": 500.0, "bundle@invented": 500.0, "plan": 500.0}
    times = {name: {"seconds": 9 * cpu, "cpu": cpu, "peak": 1.0} for name, cpu in (stages | others).items()}
    (folder / ".scratch/repro-times.json").write_bytes(orjson.dumps(times))
    return folder


@pytest.fixture
def saved(tmp_path, handed, predictions):
    """Files of a rival that has run, away from where run.py leaves them."""
    folder = tmp_path / "saved"
    shutil.copytree(handed[0] / "handed", folder)
    predictions["skrub-raw"].write_parquet(folder / "skrub-raw.parquet")
    (folder / "skrub-raw.json").write_bytes(orjson.dumps({"took": {"test": {"processor_seconds": 61.7}}}))
    return folder


def test_saved_rivals_are_scored_against_any_project(saved, project, monkeypatch, tmp_path):
    monkeypatch.setattr(score, "ROOT", tmp_path / "nowhere")
    found = CliRunner().invoke(score.main, ["invented", "--rivals", str(saved), "--project", str(project)])
    assert found.exit_code == 0, found.output
    lines = found.stdout.splitlines()[4:6]
    assert [line.split("|")[1].strip() for line in lines] == ["**popcast**", "skrub-raw"]
    assert [line.split("|")[-2].strip() for line in lines] == ["24", "62"]  # stages behind the blend, and no other
    (project / ".scratch/repro-times.json").unlink()
    again = CliRunner().invoke(score.main, ["invented", "--rivals", str(saved), "--project", str(project)])
    assert [line.split("|")[-2].strip() for line in again.stdout.splitlines()[4:6]] == ["–", "62"]


@pytest.mark.parametrize(
    ("what", "told"),
    [("other split", "19 test posts, 19 of them among the rivals' 22"), ("no blend", "no such file"),
     ("both", "one of them")],
)  # fmt: skip
def test_a_project_of_other_posts_is_refused(what, told, saved, project):
    file = project / "data/predictions/invented/blend.parquet"
    table = pl.read_parquet(file)
    moved = table.filter(pl.col("split") == "test")["post_id"][:3].to_list()
    split = pl.when(pl.col("post_id").is_in(moved)).then(pl.lit("train")).otherwise("split")
    if what == "other split":
        table.with_columns(split=split).write_parquet(file)
    if what == "no blend":
        file.unlink()
    both = ["--popcast", str(file)] if what == "both" else []
    found = CliRunner().invoke(score.main, ["invented", "--rivals", str(saved), "--project", str(project), *both])
    assert found.exit_code == 1
    assert found.stderr.count("\n") == 1
    assert told in found.stderr

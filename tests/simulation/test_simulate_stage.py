"""The stage ``simulate`` with the offline policy: its outs, what never reaches it, kills and full disks."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import polars as pl
import pytest
from ruamel.yaml import YAML

from popcast.core import paths, tables
from popcast.simulation.audience.population import generate, save
from popcast.simulation.running import journal, reaction_tables
from tests.plans import plan_of, run_stage

ROOT = Path(__file__).resolve().parents[2]
TOPICS = ("sea", "snow", "bridge", "market", "cat")
POSTS = 60


def posts_table(popularity: list[float | None]) -> pl.DataFrame:
    """Posts of ten authors; every sixth has the title of the first, the last has no text at all."""
    rows = range(POSTS)
    titles = [f"{TOPICS[row % 5]} number {0 if row % 6 == 0 else row}" for row in rows]
    posts = pl.DataFrame(
        {
            "post_id": [f"p{row:03d}" for row in rows],
            "user_id": [f"u{row % 10}" for row in rows],
            "title": [None, *titles[1:]][::-1],
            "popularity": popularity,
        },
        schema_overrides={"popularity": pl.Float64},
    )
    missing = [pl.lit(None, dtype).alias(name) for name, dtype in tables.POSTS_COLUMNS.items() if name not in posts]
    return posts.with_columns(missing).select(*tables.POSTS_COLUMNS)


def make_project(folder: Path, shard: int = 25, in_flight: int = 64, **rules) -> None:
    content = YAML(typ="safe").load(ROOT / "params.yaml")
    content["simulations"]["smpd"]["simulate"] = {"runs": 3, "repeated": 50}
    content["simulation"] = {
        "rules": {"sample": 5, "epochs": 2, **rules},
        "policy": {"kind": "persona"},
        "runner": {"in_flight": in_flight, "shard": shard},
    }
    with (folder / "params.yaml").open("w") as file:
        YAML().dump(content, file)
    known = [float(row % 7) if row % 4 else None for row in range(POSTS)]
    posts = posts_table(known)
    splits = posts.select(
        "post_id",
        split=pl.when(pl.col("popularity").is_null()).then(pl.lit("unlabelled")).otherwise(pl.lit("train")),
        fold=pl.lit(None, pl.Int8),
    )
    tables.write(posts, folder / paths.posts("smpd"), tables.POSTS)
    tables.write(splits, folder / paths.splits("smpd"), tables.SPLIT_TABLE)
    save(
        generate(ROOT / "src/popcast/simulation/audience/persona_lists.json", 12, 2, 5),
        folder / paths.population("default"),
    )


def run():
    return run_stage("simulate", "smpd")


def made(folder: Path) -> dict[str, bytes]:
    """Content of every out, by path."""
    files = [folder / paths.simulation_metrics("smpd"), *sorted((folder / paths.simulation("smpd")).rglob("*.parquet"))]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory) -> Path:
    """A project in which the stage ran once."""
    folder = tmp_path_factory.mktemp("undisturbed")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("POPCAST_ENGINE", "serial")
        make_project(folder)
        result = run()
        assert result.exit_code == 0, result.output
        assert "smpd: 60 posts, " in result.output
    return folder


@pytest.fixture
def project(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("POPCAST_ENGINE", "serial")
    make_project(tmp_path)
    return tmp_path


def test_outs(undisturbed, monkeypatch):
    monkeypatch.chdir(undisturbed)
    metrics = json.loads(paths.simulation_metrics("smpd").read_bytes())
    triggers, states = reaction_tables.read_triggers("smpd"), reaction_tables.read_states("smpd")
    reactions = reaction_tables.read_reactions("smpd")
    distinct = triggers["trigger"].n_unique()
    assert (metrics["posts"], metrics["posts_without_text"], triggers.height) == (60, 1, 59)
    assert metrics["triggers"] == distinct < 59
    assert metrics["shared_share"] == round(1 - distinct / 59, 6)
    labelled = triggers.filter(pl.col("post_id").is_in([f"p{row:03d}" for row in range(60) if row % 4]))
    assert set(labelled["runs"]) == {3}
    assert set(triggers["runs"]) == {1, 3}
    simulations = distinct + 2 * labelled["trigger"].n_unique()
    assert metrics["simulations"] == simulations == states.height / 2 == reactions.height / 10
    assert metrics["answers"] == 12 * simulations
    assert (metrics["failure_rate"], metrics["retries"]) == (0, 0)
    assert "prompt_tokens" not in metrics  # nobody counts them here
    ends = states.filter(pl.col("run") == 0, pl.col("epoch") == 1)["mean_attitude"]
    assert metrics["mean_attitude_epoch_2"] == pytest.approx(ends.mean(), abs=1e-6)
    assert 0 < ends.min() < ends.max() < 10
    manifest = reaction_tables.read_manifest("smpd")
    assert (manifest["policy_kind"], manifest["stand_in"], manifest["population"]) == ("persona", "true", "default")
    assert json.loads(manifest["rules"])["epochs"] == 2
    assert manifest["version_mesa"] == "3.3.1"
    assert not list(Path(".scratch").iterdir())


def test_labels_authors_and_order_change_no_byte(undisturbed, project):
    known = [None if row % 4 == 0 else 20.0 - row % 3 for row in range(POSTS)]
    posts = posts_table(known).with_columns(user_id=pl.lit("x") + pl.col("post_id"))
    tables.write(posts, paths.posts("smpd"), tables.POSTS)
    assert run().exit_code == 0
    assert made(project) == made(undisturbed)


def test_full_disk_at_any_file_loses_nothing(undisturbed, project, monkeypatch):
    write = journal.Path.write_bytes

    def stop_at(name: str):
        def full(self, content):
            if name in str(self):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return write(self, content)

        return full

    for name in ("states/0001.parquet", "counts/0002.json", "manifest.parquet", "metrics/simulation/smpd.json"):
        with monkeypatch.context() as patch:
            patch.setattr(Path, "write_bytes", stop_at(name))
            result = run()
        assert result.exit_code == 1
        error = result.stderr.strip().splitlines()
        assert len([line for line in error if line.startswith("error: ")]) == 1
        assert f"{name}: cannot be written: No space left on device: make room and start again" in error[-1]
        assert not paths.simulation("smpd").exists()
    assert list(Path(".scratch").rglob("out/states/0002.parquet"))
    assert run().exit_code == 0
    assert made(project) == made(undisturbed)


def test_fewer_personas_than_are_asked_is_one_line(project):
    make_project(project, sample=13)
    result = run()
    assert result.exit_code == 1
    assert result.stderr.strip() == (
        "error: params.yaml: field 'simulation.rules.sample': more personas asked per epoch than the population has: "
        "got 13, expected at most 12"
    )


def test_an_empty_title_is_one_line(project):
    empty = posts_table([1.0] * POSTS).with_columns(title=pl.lit(""))
    empty.write_parquet(paths.posts("smpd"))
    result = run()
    assert result.exit_code == 1
    assert len(result.stderr.strip().splitlines()) == 1
    assert "data/posts/smpd.parquet: row 1: field 'title'" in result.stderr


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["process", "serial"])
def test_killed_stage_goes_on(undisturbed, tmp_path, monkeypatch, engine):
    make_project(tmp_path, shard=25, in_flight=1)
    monkeypatch.chdir(tmp_path)
    plan_of("simulate", "smpd")
    command = [sys.executable, "-m", "stages.simulate", "smpd"]
    environment = {**os.environ, "POPCAST_ENGINE": engine, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(command, cwd=tmp_path, env=environment, start_new_session=True)
    deadline = time.monotonic() + 120
    while not any(path.read_bytes().count(b"\n") >= 3 for path in tmp_path.glob(".scratch/*/journal-*.jsonl")):
        assert process.poll() is None, "the stage ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.001)
    os.killpg(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert not (tmp_path / paths.simulation("smpd")).exists()
    kept = sum(path.read_bytes().count(b"\n") for path in tmp_path.glob(".scratch/*/journal-*.jsonl"))
    assert kept >= 3
    subprocess.run(command, cwd=tmp_path, env=environment, check=True, stdout=subprocess.DEVNULL)
    assert made(tmp_path) == made(undisturbed)
    assert not list((tmp_path / ".scratch").iterdir())

"""The stages ``fields`` and ``ablation`` on a small project whose simulation is made up: outs, same bytes, refusals."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import numpy as np
import orjson
import polars as pl
import pytest

from popcast.core import paths, tables
from popcast.features.common.contract import Context
from popcast.simulation.audience.population import load, save
from popcast.simulation.fields import FieldBlocks
from popcast.simulation.params import Rules
from popcast.simulation.running import reaction_tables
from tests.generated import make_posts
from tests.plans import run_stage
from tests.simulation.audience import population_of
from tests.simulation.states import AGENTS, make_states, make_triggers

PARAMS = """
base: {seed: 7}
datasets: {toy: {kind: smpd, raw: data/raw/toy}}
splits: {toy: {method: chronological, shares: [0.7, 0.1, 0.2]}}
features: {history: {}, text: {}}
blocks: {toy-history: {dataset: toy, block: history}, toy-text: {dataset: toy, block: text}}
runs: {}
models: {}
blend: {}
evaluation: {bootstrap: 40}
populations: {few: {kind: generated, file: words.json, agents: 6, edges: 2}}
simulations:
  toy:
    dataset: toy
    population: few
    watch: data/posts/toy.parquet
    fields: {dim: 3}
    ablation: {rounds: 5, HISTORY}
"""
RING = tuple(tuple(sorted(((row - 1) % AGENTS, (row + 1) % AGENTS))) for row in range(AGENTS))


def make_reactions(states: pl.DataFrame) -> pl.DataFrame:
    """REACTIONS that fit the states in run, trigger and epoch: two made-up answers each."""
    rng = np.random.default_rng(3)
    rows = [
        {"run": run, "trigger": trigger, "epoch": epoch, "slot": slot, "row": row, "status": "ok", "attempts": 1,
         "action": "reply", "text": "well", "score": int(rng.integers(0, 11)), "raw": "made up"}
        for run, trigger, epoch in states.select("run", "trigger", "epoch").iter_rows()
        for slot, row in enumerate(sorted(rng.choice(AGENTS, 2, replace=False).tolist()))
    ]  # fmt: skip
    schema = {name: column.dtype for name, column in tables.REACTIONS.columns.items()}
    return pl.DataFrame(rows, schema=schema)


def write_simulation() -> None:
    posts = tables.read(paths.posts("toy"), tables.POSTS)
    ids = posts["post_id"].sort().to_list()[:-20]
    triggers = make_triggers(ids, runs=[2 if i % 5 else 1 for i in range(len(ids))])
    states = make_states(triggers, epochs=2)
    tables.write(triggers, paths.simulation("toy", "triggers"), tables.TRIGGERS)
    tables.write(
        states, paths.simulation("toy", "states") / reaction_tables.part_name(0), tables.STATES, tables.STATES_KEY
    )
    file = paths.simulation("toy", "reactions") / reaction_tables.part_name(0)
    tables.write(make_reactions(states), file, tables.REACTIONS, tables.REACTIONS_KEY)
    facts = {"rules": Rules(epochs=2, sample=2).model_dump_json(), "stand_in": "true", "policy_kind": "persona"}
    manifest = pl.DataFrame({"key": list(facts), "value": list(facts.values())})
    tables.write(manifest, paths.simulation("toy", "manifest"), tables.MANIFEST, "key")


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Path:
    """A project in which both stages ran."""
    folder = tmp_path_factory.mktemp("project")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        paths.PARAMS.write_text(PARAMS.replace("HISTORY", "history: true"))
        table = make_posts(240)
        tables.write(table.drop("split", "fold"), paths.posts("toy"), tables.POSTS)
        tables.write(table.select("post_id", "split", "fold"), paths.splits("toy"), tables.SPLIT_TABLE)
        rng = np.random.default_rng(1)
        vectors = pl.Series(rng.normal(size=(table.height, 3)).astype(np.float32))
        text = table.select("post_id").with_columns(vectors.alias("text.svd_embedding"))
        tables.write(text, paths.features("toy", "text"), tables.FEATURES)
        means = pl.Series("history.mean", rng.normal(size=table.height))
        tables.write(table.select("post_id").with_columns(means), paths.features("toy", "history"), tables.FEATURES)
        write_simulation()
        save(population_of(RING), paths.population("few"))
        for stage in ("fields", "ablation"):
            done = run_stage(stage, "toy")
            assert done.exit_code == 0, (done.stderr, done.exception)
    return folder


@pytest.fixture
def project(finished, tmp_path, monkeypatch) -> Path:
    """A copy of the finished project to work in."""
    shutil.copytree(finished, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def refusal(stage: str) -> str:
    done = run_stage(stage, "toy")
    assert done.exit_code == 1
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1
    return done.stderr


def digests(folder: Path) -> dict[str, str]:
    files = [f for top in ("data", "models", "metrics", "plots") for f in (folder / top).rglob("*") if f.is_file()]
    return {str(f.relative_to(folder)): hashlib.sha256(f.read_bytes()).hexdigest() for f in files}


def test_fields_writes_tables_model_and_pictures(project):
    posts = tables.read(paths.posts("toy"), tables.POSTS)
    simulation = tables.read(paths.features("toy", "simulation"), tables.FEATURES)
    mean_field = tables.read(paths.features("toy", "mean_field"), tables.FEATURES)
    assert set(simulation["post_id"]) == set(mean_field["post_id"]) == set(posts["post_id"])
    assert simulation["simulation.mean_attitude"].null_count() == 20
    assert "simulation.share_interested_change_2" in simulation.columns
    folder = paths.feature_model("toy", "simulation")
    assert load(folder / "population.json") == load(paths.population("few"))
    facts = orjson.loads((folder / "block.json").read_bytes())
    assert (facts["epochs"], facts["facts"]["policy_kind"]) == (2, "persona")
    rows = posts.select("post_id", split=pl.lit("train"))
    loaded = FieldBlocks.load(folder, Context("toy", 7))
    again, _ = loaded.transform(rows, reaction_tables.read_triggers("toy"), reaction_tables.read_states("toy"))
    kept = tables.rounded(again).sort("post_id")
    assert kept.equals(simulation)
    assert (paths.simulation_plots("toy") / "episodes.json").exists()
    assert len(list(paths.simulation_plots("toy").glob("*.png"))) >= 3


def test_ablation_writes_scores_and_picture(project):
    content = orjson.loads(paths.ablation_metrics("toy").read_bytes())
    about = content.pop("about")
    assert (about["runs"], about["epochs"], about["generated"], about["stand_in"]) == (2, 2, True, True)
    repeated = reaction_tables.read_triggers("toy").filter(pl.col("runs") == 2)
    labelled = tables.read(paths.posts("toy"), tables.POSTS).drop_nulls("popularity")
    assert sum(about["posts"].values()) == repeated.join(labelled, on="post_id").height
    assert all(isinstance(value, int | float | None) for value in content.values())
    assert content["lightgbm.both.2.vs_shuffled.p"] > 0
    assert content["sensitivity.in_use.rank_correlation"] == 1.0
    table = pl.read_csv(paths.ablation_plots("toy") / "ablation.csv")
    assert table.height == 2 * (1 + 5 * 2)
    assert (paths.ablation_plots("toy") / "ablation.png").stat().st_size > 10_000


def test_the_same_bytes_again_and_labels_reach_no_field(project):
    before = digests(project)
    for name in ("simulation", "mean_field"):
        paths.features("toy", name).unlink()
    posts = tables.read(paths.posts("toy"), tables.POSTS)
    other = posts.with_columns(popularity=30 - pl.col("popularity"))
    tables.write(other, paths.posts("toy"), tables.POSTS)
    assert run_stage("fields", "toy").exit_code == 0
    tables.write(posts, paths.posts("toy"), tables.POSTS)
    assert run_stage("ablation", "toy").exit_code == 0
    assert digests(project) == before


def test_datasets_without_history(project):
    paths.features("toy", "history").unlink()
    assert "expected simulations.toy.ablation.history false where there is none" in refusal("ablation")
    paths.PARAMS.write_text(PARAMS.replace("HISTORY", "history: false"))
    assert run_stage("ablation", "toy").exit_code == 0
    assert orjson.loads(paths.ablation_metrics("toy").read_bytes())["about"]["base"] == ["text.svd_embedding"]


def test_a_missing_block_and_a_missing_simulation(project):
    paths.features("toy", "text").unlink()
    assert "data/features/toy/text.parquet: no such table" in refusal("ablation")
    paths.simulation("toy", "triggers").unlink()
    assert "data/simulation/toy/triggers.parquet: no such table" in refusal("fields")

"""From posts to the outs of the stage ``simulate``: choose, draw similarities, run, write, place."""

from __future__ import annotations

import hashlib
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from popcast.core import paths, tables
from popcast.core.errors import bad_input
from popcast.core.scratch import Scratch
from popcast.simulation.audience.affinity import similarities
from popcast.simulation.audience.population import Population
from popcast.simulation.params import Simulated, Work
from popcast.simulation.policies.policy import templates
from popcast.simulation.running import answer_counts, reaction_tables, runner
from popcast.simulation.running.journal import room_for
from popcast.simulation.running.manifest import answering, manifest
from popcast.simulation.running.workload import distinct, shards, triggers_table


@dataclass(frozen=True)
class Inputs:
    """posts: the ``posts`` table without its labels; splits: which posts have one; name: of the population."""

    dataset: str
    posts: pl.DataFrame
    splits: pl.DataFrame
    name: str
    population: Population


def simulate(inputs: Inputs, work: Work, settings: Simulated, seed: int) -> str:
    """Make the outs of the stage and return what to say about them. A killed run goes on from its scratch folder."""
    agents, asked = len(inputs.population.people), settings.rules.sample
    if asked > agents:
        raise bad_input(
            "more personas asked per epoch than the population has",
            file=paths.PARAMS, field="simulation.rules.sample", value=asked, expected=f"at most {agents}",
        )  # fmt: skip
    triggers, without_text = triggers_table(inputs.posts, inputs.splits, work, seed)
    with Scratch("simulate", inputs.dataset, _key(triggers, inputs.population, settings, seed), []) as scratch:
        simulated = distinct(triggers)
        roles = [person.role for person in inputs.population.people]
        with room_for(scratch.folder):
            cosines = similarities(simulated["line"].to_list(), roles, settings.policy.encoder, scratch.folder)
        cut = shards(simulated, cosines, settings.runner.shard)
        job = runner.Job(inputs.population, settings, seed, scratch.folder.resolve())
        counts, facts = runner.run(job, cut, f"{inputs.dataset}: audiences")
        made = scratch.folder / "out"
        reaction_tables.write(triggers, made / "triggers.parquet", tables.TRIGGERS, "post_id")
        about = manifest(inputs.name, inputs.population, settings, work, seed, facts)
        reaction_tables.write(about, made / "manifest.parquet", tables.MANIFEST, "key")
        found = {"posts": triggers.height + without_text, "posts_without_text": without_text}
        found |= {"triggers": simulated.height, "shared_share": round(1 - simulated.height / triggers.height, 6)}
        found |= answer_counts.metrics(counts, settings.rules.epochs)
        with room_for(paths.simulation_metrics(inputs.dataset)):
            tables.write_json(found, paths.simulation_metrics(inputs.dataset))
        _place(made, paths.simulation(inputs.dataset))
    return _said(inputs.dataset, found)


def _key(triggers: pl.DataFrame, population: Population, settings: Simulated, seed: int) -> list[Any]:
    """All that a simulation depends on. How many posts are under way and when to give up are not part of it."""
    lines = hashlib.sha256()
    for row in triggers.sort("post_id").iter_rows():
        lines.update(repr(row).encode())
    model = Path(getattr(settings.policy, "model", ""))
    files = sorted(path for path in model.rglob("*") if path.is_file()) if model.parts and model.is_dir() else []
    stamps = [(str(path), path.stat().st_size, path.stat().st_mtime_ns) for path in files]
    ways = [settings.rules.model_dump(), answering(settings.policy), settings.runner.shard]
    ways += templates(settings.policy.kind)
    return [seed, lines.hexdigest(), population.hash, ways, stamps]


def _place(made: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(target, ignore_errors=True)
    os.replace(made, target)


def _said(dataset: str, found: dict[str, Any]) -> str:
    return (
        f"{dataset}: {found['posts']} posts, {found['triggers']} trigger lines ({found['shared_share']:.1%} shared), "
        f"{found['simulations']} simulations, {found['answers']} answers, "
        f"{found['failure_rate']:.2%} of personas without one, {found['retries']} asked again"
    )

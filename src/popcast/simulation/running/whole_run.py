"""From posts to the outs of the stage ``simulate``: choose, draw similarities, run, write, place."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from popcast.core import paths, tables
from popcast.core.errors import bad_input
from popcast.core.plan_file import Plan
from popcast.core.safety.whole_files import move_whole
from popcast.core.scratch import Scratch
from popcast.simulation.audience.affinity import similarities
from popcast.simulation.audience.population import Population
from popcast.simulation.params import Simulated, Work
from popcast.simulation.running import answer_counts, reaction_tables, runner
from popcast.simulation.running.manifest import answering, manifest
from popcast.simulation.running.workload import distinct, shards, triggers_table

FREE = ("work", "policy", "runner")
"""Settings that change no finished simulation: which posts are chosen, the address and patience of a server, how many
posts are under way. What matters of them is told apart in :func:`_key`."""


@dataclass(frozen=True)
class Inputs:
    """posts: the ``posts`` table without its labels; splits: which posts have one; name: of the population."""

    dataset: str
    posts: pl.DataFrame
    splits: pl.DataFrame
    name: str
    population: Population


def simulate(inputs: Inputs, work: Work, settings: Simulated, plan: Plan) -> str:
    """Make the outs of the stage and return what to say about them. A killed run goes on from its scratch folder."""
    seed = plan["seed"]
    agents, asked = len(inputs.population.people), settings.rules.sample
    if asked > agents:
        raise bad_input(
            "more personas asked per epoch than the population has",
            file=paths.PARAMS, field="simulation.rules.sample", value=asked, expected=f"at most {agents}",
        )  # fmt: skip
    triggers, without_text = triggers_table(inputs.posts, inputs.splits, work, seed)
    with Scratch(plan, [], free=FREE, extra=_key(triggers, inputs.population, settings)) as scratch:
        simulated = distinct(triggers)
        roles = [person.role for person in inputs.population.people]
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
        tables.write_json(found, paths.simulation_metrics(inputs.dataset))
        move_whole(made, paths.simulation(inputs.dataset))
    return _said(inputs.dataset, found)


def _key(triggers: pl.DataFrame, population: Population, settings: Simulated) -> list[Any]:
    """What a simulation depends on beside its plan: the lines shown, the personas, and a local model's files."""
    lines = hashlib.sha256()
    for row in triggers.sort("post_id").iter_rows():
        lines.update(repr(row).encode())
    model = Path(getattr(settings.policy, "model", ""))
    files = sorted(path for path in model.rglob("*") if path.is_file()) if model.parts and model.is_dir() else []
    stamps = [(str(path), path.stat().st_size, path.stat().st_mtime_ns) for path in files]
    return [lines.hexdigest(), population.hash, answering(settings.policy), settings.runner.shard, stamps]


def _said(dataset: str, found: dict[str, Any]) -> str:
    return (
        f"{dataset}: {found['posts']} posts, {found['triggers']} trigger lines ({found['shared_share']:.1%} shared), "
        f"{found['simulations']} simulations, {found['answers']} answers, "
        f"{found['failure_rate']:.2%} of personas without one, {found['retries']} asked again"
    )

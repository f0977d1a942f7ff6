"""Runs a simulation: shard by shard on the engine that POPCAST_ENGINE chooses, with journals to resume from.

Below the scratch folder each shard has a journal of finished posts; when it is complete its two parts of the tables
are written below ``out`` and its counts below ``counts``, and the journal goes. A killed run starts again with all of
that.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson
from tqdm import tqdm

from popcast.core.engine import map_shards, stays_here
from popcast.core.safety.disk_faults import writing
from popcast.core.safety.whole_files import write_whole
from popcast.simulation.audience.population import Population
from popcast.simulation.params import Rules, Simulated
from popcast.simulation.policies.policy import Policy, PolicySection, make
from popcast.simulation.records import Trigger
from popcast.simulation.running import answer_counts, reaction_tables
from popcast.simulation.running.inflight import play
from popcast.simulation.running.journal import Journal
from popcast.simulation.running.workload import Shard

if TYPE_CHECKING:
    from popcast.simulation.model import AudienceModel


@dataclass(frozen=True)
class Job:
    """What the shards of a simulation share. folder: the scratch folder, absolute."""

    population: Population
    settings: Simulated
    seed: int
    folder: Path


@dataclass(frozen=True)
class Part:
    """A finished shard: bytes of its parquet files by kind, its counts, and what its policy says of itself."""

    tables: dict[str, bytes]
    counts: dict[str, int]
    facts: dict[str, Any]


def simulate(shard: Shard, job: Job, tick: Callable[[], object] | None = None, policy: Policy | None = None) -> Part:
    """Simulate what the shard's journal does not hold yet, and make its part of the tables.

    tick: called after every finished simulation. policy: None means the one that the settings describe, which is made
    once per process. Raises BadInput where too many personas gave no answer that parses; the journal stays.
    """
    rules = job.settings.rules
    policy = policy or policy_of(job.settings.policy, job.population, rules)
    watch = answer_counts.Watch(job.settings.runner.max_failure_rate, str(policy.facts().get("model")))
    folder = job.folder if job.folder.is_dir() else _folder_of_this_machine(job.folder)
    with Journal(journal_file(folder, shard)) as journal:
        done = set()
        for record in journal.records():
            watch.see(record)
            done.add((record["run"], record["trigger"]))
        at_a_time = job.settings.runner.in_flight
        for tasks in _waiting(shard, done, at_a_time if policy.in_company else None):
            models = models_of(job, min(len(tasks), at_a_time))
            for record in play(iter(tasks), models, rules, job.seed, policy):
                if (record["run"], record["trigger"]) in done:
                    continue  # asked again to keep others company
                journal.append(record)
                watch.see(record)
                if tick is not None:
                    tick()
        watch.finish()
        records = list(journal.records())
    if folder != job.folder:
        journal.path.unlink()
    made = {
        kind: reaction_tables.parquet(
            reaction_tables.table_of(kind, records), reaction_tables.SCHEMAS[kind], reaction_tables.KEYS[kind]
        )
        for kind in reaction_tables.KEYS
    }
    return Part(made, answer_counts.of_records(records), policy.facts())


def _waiting(shard: Shard, done: set[tuple[int, str]], company: int | None) -> list[list[tuple]]:
    """Simulations that the journal does not hold, in groups that are played one after the other.

    company: simulations that are asked together, always the same ones: a group of which some are missing comes whole,
    so that a killed run asks what an undisturbed one asks. None: all that are missing, as one group.
    """
    tasks = [
        (run, Trigger(line), similarities)
        for run, line, similarities in zip(shard.runs, shard.lines, shard.similarities, strict=True)
    ]
    missing = [(run, trigger.key) not in done for run, trigger, _ in tasks]
    if company is None:
        return [[task for task, lacks in zip(tasks, missing, strict=True) if lacks]]
    starts = range(0, len(tasks), company)
    return [tasks[start : start + company] for start in starts if any(missing[start : start + company])]


def _folder_of_this_machine(folder: Path) -> Path:
    """Where journals lie on a machine that does not see the scratch folder: below its folder of temporary files."""
    own = Path(tempfile.gettempdir()) / "popcast" / folder.name
    with writing(own):
        own.mkdir(parents=True, exist_ok=True)
    return own


def journal_file(folder: Path, shard: Shard) -> Path:
    return folder / f"journal-{shard.number:04d}.jsonl"


_policies: dict[str, Policy] = {}
_models: dict[str, list[AudienceModel]] = {}


def policy_of(section: PolicySection, population: Population, rules: Rules) -> Policy:
    """The policy that a section describes, made once per process: a model is slow to load and large."""
    key = f"{section.model_dump_json()} {rules.model_dump_json()} {population.hash}"
    if key not in _policies:
        _close(_policies)
        _policies[key] = make(section, population.people, rules)
    return _policies[key]


def models_of(job: Job, count: int) -> list[AudienceModel]:
    """``count`` audiences, made once per process and used for one post after the other."""
    # Mesa changes how processes start, so only those that simulate import it
    from popcast.simulation.model import AudienceModel

    key = f"{job.settings.rules.model_dump_json()} {job.population.hash}"
    if key not in _models:
        _close(_models)
    models = _models.setdefault(key, [])
    models += [AudienceModel(job.population, job.settings.rules) for _ in range(count - len(models))]
    return models[:count]


def close() -> None:
    """Give back what this process holds: its policy, and its audiences, which Mesa would keep for ever."""
    _close(_policies)
    _close(_models)


def _close(held: dict[str, Any]) -> None:
    while held:
        found = held.popitem()[1]
        for one in found if isinstance(found, list) else [found]:
            one.close()


def run(job: Job, shards: Sequence[Shard], label: str) -> tuple[dict[str, int], dict[str, Any]]:
    """Simulate every shard that is not finished yet; returns the counts of all, and what the policy says of itself.

    The parts of the tables lie below ``job.folder / "out"`` then. A policy that is a model runs in this process, one
    shard after the other, unless POPCAST_ENGINE is ``ray``.
    """
    left = [shard for shard in shards if not _counts_file(job.folder, shard).exists()]
    before = [_records_in(journal_file(job.folder, shard)) for shard in left]
    whole = sum(len(shard.lines) for shard in shards)
    finished = whole - sum(len(shard.lines) for shard in left) + sum(before)
    one_process = job.settings.policy.kind != "persona"
    here = stays_here(len(left), one_process)
    with tqdm(total=whole, initial=finished, desc=label, unit=" posts", delay=5, mininterval=1, leave=False) as bar:

        def keep(place: int, part: Part) -> None:
            _keep(part, left[place], job.folder)
            if not here:
                bar.update(len(left[place].lines) - before[place])

        try:
            work = partial(simulate, job=job, tick=bar.update if here else None)
            if left and not one_process:  # rules are small, so they travel: no other process loads the encoder
                work = partial(work, policy=policy_of(job.settings.policy, job.population, job.settings.rules))
            map_shards(work, left, label=None, then=keep, one_process=one_process)
        finally:
            close()
    told = [orjson.loads(_counts_file(job.folder, shard).read_bytes()) for shard in shards]
    counts = answer_counts.total(one["counts"] for one in told)
    answer_counts.check(counts, job.settings.runner.max_failure_rate, str(told[0]["facts"].get("model")))
    return counts, told[0]["facts"]


def _counts_file(folder: Path, shard: Shard) -> Path:
    return folder / "counts" / f"{shard.number:04d}.json"


def _records_in(path: Path) -> int:
    if not path.exists():
        return 0
    with path.open("rb") as file:
        return sum(line.endswith(b"\n") for line in file)


def _keep(part: Part, shard: Shard, folder: Path) -> None:
    """Write a finished shard. Its counts come last: they say that the rest is there."""
    for kind, content in part.tables.items():
        write_whole(content, folder / "out" / kind / reaction_tables.part_name(shard.number))
    write_whole(orjson.dumps({"counts": part.counts, "facts": part.facts}), _counts_file(folder, shard))
    journal_file(folder, shard).unlink(missing_ok=True)

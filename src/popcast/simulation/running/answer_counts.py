"""Counts of a simulation: what was asked, what came back, how often an answer did not parse.

Sums are of integers (attitudes in millionths), so that they do not depend on how the work was cut into shards.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from popcast.chat.response import Response
from popcast.core import tables
from popcast.core.errors import BadInput

MILLION = 1_000_000
ENOUGH = 100
"""Personas asked before the failure rate of a shard says something."""
_REACTION = {name: place for place, name in enumerate(list(tables.REACTIONS.columns)[2:])}
_STATE = {name: place for place, name in enumerate(list(tables.STATES.columns)[2:])}


class Asked:
    """Answers of one simulation, those that were asked for again included. counted: answers that came with tokens."""

    def __init__(self) -> None:
        self.answers = self.retries = self.counted = self.prompt_tokens = self.output_tokens = 0

    def count(self, responses: Sequence[Response]) -> None:
        self.answers += len(responses)
        for response in responses:
            if response.prompt_tokens is not None or response.output_tokens is not None:
                self.counted += 1
                self.prompt_tokens += response.prompt_tokens or 0
                self.output_tokens += response.output_tokens or 0


def of_records(records: Iterable[dict[str, Any]]) -> dict[str, int]:
    """Counts of finished simulations; ``attitude_<epoch>`` is the sum over those of run 0."""
    counts: Counter[str] = Counter(simulations=0, first_runs=0, reactions=0, failed=0, fields=0, kept_fields=0)
    for record in records:
        counts["simulations"] += 1
        counts["reactions"] += len(record["reactions"])
        counts["failed"] += sum(row[_REACTION["status"]] == "failed" for row in record["reactions"])
        counts["fields"] += len(record["states"])
        counts["kept_fields"] += sum(row[_STATE["field_status"]] == "kept" for row in record["states"])
        counts.update(record["asked"])
        if record["run"] == 0:
            counts["first_runs"] += 1
            for row in record["states"]:
                counts[f"attitude_{row[_STATE['epoch']]}"] += round(row[_STATE["mean_attitude"]] * MILLION)
    return dict(counts)


def total(parts: Iterable[dict[str, int]]) -> dict[str, int]:
    counts: Counter[str] = Counter()
    for part in parts:
        counts.update(part)
    return dict(counts)


def metrics(counts: dict[str, int], epochs: int) -> dict[str, int | float]:
    """Flat metrics of a simulation; token counts are left out where nobody counted.

    ``mean_attitude_epoch_<k>``: over the triggers of run 0, after the k-th epoch, counted from 1.
    """
    found: dict[str, int | float] = {name: counts[name] for name in ("simulations", "answers", "retries")}
    found["failure_rate"] = round(counts["failed"] / counts["reactions"], 6)
    found["kept_fields"] = counts["kept_fields"]
    if counts["counted"]:
        found |= {name: counts[name] for name in ("prompt_tokens", "output_tokens")}
    for epoch in range(epochs):
        mean = counts[f"attitude_{epoch}"] / MILLION / counts["first_runs"]
        found[f"mean_attitude_epoch_{epoch + 1}"] = round(mean, 6)
    return found


class Watch:
    """Stops a shard whose personas give no answers that parse.

    At once when none of the first hundred parsed; else at the end, so that it does not matter which simulation was
    finished first. What is done stays in the journal.
    """

    def __init__(self, limit: float, model: str) -> None:
        self.limit, self.model = limit, model
        self.reactions = self.failed = 0
        self.sample: str | None = None

    def see(self, record: dict[str, Any]) -> None:
        rows = record["reactions"]
        failed = [row for row in rows if row[_REACTION["status"]] == "failed"]
        self.reactions += len(rows)
        self.failed += len(failed)
        if failed:
            self.sample = failed[-1][_REACTION["raw"]]
        if self.failed == self.reactions:
            self.finish()

    def finish(self) -> None:
        if self.reactions >= ENOUGH:
            check({"failed": self.failed, "reactions": self.reactions}, self.limit, self.model, self.sample)


def check(counts: dict[str, int], limit: float, model: str, sample: str | None = None) -> None:
    """Raise BadInput if more than ``limit`` of the personas gave no answer that parses. sample: such an answer."""
    failed, reactions = counts["failed"], counts["reactions"]
    if failed > limit * reactions:
        shown = "" if sample is None else f" (one of them begins {' '.join(sample.split())[:80]!r})"
        raise BadInput(
            f"simulation.policy: {model}: {failed} of {reactions} answers of personas do not follow the grammar"
            f"{shown}: expected a model that keeps to it, or a higher simulation.runner.max_failure_rate"
        )

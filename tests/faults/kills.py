"""The kill drill: a stage that is killed anywhere and started again gives the bytes of an undisturbed run.

    python -m tests.faults.kills --rounds 50 --seed 0 [--project FOLDER] [STAGE ...]

A round takes a stage of a finished project, kills it once or twice, starts it again and compares its outs. Half of the
kills come at the N-th change of a file, the other half at a random time; only the stage's own process is killed, its
workers must end by themselves. A traceback, a run that hangs, an out that is not whole, a process that goes on, or
anything left behind ends the drill with an AssertionError.
"""

from __future__ import annotations

import random
import signal
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import click

from popcast.planning.running.plain_stages import PlainStage
from tests.faults.stage_runs import Project, drill_options, finished, limit_of, say, until, wait

KILLER = "tests.faults.killed_at"
ENDING = 10.0
"""Seconds in which workers of a killed stage must have ended, beyond three undisturbed runs: those that were just
starting look for their parent when they have imported what they need."""


@dataclass
class Normal:
    """An undisturbed run: its seconds, and how often it changed a file."""

    seconds: float
    changes: int


@dataclass
class Drill:
    """Kills in ``project``, a copy that is changed. ``counts``: what has happened so far."""

    project: Project
    random: random.Random
    counts: Counter = field(default_factory=Counter)
    normals: dict[str, Normal] = field(default_factory=dict)

    def normal(self, stage: PlainStage) -> Normal:
        """The stage's undisturbed run, made at its first call: the same bytes as those that were there."""
        if stage.name not in self.normals:
            expected = self.project.digests(stage)
            assert expected, f"{stage.name} has no outs: expected a finished project"
            with tempfile.TemporaryDirectory() as folder:
                count = Path(folder) / "count"
                self.project.remove_outs(stage)
                done = self.project.run(stage, 600, (KILLER, "0"), COUNTED=str(count))
                assert done.code == 0, f"{stage.name}\n{done.err[-3000:]}"
                self.normals[stage.name] = Normal(done.seconds, int(count.read_text()))
            assert self.project.digests(stage) == expected, f"{stage.name}: an undisturbed run gives other bytes"
        return self.normals[stage.name]

    def round(self, stage: PlainStage) -> str:
        """Kill a stage, start it again, and compare; returns what was done."""
        normal, expected = self.normal(stage), self.project.digests(stage)
        self.project.remove_outs(stage)
        said = [self._kill(stage, normal, expected) for _ in range(self.random.choice((1, 1, 2)))]
        done = self.project.run(stage, limit_of(normal.seconds))
        assert done.code == 0, f"{stage.name} after {said}: exit code {done.code}\n{done.err[-3000:]}"
        assert "Traceback" not in done.err, f"{stage.name} after {said}\n{done.err[-3000:]}"
        assert self.project.digests(stage) == expected, f"{stage.name} after {said}: other bytes"
        assert not self.project.unfinished(stage), f"{stage.name} after {said}: {self.project.unfinished(stage)}"
        assert not self.project.pieces(), f"{stage.name} after {said}: {self.project.pieces()}"
        self.counts["same results"] += 1
        return ", ".join(said)

    def _kill(self, stage: PlainStage, normal: Normal, expected: dict[str, str]) -> str:
        """Start and kill; the outs that are there are whole, and nothing goes on."""
        ending = ENDING + 3 * normal.seconds
        if self.random.random() < 0.5:
            at = self.random.randint(1, normal.changes)
            done = self.project.run(stage, limit_of(normal.seconds), (KILLER, str(at)))
            how, code = f"change {at} of {normal.changes}", done.code
        else:
            seconds = self.random.uniform(0.2, 1.0) * normal.seconds
            process = self.project.start(stage)
            time.sleep(seconds)
            process.kill()
            how, code = f"after {seconds:.1f} of {normal.seconds:.1f} s", wait(process, stage.name, ending).code
        assert code in (0, -signal.SIGKILL), f"{stage.name}, {how}: exit code {code}"
        assert until(ending, lambda: not self.project.processes()), f"{stage.name}, {how}: its workers go on"
        found = {name: value for name, value in self.project.digests(stage).items() if ".part" not in name}
        for out in stage.outs:
            whole = {name: value for name, value in expected.items() if name == out or name.startswith(f"{out}/")}
            there = {name: value for name, value in found.items() if name in whole or name.startswith(f"{out}/")}
            assert there in ({}, whole), f"{stage.name}, {how}: {out} is not whole"
        self.counts["kills" if code else "ended before the kill"] += 1
        self.counts["kills with pieces to go on with"] += bool(code and self.project.pieces())
        return how if code else f"{how} (it had ended)"


def drill(project: Project, rounds: int, seed: int, stages: list[str], say=print) -> Counter:
    """``rounds`` rounds over ``stages`` (all where empty), each as often as the others; what happened, counted."""
    chance = random.Random(seed)
    known = project.stages
    names = stages or [name for name in known if name != "plan"]
    order: list[str] = []
    while len(order) < rounds:
        order += chance.sample(names, len(names))
    made = Drill(project, chance)
    for number, name in enumerate(order[:rounds], 1):
        say(f"{number:3} {name}: {made.round(known[name])}: same result")
    return made.counts


@click.command(help=__doc__.split("\n", 1)[0])
@drill_options(rounds=50)
def main(stages: tuple[str, ...], rounds: int, seed: int, project: Path | None) -> None:
    with finished(project) as (made, work):
        counts = drill(made.copied_to(work), rounds, seed, list(stages), say)
    print(", ".join(f"{count} {what}" for what, count in sorted(counts.items())))
    sys.exit(0 if counts["same results"] == rounds else 1)


if __name__ == "__main__":
    main()

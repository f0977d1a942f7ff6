"""The facts of one run, and their place on the page: what differs between two runs whose results are the same bytes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from popcast.core.errors import bad_input
from popcast.report.page.sheets import Sheet, sheet
from popcast.report.page_templates import environment
from popcast.report.pictured.told_tables import minus

PLACE = re.compile(r"<!-- run -->.*?<!-- /run -->", re.DOTALL)
FITS = (
    "train",
    "suite",
    "train_llm",
    "base_model",
    "sft",
    "align",
    "response_train",
    "reaction_shares",
    "blend",
    "bundle",
)
"""Stages that fit something, by their names before the ``@``."""


@dataclass(frozen=True)
class StageTime:
    """Last run of a stage here: wall seconds; CPU seconds and peak memory in MB, None where they are not known."""

    name: str
    seconds: float
    cpu: float | None = None
    peak: float | None = None


@dataclass(frozen=True)
class RunFacts:
    """``commit``: None outside of git. ``changed``: files that differ from it. ``processor``: kind of the one here."""

    commit: str | None
    changed: int
    processor: str
    times: Sequence[StageTime]

    @property
    def fits(self) -> Sheet:
        return _times("Fit times", [one for one in self.times if one.name.partition("@")[0] in FITS])

    @property
    def others(self) -> Sheet:
        return _times(
            "Times of the other stages", [one for one in self.times if one.name.partition("@")[0] not in FITS]
        )


def _times(title: str, times: Sequence[StageTime]) -> Sheet:
    """The longest first."""
    rows = [
        [one.name, minus(one.seconds, 1), _or_dash(one.cpu, 1), _or_dash(one.peak, 0)]
        for one in sorted(times, key=lambda one: (-one.seconds, one.name))
    ]
    return sheet("the run", title, ["stage", "seconds", "CPU seconds", "peak memory, MB"], rows)


def _or_dash(value: float | None, places: int) -> str:
    return "–" if value is None else minus(value, places)


def with_run(page: str, facts: RunFacts) -> str:
    """The page that the stage ``report`` wrote, or an earlier copy of it, with these facts. BadInput, one line: it is
    no such page."""
    if len(PLACE.findall(page)) != 1:
        raise bad_input(
            "no place for facts of the run in it", file="index.html", expected="what `dvc repro report` writes"
        )
    html = environment().get_template("run_facts.html.j2").render(facts=facts)
    return PLACE.sub(lambda _: f"<!-- run -->\n{html}<!-- /run -->", page)

"""Simulated audiences in the leaderboard, the summary and the report: one chapter per simulation, and its page.

Chapters have the shape of those of popcast.report.fewshot_chapter, so that one template shows both.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from popcast.core import paths
from popcast.report.fewshot_chapter import markdown_of
from popcast.report.fewshot_tables import Table
from popcast.report.pictured.chapter_alts import AUDIENCE
from popcast.report.pictured.shown_picture import Picture, pictures
from popcast.report.simulation_tables import ablation, counts, sensitivity, verdict
from popcast.report.standard import read_json

TRACK = "simulation"
PAGE = "simulation.html"
CAPTIONS = {
    "attitude_by_epoch": "Attitudes start at 0 and move by the scores of those asked and by their friends. Dark: how "
    "far posts differ. Light: how far the personas of a post differ.",
    "actions_by_epoch": "Of all answers of an epoch. No answer: none that could be read, after all attempts.",
    "interest_by_epoch": "Share of an epoch's answers with a score that counts as interest.",
    "network": "The same audience and two posts: dots are personas, larger ones have more friends.",
    "ablation": "Change of the error when the audience's columns join history and text, with intervals. Words and "
    "attitudes of another post, and the mean raw score, are controls.",
}


@dataclass(frozen=True)
class Chapter:
    """One simulation. audience: ``episodes.json`` with ``generated``; metrics, scores: what its stages counted."""

    name: str
    audience: dict[str, Any]
    metrics: dict[str, Any]
    about: dict[str, Any]
    scores: dict[str, Any]
    tables: list[Table]
    pictures: list[Picture]

    @property
    def anchor(self) -> str:
        return f"simulation-{self.name}"

    @property
    def title(self) -> str:
        return f"{self.name}, simulated audience"

    @property
    def subject(self) -> str:
        return f"the simulated audience of {self.name}"

    @property
    def badges(self) -> list[str]:
        policy = self.audience["policy"]
        rules = "answers by rules, a stand-in" if policy["kind"] == "persona" else "stand-in language model"
        marks = {"generated data": self.audience["generated"], rules: policy["stand_in"]}
        return [mark for mark, on in marks.items() if on]

    @property
    def introduction(self) -> str:
        policy, rules = self.audience["policy"], self.audience["rules"]
        by = f"policy {policy['kind']}" + (f" ({policy['model']})" if policy["model"] else "")
        stand_in = ", a stand-in for a language model" if policy["stand_in"] else ""
        return (
            f"{self.audience['personas']:,} personas, {rules['sample']} asked in each of {rules['epochs']} epochs, "
            f"answered by {by}{stand_in}. No label takes part in a simulation."
        )

    @property
    def link(self) -> tuple[str, str]:
        return PAGE, "Step through single posts"


def collect(simulations: Iterable[str]) -> list[Chapter]:
    """Read what the stages of every simulation wrote, in the order of params.yaml."""
    found = []
    for name in simulations:
        audience = read_json(paths.episodes(name))
        metrics, scores = read_json(paths.simulation_metrics(name)), read_json(paths.ablation_metrics(name))
        about = scores.pop("about")
        audience["generated"] = about["generated"]
        compared = [ablation(scores, about, learner) for learner in about["learners"]]
        compared[-1].notes.extend(verdict(scores, about))
        tables = [counts(metrics), *compared, sensitivity(scores)]
        tables = [table for table in tables if table.rows]
        chapter = Chapter(name, audience, metrics, about, scores, tables, [])
        for folder in (paths.simulation_plots(name), paths.ablation_plots(name)):
            chapter.pictures.extend(pictures(folder, CAPTIONS, chapter.subject, AUDIENCE))
        found.append(chapter)
    return found


def summary(chapters: list[Chapter]) -> dict[str, float]:
    """Flat ``simulation.<dataset>.<fact>`` and ``simulation.<dataset>.<learner>.<variant>[_<epoch>].<mae|src|...>``.

    ``difference``: of the MAE to the same learner without the audience.
    """
    rows: dict[str, float | None] = {}
    for chapter in chapters:
        facts = ("triggers", "shared_share", "failure_rate", "prompt_tokens", "output_tokens")
        facts += tuple(f"mean_attitude_epoch_{epoch}" for epoch in range(1, chapter.audience["rules"]["epochs"] + 1))
        rows |= {f"{TRACK}.{chapter.name}.{fact}": chapter.metrics.get(fact) for fact in facts}
        for learner in chapter.about["learners"]:
            for variant in chapter.about["variants"]:
                for epoch in (0,) if variant == "none" else range(1, chapter.about["epochs"] + 1):
                    stem = f"{learner}.{variant}" + (f".{epoch}" if epoch else "")
                    row = f"{TRACK}.{chapter.name}.{learner}.{variant}" + (f"_{epoch}" if epoch else "")
                    values = {"mae": "mae", "src": "src", "difference": "vs_none.difference"}
                    rows |= {f"{row}.{key}": chapter.scores.get(f"{stem}.{of}") for key, of in values.items()}
    return {key: value for key, value in rows.items() if value is not None}


def markdown(chapters: list[Chapter]) -> str:
    """Sections for the leaderboard; empty without any simulation."""
    return "".join(markdown_of(", ".join([c.title, *c.badges]), c.introduction, c.tables) for c in chapters)

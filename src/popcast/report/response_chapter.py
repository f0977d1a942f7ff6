"""Responses and shares of reactions in the leaderboard, the summary and the report: one chapter per set, and its page.

Chapters have the shape of those of popcast.report.fewshot_chapter, so that one template shows all.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from popcast.core import paths
from popcast.report import response_tables_shown as shown
from popcast.report.fewshot_chapter import markdown_of
from popcast.report.fewshot_tables import Table
from popcast.report.pictured.chapter_alts import REACTIONS, RESPONSES
from popcast.report.pictured.shown_picture import Picture, pictures
from popcast.report.standard import read_json

TRACK, SHARES = "responses", "shares"
PAGE = "responses.html"
CASES = "cases.json"
CAPTIONS = {
    "topic_shares": "Topics of the test part with most labels. What is real stands above what the main system wrote.",
    "over_time": "All topics of the test part together. A line that follows the real one has heard the mood turn.",
    "costs": "Every other system minus the main one on the test part, with intervals over topics and cases.",
    "loss": "Mean loss of five updates while the systems learned the answers.",
}
SHARE_CAPTIONS = {
    "calibration": "Predicted against real share of each class, in groups of equal size.",
    "importances": "Share of the gain that each column brings to the trees.",
}


@dataclass(frozen=True)
class Chapter:
    """One set of responses. cases: what the page shows, with its ``name``."""

    name: str
    about: dict[str, Any]
    scores: dict[str, Any]
    cases: dict[str, Any]
    tables: list[Table]
    pictures: list[Picture]

    @property
    def anchor(self) -> str:
        return f"responses-{self.name}"

    @property
    def title(self) -> str:
        return f"{self.name}, responses"

    @property
    def subject(self) -> str:
        return f"the responses of {self.name}"

    @property
    def badges(self) -> list[str]:
        marks = {"generated data": self.about["generated"], "stand-in language model": self.about["stand_in"]}
        return [mark for mark, on in marks.items() if on]

    @property
    def introduction(self) -> str:
        return shown.introduction(self.about, self.scores)

    @property
    def link(self) -> tuple[str, str]:
        return PAGE, "Browse single cases"


@dataclass(frozen=True)
class ShareChapter:
    """Shares of reactions of one set of posts or topics."""

    name: str
    about: dict[str, Any]
    scores: dict[str, Any]
    tables: list[Table]
    pictures: list[Picture]
    link: tuple[str, str] | None = None

    @property
    def anchor(self) -> str:
        return f"shares-{self.name}"

    @property
    def title(self) -> str:
        return f"{self.name}, shares of reactions"

    @property
    def subject(self) -> str:
        return f"shares of reactions of {self.name}"

    @property
    def badges(self) -> list[str]:
        return ["generated data"] if self.about["generated"] else []

    @property
    def introduction(self) -> str:
        return shown.share_introduction(self.about)


def collect(sets: Iterable[str]) -> list[Chapter]:
    """Read what the stages of every set of responses wrote, in the order of params.yaml."""
    found = []
    for name in sets:
        scores, read = read_json(paths.response_metrics(name)), read_json(paths.response_cases(name))
        about = scores.pop("about")
        cases = read_json(paths.response_plots(name) / CASES) | {"name": name}
        chapter = Chapter(name, about, scores, cases, shown.tables_of(about, scores, read), [])
        for folder in (paths.response_plots(name), paths.response_curves(name)):
            chapter.pictures.extend(pictures(folder, CAPTIONS, chapter.subject, RESPONSES))
        found.append(chapter)
    return found


def collect_shares(keys: Iterable[str]) -> list[ShareChapter]:
    """Read what the stage ``reaction_shares`` wrote, in the order of params.yaml."""
    found = []
    for name in keys:
        scores = read_json(paths.share_metrics(name))
        about = scores.pop("about")
        drawn = pictures(paths.share_plots(name), SHARE_CAPTIONS, f"shares of reactions of {name}", REACTIONS)
        found.append(ShareChapter(name, about, scores, shown.share_tables(about, scores), drawn))
    return found


def summary(chapters: list[Chapter], shares: list[ShareChapter]) -> dict[str, float]:
    """Flat ``responses.<set>.<system>.<micro|macro>_<metric>`` and ``shares.<set>.<row>.jsd`` on the test part."""
    rows: dict[str, float | None] = {}
    for chapter in chapters:
        for system in shown.rows_of(chapter.about, chapter.scores):
            for metric in shown.SUMMARY:
                value = chapter.scores.get(f"test.{system}.{metric}")
                rows[f"{TRACK}.{chapter.name}.{system}.{metric.replace('.', '_')}"] = value
    for chapter in shares:
        for row in shown.SHARE_ROWS:
            rows[f"{SHARES}.{chapter.name}.{row}.jsd"] = chapter.scores.get(f"test.{row}.jsd")
    return {key: value for key, value in rows.items() if value is not None}


def markdown(chapters: list[Chapter], shares: list[ShareChapter]) -> str:
    """Sections for the leaderboard; empty without any responses."""
    both = [*chapters, *shares]
    return "".join(markdown_of(", ".join([c.title, *c.badges]), c.introduction, c.tables) for c in both)

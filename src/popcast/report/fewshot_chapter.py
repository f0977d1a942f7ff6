"""The few-shot tracks in the leaderboard, the summary and the report page: one section per task.

The same tables of words (popcast.report.fewshot_tables) become markdown here and HTML in chapter.html.j2.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from popcast.core import paths
from popcast.fewshot.track_scores import ALL, main_row
from popcast.report.fewshot_tables import Table, Track, tables_of
from popcast.report.pictured.chapter_alts import FEWSHOT
from popcast.report.pictured.shown_picture import Picture, picture, pictures
from popcast.report.standard import read_json

CAPTIONS = {
    "mae_by_shots": "All test sets together, with intervals. Points of one number of shots are shifted to be seen.",
    "predicted_vs_real": "Each point is a test record; the line through it holds the middle 80 % of what was expected.",
    "ablation": "All test sets together. The interval is the grey line; valid: answers that are a number in range "
    "with two decimals; lenient: any one number in range.",
    "many_shot": "All test sets together, with intervals, at the largest number of shots.",
}
CURVE = "chosen_logp"
"""Of the pictures that alignment leaves, the one that shows the paper's claim."""
CURVE_CAPTION = (
    "What the chosen answers gained or lost in log-probability while the systems were aligned, against the model that "
    "each started from: plain DPO may lose them, IDPOP should hold them."
)


@dataclass(frozen=True)
class Chapter:
    """One task on the page. ``link``: another page on it, and its name."""

    track: Track
    tables: list[Table]
    pictures: list[Picture]
    link: tuple[str, str] | None = None

    @property
    def anchor(self) -> str:
        return f"track-{self.track.name}"

    @property
    def title(self) -> str:
        return f"{self.track.name}, {self.track.about['track']} track"

    @property
    def subject(self) -> str:
        """What its pictures are of."""
        return f"the {self.track.about['track']} track of {self.track.name}"

    @property
    def badges(self) -> list[str]:
        return self.track.badges

    @property
    def introduction(self) -> str:
        return self.track.introduction


def collect(tasks: Mapping[str, str]) -> list[Chapter]:
    """Read the results of every task, in the order of params.yaml. tasks: task -> whose language model answers."""
    found = []
    for name, source in tasks.items():
        content = read_json(paths.track_metrics(name))
        own, curve = paths.track_plots(name), paths.training_curves("align", source) / f"{CURVE}.png"
        track = Track(name, content.pop("about"), content)
        chapter = Chapter(track, tables_of(track), [])
        chapter.pictures.extend(pictures(own, CAPTIONS, chapter.subject, FEWSHOT))
        if name == source and curve.exists():
            chapter.pictures.append(picture(curve, CURVE_CAPTION, chapter.subject, FEWSHOT[CURVE]))
        found.append(chapter)
    return found


def summary(chapters: list[Chapter]) -> dict[str, float]:
    """Flat ``<track>.<task>.<system>_<shots>.<mae|src|valid|valid_lenient>`` on the pooled test sets, see
    :func:`popcast.fewshot.track_scores.main_row`.

    ``valid`` and ``valid_lenient`` are those of greedy answers and only there for language models.
    """
    rows = {}
    for track in (chapter.track for chapter in chapters):
        for system in track.systems:
            for shots in track.about["shots"]:
                stem = f"{ALL}.{shots}"
                main = main_row(track.scores, stem, system)
                if main is None:
                    continue
                values = {name: track.scores[f"{stem}.{system}.{main}.{name}"] for name in ("mae", "src")}
                values["valid"] = track.scores.get(f"{stem}.{system}.greedy.valid")
                values["valid_lenient"] = track.scores.get(f"{stem}.{system}.greedy.lenient.valid")
                key = f"{track.about['track']}.{track.name}.{system}_{shots}"
                rows |= {f"{key}.{name}": value for name, value in values.items() if value is not None}
    return rows


def markdown(chapters: list[Chapter]) -> str:
    """Sections for the leaderboard; empty without any task."""
    return "".join(markdown_of(", ".join([c.title, *c.badges]), c.introduction, c.tables) for c in chapters)


def markdown_of(title: str, introduction: str, tables: list[Table]) -> str:
    """One section of the leaderboard."""
    lines = ["", f"## {title}", "", introduction]
    for table in tables:
        lines += ["", f"### {table.title}", "", "| " + " | ".join(table.head) + " |"]
        lines += ["|---|" + "---:|" * (len(table.head) - 1)]
        lines += ["| " + " | ".join(row) + " |" for row in table.rows]
        lines += ["", *table.notes]
    return "\n".join(lines) + "\n"

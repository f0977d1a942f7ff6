"""The tables of one dataset as sheets: leaderboard, segments, weights, what members add, what reading found."""

from __future__ import annotations

from collections import defaultdict

from popcast.report import standard
from popcast.report.page.sheets import Row, Sheet, sheet
from popcast.report.pictured.told_tables import minus
from popcast.report.standard import NAMES, DatasetResult
from popcast.scoring.metrics import METRICS

WARNINGS = {"post-hoc values", "stand-in language model", "audience by rules (a stand-in)"}
GROUPS = {
    "authors": ("Cold and warm authors", "segment"),
    "categories": ("Categories", "category"),
    "months": ("Months", "month"),
}
COLD = "Cold: the author has no older training post. SRC: of the blend."


def number(value: float | None, places: int = 4) -> str:
    return "–" if value is None else minus(value, places)


def leaderboard(result: DatasetResult) -> Sheet:
    """Every model on the same test posts, best first."""
    metric = result.metric
    others = [one for one in METRICS if one != metric]
    head = ["model", standard.heading(result, metric), f"{result.confidence:.0%} interval".replace("%", " %")]
    head += [*(standard.heading(result, one) for one in others), "against best single"]
    rows = []
    for model, of in result.scores.items():
        cells = [model, number(of.get(f"test.{metric}")), standard.interval(of, metric)]
        cells += [*(number(of.get(f"test.{one}")) for one in others), standard.against_best(of)]
        marks = [(note, note in WARNINGS) for note in standard.notes(result, model)]
        rows.append(Row(cells, marks, strong=model == "blend"))
    notes = [
        f"Test part. Lower is better but for SRC. {standard.drawn(result)} Against best single: the difference in "
        f"{NAMES[metric]} to {result.best_single}, which is best on the valid part, with the p-value of a paired "
        "bootstrap."
    ]
    if any(row.cells[3 + others.index("src")] == "–" for row in rows if "src" in others):
        notes.append("A dash under SRC: the row says the same of every post, so there are no ranks to compare.")
    return Sheet(result.name, "Leaderboard", head, rows, notes)


def segments(result: DatasetResult) -> list[Sheet]:
    """Blend and best single model by authors, categories and months; those that the test part has."""
    found = []
    for group, rows in standard.segments(result).items():
        title, name = GROUPS[group]
        cells = [
            [row["name"], f"{row['posts']:,}", number(row["blend"], 3), number(row["best"], 3), number(row["src"], 3)]
            for row in rows
        ]
        head = [name, "posts", "blend", "best single", "SRC"]
        notes = [COLD] if group == "authors" else []
        found.append(sheet(result.name, f"{title}: {NAMES[result.metric]}", head, cells, notes))
    return found


def weights(result: DatasetResult) -> tuple[Sheet | None, list[str]]:
    """Members with a weight in any segment, the heaviest first, and the names of those without."""
    by_model: dict[str, dict[str, float]] = defaultdict(dict)
    for row in result.weights:
        by_model[row["model"]][row["segment"]] = row["weight"]
    if not by_model:
        return None, []
    parts = sorted({row["segment"] for row in result.weights})
    none = [model for model, of in by_model.items() if not any(of.values())]
    rows = [
        [model, *(number(of.get(part), 3) for part in parts)] for model, of in by_model.items() if model not in none
    ]
    title = "Weights of the blend"
    return sheet(result.name, title, ["model", *(part.replace("all", "weight") for part in parts)], rows), none


def contributions(result: DatasetResult) -> Sheet | None:
    """By how much the error grows where a member is left out."""
    if not result.contributions:
        return None
    parts = [part for part in ("valid", "test") if f"{part}_gain" in result.contributions[0]]
    head = ["left out"]
    for part in parts:
        head += [f"{NAMES[result.metric]} grows by ({part})", f"{result.confidence:.0%} interval, p ({part})"]
    rows = []
    for row in result.contributions:
        suite = row["members"] != row["left_out"]
        cells = [row["left_out"], *(cell for part in parts for cell in standard.added(row, part))]
        rows.append(Row(cells, [(f"suite: {row['members']}", False)] if suite else []))
    notes = [
        "Error of the blend without it, minus that of the blend with all members. Blends of the valid part are fitted "
        "on other blocks of it, those of the test part on everything earlier. Below zero: the blend is better "
        "without it."
    ]
    return Sheet(result.name, "What each member adds to the blend", head, rows, notes, heading=False)


def quality(result: DatasetResult) -> tuple[Sheet | None, list[str]]:
    """What reading the raw files counted, and the places and notes that it gives as examples."""
    counted = {key: of for key, of in sorted(result.quality.items()) if key not in ("examples", "notes")}
    rows = [
        [f"{key}: {reason}".replace("_", " "), f"{count:,}"]
        for key, of in counted.items()
        for reason, count in sorted(of.items())
    ]
    places = [place for _, of in sorted(result.quality.get("examples", {}).items()) for place in of]
    places += result.quality.get("notes", [])
    if not rows and not places:
        return None, []
    return sheet(result.name, "What reading the raw files found", ["what", "rows"], rows) if rows else None, places

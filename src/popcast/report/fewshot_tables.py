"""The tables of a few-shot task in words: shots and test sets, ablation, tuning methods, many-shot, alignment.

Each says what its data and its language model are, how many answers were left out, and which differences may be chance.
Published figures stand nowhere among ours.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from popcast.fewshot.track_plots import many_families
from popcast.fewshot.track_scores import ALL, MEAN, RIDGE, Scores
from popcast.report.fewshot_cells import (
    NO_SRC,
    UNRANKED,
    against,
    pair,
    pair_leniently,
    plural,
    src,
    valid,
    valid_leniently,
    with_interval,
)
from popcast.report.pictured.told_tables import minus

SET_NAMES = {"fewshot": "few-shot set", "extra1": "extra set 1", "extra2": "extra set 2", "extra3": "extra set 3"}
UNTOUCHED = "No answer was left out."
LENIENT = (
    "Valid: numbers in range with two decimals, as in the records. Lenient: any one number in range, with blanks "
    "around it or without: the instruction asks for no decimals."
)


@dataclass(frozen=True)
class Table:
    """A table of words. ``notes``: sentences below it."""

    title: str
    head: list[str]
    rows: list[list[str]]
    notes: list[str]


@dataclass(frozen=True)
class Track:
    """One few-shot task of the report. ``about`` and ``scores``: what ``stages.tracks`` wrote."""

    name: str
    about: dict[str, Any]
    scores: Scores

    @property
    def badges(self) -> list[str]:
        marks = {"generated data": self.about["generated"], "stand-in language model": self.stand_in}
        return [*(mark for mark, on in marks.items() if on), *filter(None, [self.about["base"].get("weights")])]

    @property
    def introduction(self) -> str:
        """How many test records, and how to read the tables."""
        shots = ", ".join(plural(shots) for shots in self.about["shots"])
        return (
            f"{self.about['records']:,} test records over {shots}; labels on their log scale, lower MAE is better. "
            "Intervals and p-values: bootstrap over authors, over records where they are few." + self.not_run
        )

    @property
    def not_run(self) -> str:
        """Which tables of the paper this run leaves out, and what makes them; empty where it has them all."""
        if self.about["track"] != "coldstart" or not self.about["generated"]:
            return ""
        methods = {of.get("method") for of in self.systems.values()}
        shots = [plural(n) for n in (1, 2, 3) if n not in self.about["shots"]]
        left = shots + [f"{name} tuning" for name in ("freeze", "prefix", "full") if name not in methods]
        if not any(str(of.get("records", "")).startswith("many") for of in self.systems.values()):
            left.append("many-shot rows")
        return f" Not in this run: {', '.join(left)} (`bash recipes/fewshot-tables.sh`)." if left else ""

    @property
    def stand_in(self) -> bool:
        return bool(self.about["base"].get("stand_in"))

    @property
    def systems(self) -> dict[str, dict[str, Any]]:
        return {name: self.about["systems"][name] for name in self.about["order"]}

    def of_kind(self, *kinds: str) -> list[str]:
        return [name for name, of in self.systems.items() if of["kind"] in kinds]

    def marked(self, mark: str) -> list[str]:
        return [name for name, of in self.systems.items() if of.get(mark)]

    def decodings(self, stem: str, system: str, wanted: tuple[str, ...]) -> list[str]:
        return [decoding for decoding in wanted if f"{stem}.{system}.{decoding}.n" in self.scores]


def tables_of(track: Track) -> list[Table]:
    """All tables of one task; one without any row is left out."""
    found = [by_set(track), pooled(track), ablation(track)]
    if track.about["track"] == "coldstart":
        found += [methods(track), many(track), alignment(track)]
    for table in found:
        if any(NO_SRC in cell for row in table.rows for cell in row):
            table.notes.append(UNRANKED)
    return [table for table in found if table.rows]


def by_set(track: Track) -> Table:
    """MAE / SRC of every test set and number of shots (the form of tables 5, 6, 7 and 9 of the paper)."""
    sets = [name for name in track.about["sets"] if name != ALL]
    cells = [(name, shots) for name in sets for shots in track.about["shots"]]
    head = ["system", *(f"{SET_NAMES.get(name, 'test set')}, {plural(shots)}" for name, shots in cells)]
    shown = _compared(track)
    rows = [
        [_named(system, d), *(pair(track.scores, f"{name}.{shots}.{system}.{d}") for name, shots in cells)]
        for system, d in shown
    ]
    zero = track.about["track"] == "zeroshot"
    title = f"Zero-shot: {track.name} answered by what {track.about['source']} taught" if zero else "Few-shot"
    return Table(f"{title}, MAE / SRC", head, rows, [*_what(track), _left_out(track, shown, sets)])


def pooled(track: Track) -> Table:
    """MAE with interval and the differences to history mean and ridge, all test sets together."""
    shown = _compared(track, ("greedy", "samples", "expected", "point"))
    rivals = [rival for rival in (MEAN, RIDGE) if rival in track.systems]
    head = ["system"]
    for shots in track.about["shots"]:
        head += [f"MAE, {plural(shots)} ({track.about['confidence']:.0%} interval)"]
        head += [f"against {rival}" for rival in rivals]
    rows = []
    for system, d in shown:
        row = [_named(system, d)]
        for shots in track.about["shots"]:
            stem = f"{ALL}.{shots}.{system}.{d}"
            row += [with_interval(track.scores, stem), *(against(track.scores, stem, rival) for rival in rivals)]
        rows.append(row)
    chances = [_chance(track, shown, rival) for rival in rivals]
    notes = [*_what(track), _left_out(track, shown, [ALL]), *chances, *_ranges(track, shown)]
    title = "All test sets together" if len(track.about["sets"]) > 2 else "With intervals"
    return Table(title, head, rows, notes)


def ablation(track: Track) -> Table:
    """Untuned, tuned only, aligned by DPO, aligned without tuning, and the full system; greedy beside expected."""
    tuned = track.about["tuned"]
    shown = [
        (system, d)
        for system in track.marked("ablation")
        for d in ("greedy", "expected")
        if any(track.decodings(f"{ALL}.{shots}", system, (d,)) for shots in track.about["shots"])
    ]
    head = ["system", "what it is"]
    for shots in track.about["shots"]:
        head += [f"valid, {plural(shots)}", "MAE / SRC", "lenient", "MAE / SRC, lenient", f"against {tuned}"]
    rows = []
    for system, d in shown:
        row = [_named(system, d), _what_it_is(track, system)]
        for shots in track.about["shots"]:
            stem = f"{ALL}.{shots}.{system}.{d}"
            row += [
                valid(track.scores, stem),
                pair(track.scores, stem),
                valid_leniently(track.scores, stem),
                pair_leniently(track.scores, stem),
                against(track.scores, stem, tuned),
            ]
        rows.append(row)
    notes = [*_what(track), _left_out(track, shown, [ALL]), _chance(track, shown, tuned)]
    notes.append(LENIENT)
    notes.append(
        "Greedy: the answer that the model writes. Expected: the mean (decoding.point: median: the median) of all "
        "numbers in range by their probability, which exists also where the model would write no number: read it "
        "beside the valid share of greedy."
    )
    return Table("Ablation", head, rows, notes)


def methods(track: Track) -> Table:
    """Ways of tuning side by side at the largest number of shots."""
    shots = max(track.about["shots"])
    names = [name for name in track.of_kind("sft") if track.systems[name]["records"] == "fewshot"]
    names = [name for name in names if track.decodings(f"{ALL}.{shots}", name, ("greedy",))]
    return _at(track, f"Tuning methods, {plural(shots)}", names if len(names) > 1 else [], track.about["tuned"])


def many(track: Track) -> Table:
    """More training records: the few-shot system first, then the shares of all posts."""
    names = list(dict.fromkeys(name for of in many_families(track.systems).values() for name in of))
    counts = track.about["trained_on"]
    extra = {name: f"{counts.get(track.systems[name]['records'], 0):,}" for name in names}
    return _at(track, f"Many-shot, {plural(max(track.about['shots']))}", names, MEAN, ("training records", extra))


def _at(
    track: Track, title: str, names: list[str], rival: str, extra: tuple[str, dict[str, str]] | None = None
) -> Table:
    """Systems at the largest number of shots, all test sets together, each decoding in a row."""
    most = [max(track.about["shots"])]
    stem = f"{ALL}.{most[0]}"
    shown = [(name, d) for name in names for d in track.decodings(stem, name, ("greedy", "expected", "point"))]
    head = ["system", *([extra[0]] if extra else []), "valid", "lenient", "MAE (interval)", "SRC", f"against {rival}"]
    rows = []
    for name, d in shown:
        key = f"{stem}.{name}.{d}"
        row = [_named(name, d), *([extra[1][name]] if extra else []), valid(track.scores, key)]
        row.append(valid_leniently(track.scores, key))
        cells = (with_interval(track.scores, key), src(track.scores, key), against(track.scores, key, rival))
        rows.append([*row, *cells])
    notes = [*_what(track), _left_out(track, shown, [ALL], most), LENIENT, _chance(track, shown, rival, most)]
    return Table(title, head, rows, notes)


def alignment(track: Track) -> Table:
    """What alignment did to the log-probability of the chosen answers, and to the error."""
    tuned = track.about["tuned"]
    head = ["system", "loss", "shots", "pairs", "log p of chosen, before", "after", "change", "MAE / SRC (greedy)"]
    rows, shown = [], []
    for key, facts in sorted(track.about["alignment"].items(), key=lambda item: _place(track, item[0])):
        system, shots = key.rsplit("_", 1)
        before, after = facts.get("chosen_logp_before"), facts.get("chosen_logp_after")
        if system not in track.systems or before is None or after is None:
            continue
        stem = f"{ALL}.{shots}.{system}.greedy"
        change = f"{after - before:+.3f}".replace("-", "−")
        row = [system, str(facts.get("loss", "")), shots, str(facts.get("pairs", "")), minus(before), minus(after)]
        rows.append([*row, change, pair(track.scores, stem), against(track.scores, stem, tuned)])
        shown.append((system, "greedy"))
    shown = list(dict.fromkeys(shown))
    notes = [*_what(track), "Mean over the preference pairs that were learned from, before and after alignment."]
    notes += [_left_out(track, shown, [ALL]), _chance(track, shown, tuned)]
    return Table("DPO against IDPOP", [*head, f"against {tuned} (greedy)"], rows, notes)


def _place(track: Track, key: str) -> tuple[int, int]:
    system, shots = key.rsplit("_", 1)
    return (track.about["order"].index(system) if system in track.about["order"] else -1), int(shots)


def _compared(track: Track, wanted: tuple[str, ...] = ("greedy", "expected", "point")) -> list[tuple[str, str]]:
    """Rows of the main tables: references, feature models on the few-shot records, the tuned and the full system."""
    names = [name for name in track.of_kind("reference", "features") if track.systems[name]["records"] == "fewshot"]
    names += track.of_kind("rival")
    names += [name for name in track.systems if name == track.about["tuned"]] + track.marked("full")
    stems = [f"{ALL}.{shots}" for shots in track.about["shots"]]
    return [(name, d) for name in names for d in wanted if any(track.decodings(stem, name, (d,)) for stem in stems)]


def _named(system: str, decoding: str) -> str:
    return system if decoding == "point" else f"{system} ({decoding})"


def _what_it_is(track: Track, system: str) -> str:
    of = track.systems[system]
    return f"{of['what']}, the full system" if of.get("full") else of["what"]


def _what(track: Track) -> list[str]:
    """What data and which model: the first note of every table."""
    said = []
    if track.about["generated"]:
        said.append("Generated data.")
    if track.stand_in:
        said.append("The language model is a stand-in: a small one made and trained here, not the one of the paper.")
    return [" ".join(said)] if said else []


def _left_out(track: Track, shown: list[tuple[str, str]], sets: list[str], some: list[int] | None = None) -> str:
    """How many answers are no number in range; with or without something in their place."""
    parts = []
    for system, d in shown:
        counts = []
        for shots in some or track.about["shots"]:
            stems = [f"{name}.{shots}.{system}.{d}" for name in sets]
            stems = [stem for stem in stems if f"{stem}.n" in track.scores]
            asked = sum(track.scores[f"{stem}.n"] for stem in stems)
            answered = sum(track.scores[f"{stem}.answered"] for stem in stems)
            if answered < asked:
                counts.append(f"{asked - answered} of {asked} at {plural(shots)}")
        if counts:
            parts.append(f"{_named(system, d)} {', '.join(counts)}")
    if not parts:
        return UNTOUCHED
    how = "Answers that are no number in range"
    how += ", replaced by the mean of the shown scores: " if track.about["filled"] else ", left out: "
    return how + "; ".join(parts) + "."


def _chance(track: Track, shown: list[tuple[str, str]], rival: str, some: list[int] | None = None) -> str:
    """Which differences to ``rival`` are not significant, in plain words."""
    level, none, tested = 1 - track.about["confidence"], [], 0
    for system, d in shown:
        values = {s: track.scores.get(f"{ALL}.{s}.{system}.{d}.vs_{rival}.p") for s in some or track.about["shots"]}
        known = {shots: p for shots, p in values.items() if p is not None}
        tested += len(known)
        weak = [str(shots) for shots, p in known.items() if p >= level]
        if weak:
            none.append(f"{_named(system, d)} ({', '.join(weak)})")
    if not tested:
        return f"No difference to {rival} could be tested."
    if not none:
        return f"Every difference to {rival} is significant (p < {level:.2g})."
    return f"Not significant against {rival} (p ≥ {level:.2g}; numbers of shots in brackets): {', '.join(none)}."


def _ranges(track: Track, shown: list[tuple[str, str]]) -> list[str]:
    """How many of the scores lie within the 10-90 % range of the full system."""
    parts = []
    for system, d in shown:
        for shots in track.about["shots"]:
            coverage = track.scores.get(f"{ALL}.{shots}.{system}.{d}.coverage")
            if coverage is not None:
                parts.append(f"{system} {coverage:.0%} at {plural(shots)}")
    return [f"Scores within the 10-90 % range, which should hold 80 %: {', '.join(parts)}."] if parts else []

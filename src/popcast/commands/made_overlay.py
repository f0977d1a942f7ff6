"""From the user's files and the roles of their columns to the sections of an overlay, and what is said about them."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from popcast.commands.own_copies import copied_name
from popcast.commands.user_files import Given
from popcast.core.params import parse
from popcast.datasets.guessing.guessed_layout import Guess
from popcast.datasets.params import Dataset, Table
from popcast.planning.choosing.durations import about
from popcast.planning.choosing.pipeline_choice import Choice, PostFacts, chosen, facts_of
from popcast.planning.choosing.split_choice import snapshot_of


@dataclass(frozen=True)
class Made:
    """``sections``: of the overlay. ``lines``: what will be run, on how many posts, how long it will take."""

    sections: dict[str, dict[str, Any]]
    lines: list[str]


def named_below(files: list[Path]) -> tuple[Path, list[str]]:
    """The folder that all files lie in, and their names below it."""
    folder = Path(os.path.commonpath([str(file.parent) for file in files]))
    return folder, [file.relative_to(folder).as_posix() for file in files]


def made_overlay(
    raw: Path, given: Given, found: Guess, name: str, zone: str, table: dict[str, Any], budget: float
) -> Made:
    """Sections for the files, which lie below ``raw``. Reads all posts: their number and times decide what runs.

    table: what the user says about how values are written. Raises BadInput for what cannot be read.
    """
    values = dataset_values(raw, given, found, zone, table)
    dataset = parse(Dataset, values, f"datasets.{name}")
    posts, quality = read_posts(name, dataset)
    facts = facts_of(posts)
    choice = chosen(name, facts, budget, values["raw"])
    moment = snapshot_of(facts)
    if moment is not None:
        values["snapshot"] = moment.strftime("%Y-%m-%dT%H:%M:%SZ")
    sections = {"datasets": {name: values}, **choice.sections}
    return Made(sections, [*quality_lines(quality), *lines_for(facts, choice, values)])


def dataset_values(raw: Path, given: Given, found: Guess, zone: str, table: dict[str, Any]) -> dict[str, Any]:
    """``datasets.<name>`` as a plain dictionary, without what is the default."""
    layout = found.layout(
        _below(raw, given.labelled),
        _below(raw, given.unlabelled) if given.unlabelled else None,
        without_label="predict",
        **table,
    )
    return {
        "kind": "table",
        "raw": str(raw),
        "zone": zone,
        "metric": "mae",
        "table": layout_values(layout),
    }


def layout_values(layout: Table) -> dict[str, Any]:
    """A layout as a plain dictionary: what was set, and the transform in any case."""
    values = layout.model_dump(exclude_defaults=True)
    columns = {"id": None, **values.pop("columns")}
    return {**values, "transform": layout.transform, "columns": columns}


def _below(raw: Path, files: list[Path]) -> str | list[str]:
    """Names below ``raw``: copies lie in it directly."""
    inside = all(file.is_relative_to(raw) for file in files) and raw.is_absolute()
    names = [file.relative_to(raw).as_posix() if inside else copied_name(file) for file in dict.fromkeys(files)]
    return names[0] if len(names) == 1 else names


def read_posts(name: str, dataset: Dataset):
    """Posts and what was rejected or repaired on the way."""
    from popcast.datasets import loading

    return loading.load(name, dataset)


def quality_lines(quality) -> list[str]:
    """What reading has found by looking, and what it has rejected and repaired, by reason."""
    told = quality.as_dict()
    lines = list(quality.notes)
    for kind, what in (("rejected", "rows left out"), ("repaired", "values repaired")):
        if reasons := told.get(kind):
            counted = ", ".join(f"{reason} {count}" for reason, count in reasons.items() if isinstance(count, int))
            lines += [f"{what}: {counted}"] if counted else []
    return lines


SPLITS = {
    "chronological": "in time: learned from the oldest 70 %, chosen on the next 15 %, reported on the newest 15 %",
    "newest_per_author": "the newest posts of drawn authors are held back, as the posts to predict were drawn",
    "random": "at random, since there are no times: figures are of no forecast",
}
AT_ONCE = "at random, since too many posts have the same time to part them in time: figures are of no forecast"


def lines_for(facts: PostFacts, choice: Choice, values: dict[str, Any]) -> list[str]:
    """What will be run, on how many posts, and about how long it will take."""
    authors = f" by {facts.authors:,} author{'s' if facts.authors > 1 else ''}" if facts.authors else ""
    lines = [f"{facts.labelled:,} posts with a label{authors}, {facts.unlabelled:,} to predict"]
    if facts.timed:
        lines[0] += f"; labels span {facts.span_days:,.0f} days"
    (split,) = choice.sections["splits"].values()
    how = AT_ONCE if split["method"] == "random" and facts.moments and facts.newest else SPLITS[split["method"]]
    lines.append(f"split: {how}")
    if "snapshot" in values:
        lines.append(f"counts are taken to be read at {values['snapshot']}: change datasets' snapshot if that is wrong")
    if facts.authors and not facts.timed:
        lines.append("authors are known, but without times nothing is learned of their older posts")
    (history,) = [run["set"] for key, run in choice.sections["blocks"].items() if key.endswith("-history")] or [{}]
    if counted := values["table"]["columns"].get("author_numbers"):
        named = ", ".join(counted)
        lines.append(
            f"{named}: taken as known at posting; if counted later they tell of success: then --leave-out them"
        )
    if history.get("as_of") == "lag":
        lines.append(f"history: news of an author's older posts is up to {history['lag_days']:g} days old")
    lines.append(f"runs: {', '.join(choice.runs)}, and their blend; {about(choice.seconds)} on two cores")
    if choice.left_for_more:
        lines.append(f"a larger --budget would add: {', '.join(choice.left_for_more)}")
    for extra, names in choice.without_extra.items():
        lines.append(f"not chosen for want of the extra `{extra}`, pip install 'popcast[{extra}]': {', '.join(names)}")
    return lines

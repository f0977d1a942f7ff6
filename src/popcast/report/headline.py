"""The few numbers that a table of experiments has room for: ``metrics/headline.json``, which DVC compares."""

from __future__ import annotations

from popcast.fewshot.track_scores import ALL, main_row
from popcast.report import fewshot_chapter
from popcast.report.standard import DatasetResult


def headline(results: list[DatasetResult], tracks: list[fewshot_chapter.Chapter]) -> dict[str, dict[str, float]]:
    """``<dataset>.<metric of the dataset | src>`` of the blend on test, ``<task>.few`` of the aligned system.

    ``few``: MAE of the whole system (tuned, then aligned) with the most shots, where the task has one.
    """
    found: dict[str, dict[str, float]] = {}
    for result in results:
        blend = result.scores["blend"]
        own = {name: blend.get(f"test.{name}") for name in dict.fromkeys((result.metric, "src"))}
        found[result.name] = {name: value for name, value in own.items() if value is not None}
    for track in (chapter.track for chapter in tracks):
        stem = f"{ALL}.{max(track.about['shots'])}"
        for system, of in track.systems.items():
            main = main_row(track.scores, stem, system) if of.get("full") else None
            if main is not None and (value := track.scores[f"{stem}.{system}.{main}.mae"]) is not None:
                found.setdefault(track.name, {})["few"] = value
    return found

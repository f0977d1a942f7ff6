"""A few posts of a simulation, told whole: what the page steps through.

``episodes.json``: who the personas are and where they stand in the picture, and per post and round who was asked, what
they did and said, who remembers it, what everybody thinks after it, and how the field reads.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson
import polars as pl

from popcast.core.paths import EPISODES
from popcast.simulation.audience.population import Population
from popcast.simulation.params import Rules
from popcast.simulation.records import NO_FIELD
from popcast.simulation.showing.layout import edges_between, positions, shown_rows

FORMAT = 1
RUN = 0
PLACES = 2
"""Decimals of attitudes."""


def write(
    dataset: str, states: pl.DataFrame, reactions: pl.DataFrame, triggers: pl.DataFrame, population: Population,
    manifest: Mapping[str, str], folder: Path,
) -> None:  # fmt: skip
    """Write ``folder/episodes.json``, the same bytes for the same tables.

    states, reactions, triggers: tables of the simulation, any runs; manifest: key -> value.
    """
    content = of(dataset, states, reactions, triggers, population, manifest)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / EPISODES).write_bytes(orjson.dumps(content) + b"\n")


def of(
    dataset: str, states: pl.DataFrame, reactions: pl.DataFrame, triggers: pl.DataFrame, population: Population,
    manifest: Mapping[str, str],
) -> dict[str, Any]:  # fmt: skip
    """Content of the file. Personas are named by their place in ``people``."""
    states = states.filter(pl.col("run") == RUN)
    chosen = choose(states, reactions.filter(pl.col("run") == RUN))
    wanted = pl.Series(list(chosen), dtype=pl.String).implode()
    own, answers = (
        table.filter((pl.col("run") == RUN) & pl.col("trigger").is_in(wanted)) for table in (states, reactions)
    )
    rows = shown_rows(population.neighbours, set(answers["row"].unique().to_list()))
    rules = Rules.model_validate_json(manifest["rules"])
    return {
        "format": FORMAT,
        "dataset": dataset,
        "rules": rules.model_dump(mode="json"),
        "policy": {
            "kind": manifest["policy_kind"],
            "model": manifest.get("policy_model"),
            "stand_in": manifest["stand_in"] == "true",
        },
        "simulations": states["trigger"].n_unique(),
        "personas": len(population.people),
        "people": _people(rows, population),
        "edges": edges_between(rows, population.neighbours),
        "episodes": [
            {
                "why": why,
                **_post(triggers, trigger),
                "rounds": [
                    _round(state, said, rows, population, rules) for state, said in _by_epoch(trigger, own, answers)
                ],
            }
            for trigger, why in chosen.items()
        ],
    }


def choose(states: pl.DataFrame, reactions: pl.DataFrame) -> dict[str, str]:
    """Trigger -> why it is shown, of run 0: extremes and the middle of final means, and other stories. No post twice.

    Ties go to the smaller trigger. states, reactions: of one run.
    """
    failures = reactions.group_by("trigger").agg(failed=(pl.col("status") == "failed").sum())
    numbers = (
        states.sort("epoch")
        .group_by("trigger")
        .agg(
            final=pl.col("mean_attitude").last(),
            rise=pl.col("mean_attitude").last() - pl.col("mean_attitude").first(),
            divided=pl.col("attitudes").last().list.std(ddof=0),
            replies=pl.col("n_reply").sum(),
        )
        .join(failures, on="trigger", how="left")
        .with_columns(middle=(pl.col("final") - pl.col("final").median()).abs())
    )
    stories = (
        ("highest final mean", "final", True, numbers.height > 0),
        ("lowest final mean", "final", False, True),
        ("largest rise after the first round", "rise", True, True),
        ("smallest rise, or largest fall", "rise", False, True),
        ("most divided audience", "divided", True, True),
        ("most replies", "replies", True, numbers["replies"].max() > 0),
        ("median final mean", "middle", False, True),
        ("one of many", "failed", True, numbers["failed"].max() > 0),
    )
    found: dict[str, str] = {}
    for why, column, descending, told in stories:
        left = numbers.filter(~pl.col("trigger").is_in(pl.Series(list(found), dtype=pl.String).implode()))
        left = left.filter(pl.col("failed") > 0) if column == "failed" else left
        if told and left.height:
            found[left.sort(column, "trigger", descending=[descending, False])["trigger"][0]] = why
    failed = set(numbers.filter(pl.col("failed") > 0)["trigger"])
    return {
        trigger: f"{why}, with an answer that failed" if trigger in failed else why for trigger, why in found.items()
    }


def _people(rows: Sequence[int], population: Population) -> list[dict[str, Any]]:
    places = positions(rows, population.neighbours)
    return [
        {
            "row": row,
            "name": population.people[row].name,
            "role": population.people[row].role,
            "friends": len(population.neighbours[row]),
            "x": x,
            "y": y,
        }
        for row, (x, y) in zip(rows, places.tolist(), strict=True)
    ]


def _post(triggers: pl.DataFrame, trigger: str) -> dict[str, Any]:
    of = triggers.filter(pl.col("trigger") == trigger).sort("post_id")
    return {"trigger": trigger, "line": of["line"][0], "post_id": of["post_id"][0], "posts": of.height}


def _by_epoch(
    trigger: str, states: pl.DataFrame, reactions: pl.DataFrame
) -> list[tuple[dict[str, Any], list[dict[str, Any]]]]:
    own = states.filter(pl.col("trigger") == trigger).sort("epoch")
    answers = reactions.filter(pl.col("trigger") == trigger).sort("epoch", "slot")
    return [
        (state, answers.filter(pl.col("epoch") == state["epoch"]).to_dicts()) for state in own.iter_rows(named=True)
    ]


def _round(
    state: dict[str, Any], answers: list[dict[str, Any]], rows: Sequence[int], population: Population, rules: Rules
) -> dict[str, Any]:
    place = {row: at for at, row in enumerate(rows)}
    attitudes = state["attitudes"]
    return {
        "answers": [
            {
                "who": place[answer["row"]],
                **{key: answer[key] for key in ("action", "text", "score", "thought", "attempts", "reason")},
                "ok": answer["status"] == "ok",
                "told": [place[row] for row in told(answer, population, rules) if row in place],
                "told_all": len(told(answer, population, rules)),
            }
            for answer in answers
        ],
        "field": None if state["field_text"] == NO_FIELD else state["field_text"],
        "kept": state["field_status"] == "kept",
        "mean": round(state["mean_attitude"], 4),
        "interested": state["share_interested"],
        "attitudes": [round(attitudes[row], PLACES) for row in rows],
    }


def told(answer: Mapping[str, Any], population: Population, rules: Rules) -> tuple[int, ...]:
    """Rows of those who will remember a reaction: the friends of whoever reacted, if that did anything at all."""
    acted = answer["status"] == "ok" and answer["action"] != "nothing" and rules.memory > 0
    return population.neighbours[answer["row"]] if acted else ()

"""The stage ``response_score``: labels of real and written texts, figures, pictures, and cases for the page."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from popcast.core import paths, tables
from popcast.core.plan_file import Plan
from popcast.response import response_tables as contracts
from popcast.response.judging import browsing, response_plots, response_scores
from popcast.response.judging.params import Judging
from popcast.response.params import System
from popcast.response.portraits.portraits import render
from popcast.response.sentiment.agreement import words_against_emoticons
from popcast.response.sentiment.labelling import labeller
from popcast.response.sentiment.params import Labelling
from popcast.response.writing.askings import ResponseData, read_data
from popcast.scoring import plots
from popcast.scoring.evaluation import rounded

CASES = "cases.json"


def run(plan: Plan, metrics: Path, pictures: Path) -> str:
    """Write figures and pictures of the set ``plan.key``; returns what to say of them."""
    data = read_data(plan.key)
    generated = tables.read(paths.generated(plan.key), contracts.GENERATED)
    counts = tables.read(paths.responses(plan.key, "counts"), contracts.COUNTS) if plan["counted"] else None
    reader = labeller(plan.section("sentiment", Labelling))
    real = dict(zip(data.cases["case_id"], reader.label(*_texts(data.cases, "target_text", "case_id")), strict=True))
    written = reader.label(generated["text"].to_list())
    before = dict(zip(data.history["post_id"], reader.label(*_texts(data.history, "text", "post_id")), strict=True))
    judging, systems = plan.section("judging", Judging), plan.sections("systems", System)
    judged = asked(data.cases, generated)
    figures, found = response_scores.score(
        judged, generated, real, written, data.topics, counts, judging, plan["seed"], history_labels=before
    )
    training = data.cases.filter(pl.col("split") == "train")["target_text"].drop_nulls().to_list()
    about = {
        **{name: plan[name] for name in ("generated", "stand_in", "counted")},
        "labeller": f"{reader.id} {reader.version}",
        "words_against_emoticons": words_against_emoticons(training),
        "systems": {name: system.model_dump(include={"method", "variant"}) for name, system in systems.items()},
        "order": list(systems),
        "confidence": judging.confidence,
        "least_cases": judging.least_cases,
    }
    tables.write_json({"about": about, **rounded(figures)}, metrics)
    kind = ", ".join(text for text, on in (("generated data", plan["generated"]), ("stand-in", plan["stand_in"])) if on)
    page = shown(plan, data, judged, generated, real, written, counts)
    plots.write(
        response_plots.tables_of(figures, found, systems), pictures, plan.key + (f" ({kind})" if kind else ""),
        response_plots.DRAW, lambda folder: tables.write_json(page, folder / CASES),
    )  # fmt: skip
    return f"{plan.key}: {generated.height} texts of {len(systems)} systems, {judged.height} cases"


def _texts(table: pl.DataFrame, text: str, key: str) -> tuple[list[str | None], list[str]]:
    return table[text].to_list(), table[key].to_list()


def asked(cases: pl.DataFrame, generated: pl.DataFrame) -> pl.DataFrame:
    """Training cases, and those of other parts that somebody wrote for."""
    return cases.filter((pl.col("split") == "train") | pl.col("case_id").is_in(generated["case_id"].unique().implode()))


def shown(
    plan: Plan,
    data: ResponseData,
    cases: pl.DataFrame,
    generated: pl.DataFrame,
    real: dict[str, str | None],
    written: list[str | None],
    counts: pl.DataFrame | None,
) -> dict[str, Any]:
    """What the page shows, see ``popcast.response.judging.browsing``."""
    chosen = browsing.chosen_cases(cases, plan["seed"])
    test = cases.filter(pl.col("split") == "test")
    labelled = generated.with_columns(label=pl.Series(written, dtype=pl.String)).filter(pl.col("sample") == 0)
    names = list(plan["systems"])
    texts: dict[str, dict[str, tuple[str, str | None]]] = {}
    for case, system, text, label in labelled.select("case_id", "system", "text", "label").iter_rows():
        texts.setdefault(case, {})[system] = (text, label)
    aliases = dict(data.users.select("user_id", "alias").iter_rows())
    said = dict(data.history.select("post_id", "text").iter_rows())
    portraits = {row["case_id"]: render(row) for row in data.portraits.iter_rows(named=True) if row["error"] is None}
    counted = {} if counts is None else {topic: np.asarray(of) for topic, of in counts.iter_rows()}
    topics = []
    for row in data.topics.filter(pl.col("topic_id").is_in(chosen["topic_id"].implode())).iter_rows(named=True):
        own = test.filter(pl.col("topic_id") == row["topic_id"])["case_id"].to_list()
        labels = {"real": [real[case] for case in own]}
        labels |= {name: [texts[case][name][1] for case in own if name in texts.get(case, {})] for name in names}
        about = {"id": row["topic_id"], "title": row["hashtag"], "news": row["news_text"]}
        topics.append(about | {"mixes": browsing.mixes(labels, counted.get(row["topic_id"]))})
    found = [
        browsing.case(
            row,
            {
                "alias": aliases[row["user_id"]],
                "portrait": portraits.get(row["case_id"]) or "",
                "history": [said[post] for post in row["history"]],
            },
            real[row["case_id"]],
            texts.get(row["case_id"], {}),
        )
        for row in chosen.iter_rows(named=True)
    ]
    about = {"generated": plan["generated"], "stand_in": plan["stand_in"], "systems": names}
    return about | {"labeller": plan["sentiment"]["backend"], "topics": topics, "cases": found}

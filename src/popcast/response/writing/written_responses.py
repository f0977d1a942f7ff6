"""The stage ``response_predict``: every system writes responses for the cases of valid, test and the withheld part."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import polars as pl

from popcast.core import paths, tables
from popcast.core.plan_file import Plan
from popcast.core.scratch import Scratch
from popcast.lm import backbone
from popcast.lm.pac import response_writing
from popcast.response import response_tables as contracts
from popcast.response.params import System
from popcast.response.sentiment.labelling import Labeller
from popcast.response.writing.askings import ResponseData, drawn, prompts_of
from popcast.response.writing.response_prompts import Prompts, ResponsePrompts

PIECE = 512
"""Cases that are written together, and kept together when a stage is killed."""


def run(plan: Plan, data: ResponseData, inputs: list[Path], say: Callable[[str], None]) -> pl.DataFrame:
    """Generated responses after the contract GENERATED. The withheld part is asked of the submitted system only."""
    found = []
    with Scratch(plan, inputs) as scratch:
        for name, system in plan.sections("systems", System).items():
            asked = asked_cases(plan, data, name == plan["submit"])
            found.append(_written(plan, data, asked, name, system, scratch.folder))
            say(f"{plan.key}/{name}: {asked.height} cases, {plan['samples']} texts each")
    return pl.concat(found)


def asked_cases(plan: Plan, data: ResponseData, withheld: bool) -> pl.DataFrame:
    """Cases of valid and test, at most ``asked`` of each; all withheld ones where asked for."""
    parts = [
        drawn(data.cases.filter(pl.col("split") == split), plan["asked"], plan["seed"], "asked")
        for split in ("valid", "test")
    ]
    return pl.concat([*parts, data.cases.filter((pl.col("split") == "unlabelled") & withheld)])


def _written(
    plan: Plan, data: ResponseData, cases: pl.DataFrame, name: str, system: System, folder: Path
) -> pl.DataFrame:
    """Responses of one system, piece by piece: a killed stage goes on with the next piece."""
    files = [folder / f"{name}-{start}.parquet" for start in range(0, cases.height, PIECE)]
    model = None
    for number, file in enumerate(files):
        if file.exists():
            continue
        if model is None:
            model, tokenizer = backbone.load(_folder(plan.key, name, system))
            writer = ResponsePrompts(tokenizer, plan.section("prompts", Prompts), system.variant)
        piece = cases[number * PIECE : (number + 1) * PIECE]
        asked = prompts_of(data, piece, writer)
        prompts = [response_writing.RoutedPrompt(one.ids, one.regions) for one in asked]
        keys = piece["case_id"].to_list()
        settings = plan.section("decoding", response_writing.Decoding)
        texts = response_writing.write(model, tokenizer, prompts, keys, plan["samples"], settings, plan["seed"])
        tables.write(_table(piece, name, texts), file, contracts.GENERATED, contracts.GENERATED_KEY)
    return pl.concat([_table(cases.head(0), name, []), *(tables.read(file, contracts.GENERATED) for file in files)])


def _folder(key: str, name: str, system: System) -> Path:
    return paths.response_model(key, "base" if system.method == "base" else name)


def _table(cases: pl.DataFrame, system: str, texts: list[list[response_writing.Written]]) -> pl.DataFrame:
    about = cases.select("case_id", "topic_id", "split").iter_rows()
    rows = [
        (case, topic, system, number, split, one.text, one.finish_reason)
        for (case, topic, split), written in zip(about, texts, strict=True)
        for number, one in enumerate(written)
    ]
    schema = {name: column.dtype for name, column in contracts.GENERATED.columns.items()}
    return pl.DataFrame(rows, schema=schema, orient="row")


def submitted(generated: pl.DataFrame, cases: pl.DataFrame, system: str, labeller: Labeller) -> pl.DataFrame:
    """Columns mid, text, sentiment: the first text of the submitted system for every withheld response."""
    chosen = generated.filter(pl.col("system") == system, pl.col("split") == "unlabelled", pl.col("sample") == 0)
    chosen = chosen.join(cases.select("case_id", "response_id"), on="case_id").sort("response_id")
    labels = labeller.label(chosen["text"].to_list())
    return chosen.select(pl.col("response_id").alias("mid"), "text").with_columns(
        sentiment=pl.Series(labels, dtype=pl.String)
    )

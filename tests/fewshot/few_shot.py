"""A small few-shot task with made-up answers, shared by the tests of the tracks and of the report."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from popcast.core import paths, tables
from popcast.fewshot.draws import RECORD
from popcast.scoring import plots

PARAMS = """
tasks:
  tiny: {dataset: tiny, source: tiny, track: coldstart, template: smpd, users: 12, newest: 4, extra: 1, shots: [1, 2],
         many_shot: [0.05]}
llms:
  tiny:
    scores: [1.0, 16.99]
    base: {}
    sft:
      lora: {shots: [1, 2]}
      freeze: {shots: [2], set: {method: freeze}}
      many_05: {shots: [2], records: many_05}
    preferences: {start: lora, shots: [1, 2]}
    align:
      multismpllm: {start: lora, shots: [1, 2]}
      sft_dpo: {start: lora, shots: [1, 2], set: {loss: dpo}}
      idpop_only: {start: base, shots: [1, 2]}
      harsh_dpo: {start: lora, shots: [2], set: {loss: dpo, epochs: 5}}
llm: {decoding: {invalid: exclude}}
feature_rows:
  median: {model: median}
  history_mean: {model: history_mean}
  hyfea: {model: hyfea, zero_fill: true}
  hyfea_many_05: {model: hyfea, records: many_05}
"""
SKILL = {
    "median": 2.0, "history_mean": 1.5, "hyfea": 1.4, "hyfea_many_05": 1.2, "base": 2.5, "lora": 1.2, "freeze": 1.6,
    "many_05": 1.0, "multismpllm": 1.2, "sft_dpo": 2.2, "idpop_only": 1.8, "harsh_dpo": 2.4,
}  # fmt: skip
"""Standard deviation of each system's error."""
POINT = ("median", "history_mean", "hyfea", "hyfea_many_05")
LAST = ("freeze", "many_05", "hyfea_many_05", "harsh_dpo")
"""Systems that only know the largest number of shots."""


def record(draw: str, role: str, shots: int, user: str, score: float) -> tuple:
    key = f"{draw}-{role}-{shots}-{user}"
    return key, draw, role, shots, user, [f"{user}-a"], f"{user}-b", score


def records(users: int = 12) -> pl.DataFrame:
    """Test records of two draws, training records of one and of a many-shot share."""
    scores = np.random.default_rng(5).normal(6, 2, 4 * users)
    rows = []
    for draw, first in (("fewshot", 0), ("extra1", users)):
        for n in range(first, first + users):
            for shots in (1, 2):
                rows.append(record(draw, "test", shots, f"u{n:02d}", float(scores[n])))
                if draw == "fewshot":
                    rows.append(record(draw, "train", shots, f"u{n:02d}", float(scores[n])))
    rows += [record("many_05", "train", 2, f"m{n}", float(scores[2 * users + n])) for n in range(users)]
    return pl.DataFrame(rows, schema=RECORD, orient="row")


def answers_of(
    test: pl.DataFrame,
    system: str,
    decoding: str,
    values: list[float | None],
    half: float | None = None,
    lenient: list[float | None] | None = None,
):
    """ANSWERS of one system and decoding; half: half the width of its 10-90 % range; lenient: if not as ``values``."""
    value = pl.Series(values, dtype=pl.Float64)
    empty = pl.lit(None, pl.Float64)
    return test.select(
        "record_id",
        system=pl.lit(system),
        decoding=pl.lit(decoding),
        answer=pl.lit(None, pl.String),
        prediction=value,
        lenient=pl.Series(lenient or values, dtype=pl.Float64) if decoding in ("greedy", "samples") else empty,
        median=empty,
        lower=empty if half is None else value - half,
        upper=empty if half is None else value + half,
    )


def answers(table: pl.DataFrame) -> dict[str, pl.DataFrame]:
    """Answers by file: the label plus noise. ``base`` writes one decimal, ``idpop_only`` leaves out every sixth."""
    generator = np.random.default_rng(6)
    found: dict[str, list[pl.DataFrame]] = {"llm": [], "features": []}
    everything = table.filter(pl.col("role") == "test").sort("record_id")
    for system, spread in SKILL.items():
        test = everything.filter(pl.col("shots") == 2) if system in LAST else everything
        for decoding in ("point",) if system in POINT else ("greedy", "expected"):
            values = (test["score"].to_numpy() + generator.normal(0, spread, test.height)).tolist()
            if system == "median":
                values = [6.0] * test.height
            written = [round(value, 1) for value in values] if system == "base" else None
            if decoding == "greedy" and system in ("base", "idpop_only"):
                values = [None if system == "base" or i % 6 == 0 else v for i, v in enumerate(values)]
            half = 2.0 if decoding == "expected" else None
            found["features" if system in POINT else "llm"].append(
                answers_of(test, system, decoding, values, half, written)
            )
    return {who: pl.concat(parts) for who, parts in found.items()}


def project() -> None:
    """Append the task to params.yaml and lay out what the stages before ``tracks`` leave behind."""
    paths.PARAMS.write_text(paths.PARAMS.read_text() + PARAMS)
    table = records()
    tables.write(table, paths.records("tiny"), tables.RECORDS, key="record_id")
    for who, content in answers(table).items():
        tables.write(content, paths.answers("tiny", who), tables.ANSWERS, tables.ANSWERS_KEY)
    tables.write_json({"kind": "made", "stand_in": True, "model": None}, paths.base_model("tiny") / "base.json")
    aligned = {"multismpllm": 0.02, "sft_dpo": -0.3, "idpop_only": 0.5, "harsh_dpo": -1.83}
    for name, change in aligned.items():
        for shots in (2,) if name in LAST else (1, 2):
            loss = "dpo" if name.endswith("dpo") else "idpop"
            facts = {"loss": loss, "method": "lora", "pairs": 11, "base": "models/base/tiny"}
            facts |= {"chosen_logp_before": -6.2, "chosen_logp_after": -6.2 + change}
            tables.write_json(facts, paths.aligned("tiny", name, shots) / "tuned.json")
    curve = pl.DataFrame({"system": "multismpllm", "shots": 2, "step": [1, 2], "chosen": [0.0, -0.5]})
    plots.write({"chosen_logp": curve}, paths.training_curves("align", "tiny"), "tiny", {"chosen_logp": _line})


def _line(axes, table: pl.DataFrame) -> str:
    axes.plot(table["step"].to_list(), table["chosen"].to_list())
    return "curve"


def rows_are_there(patch: pytest.MonkeyPatch) -> None:
    """The stage ``tracks`` takes the answers of feature rows that :func:`project` wrote, as it has made them."""

    def made(plan, task):
        return tables.read(paths.answers(plan.key, "features"), tables.ANSWERS)

    patch.setattr("stages.tracks.answered_by_rows", made)

"""Scores of a few-shot task: every system on the same test records of each test set and number of shots.

The result is one flat dictionary, ``<set>.<shots>.<system>.<decoding>.<metric>``, plus ``about``: what the systems are
and what was asked. The set ``all`` pools the test sets, whose authors differ. An answer that is no number in range is
never replaced in silence: it is left out and ``valid`` says how many are left, or, with ``llm.decoding.invalid:
history_mean``, the mean of the shown scores stands in for it and ``about.filled`` says so. Written answers (greedy,
samples) have ``lenient.answered``, ``valid``, ``mae`` and ``src`` besides: any one number in range is an answer there,
with two decimals or without (``decoding.lenient``). A value that is not defined
is null: SRC of constant predictions, and everything of a system with too few valid answers.

Metrics: sheet multismpllm.md section 8. Intervals: bootstrap over authors, over records where a set has too few, none
where it has too few records; ``drawn`` says which (popcast.scoring.bootstrap).
"""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
import polars as pl

from popcast.core.errors import bad_input
from popcast.fewshot.params import FeatureRow, Llm, Task
from popcast.scoring import metrics
from popcast.scoring.bootstrap import Clusters, bootstrap, clusters_of, interval, paired_difference
from popcast.scoring.params import Evaluation

ALL = "all"
SETS = ("fewshot", "extra1", "extra2", "extra3", "zeroshot")
MEAN, RIDGE = "history_mean", "history_ridge"
"""Rows that every other one is compared with, where the task has them."""
LEAST_ANSWERS, LEAST_SHARE = 10, 0.1
"""With fewer valid answers a system has no scores."""
SHOWN = ("mae", "src")
WRITTEN = ("greedy", "samples")
"""Decodings whose answers are words, which may be read strictly or leniently."""

Scores = dict[str, float | int | str | None]
Row = tuple[str, str]
"""System and decoding."""
Draws = dict[str, np.ndarray]
"""Metric -> its values over the resamples."""


def test_sets(records: pl.DataFrame) -> dict[str, pl.DataFrame]:
    """Test records by set, each sorted by ``record_id``; ``all`` last."""
    test = records.filter(pl.col("role") == "test").sort("record_id")
    if not test.height:
        raise bad_input("there is no test record", field="role", expected="records with role 'test'")
    found = {draw: test.filter(pl.col("draw") == draw) for draw in SETS if (test["draw"] == draw).any()}
    return {**found, ALL: test}


def score_task(
    records: pl.DataFrame, answers: pl.DataFrame, section: Evaluation, seed: int, tuned: str, filled: bool = False
) -> Scores:
    """Score all systems of one task.

    records: RECORDS. answers: ANSWERS of all systems. tuned: the system tuned on records alone, with which the answers
    of the same decoding are compared. filled: history means stand in for invalid answers. Raises BadInput where a
    system answers some records of a test set but not all.
    """
    found: Scores = {}
    for name, test in test_sets(records).items():
        for shots in sorted(set(test["shots"])):
            cell = Cell(test.filter(pl.col("shots") == shots), answers, filled)
            for (system, decoding), scores in cell.scores(section, seed, tuned).items():
                found |= {f"{name}.{shots}.{system}.{decoding}.{key}": value for key, value in scores.items()}
    return found


class Cell:
    """The test records of one set and number of shots, with what every system says about them.

    columns: (system, decoding) -> predictions [n], NaN where an answer is invalid. valid: the share of valid answers
    before anything stands in for an invalid one. lenient: the same of answers that are any one number, for what is
    written. ranges: lower and upper [n, 2] where a system gives them.
    """

    def __init__(self, test: pl.DataFrame, answers: pl.DataFrame, filled: bool = False) -> None:
        self.test, self.y = test, test["score"].to_numpy()
        self.columns: dict[Row, np.ndarray] = {}
        self.lenient: dict[Row, np.ndarray] = {}
        self.ranges: dict[Row, np.ndarray] = {}
        own = answers.join(test.select("record_id"), on="record_id", how="semi")
        for row, part in sorted(own.partition_by("system", "decoding", as_dict=True).items()):
            joined = test.select("record_id").join(part, on="record_id", how="left", maintain_order="left")
            if part.height != test.height or joined["system"].null_count():
                missing = joined.filter(pl.col("system").is_null())["record_id"]
                raise bad_input(f"{row[0]} ({row[1]}) does not answer every test record once", field="record_id",
                                value=missing[0] if len(missing) else None)  # fmt: skip
            self.columns[row] = _floats(joined["prediction"])
            if row[1] in WRITTEN:
                self.lenient[row] = _floats(joined["lenient"])
            if joined["lower"].null_count() < test.height:
                self.ranges[row] = np.stack([_floats(joined["lower"]), _floats(joined["upper"])], axis=1)
        self.answered, self.answered_leniently = (
            {row: int((~np.isnan(values)).sum()) for row, values in read.items()}
            for read in (self.columns, self.lenient)
        )
        if filled and (MEAN, "point") in self.columns:
            mean = self.columns[MEAN, "point"]
            self.columns, self.lenient = (
                {row: np.where(np.isnan(p), mean, p) for row, p in read.items()}
                for read in (self.columns, self.lenient)
            )
        self._drawn: dict[bytes, dict[Row, Draws]] = {}

    @cached_property
    def usable(self) -> list[Row]:
        """Rows with enough valid answers for scores."""
        return [row for row, answered in self.answered.items() if answered >= self.least]

    @property
    def least(self) -> float:
        return max(LEAST_ANSWERS, LEAST_SHARE * len(self.y))

    def mask(self, row: Row) -> np.ndarray:
        return ~np.isnan(self.columns[row])

    def scores(self, section: Evaluation, seed: int, tuned: str) -> dict[Row, Scores]:
        """Metrics of every row: counts, MAE, SRC, intervals, coverage, differences to references and to SFT."""
        found = {}
        for row in self.columns:
            n, answered = len(self.y), self.answered[row]
            of: Scores = {"n": n, "answered": answered, "valid": answered / n, "mae": None, "src": None}
            if row in self.usable:
                chosen = self.mask(row)
                values = metrics.score(self.y[chosen], self.columns[row][chosen])
                of |= {name: values[name] for name in SHOWN} | self._coverage(row)
                clusters = self._clusters(chosen) if section.bootstrap else None
                if clusters is not None:
                    alike = [r for r in self.usable if np.array_equal(self.mask(r), chosen)]
                    draws = self._draws(chosen, clusters, alike, section.bootstrap, seed)[row]
                    of["drawn"] = clusters.unit
                    for name in SHOWN:
                        of[f"{name}_low"], of[f"{name}_high"] = interval(draws[name], section.confidence) or (None,) * 2
                for rival in ((MEAN, "point"), (RIDGE, "point"), (tuned, row[1])):
                    of |= {} if rival == row else self._paired(row, rival, section, seed)
            found[row] = of | self._leniently(row)
        return found

    def _leniently(self, row: Row) -> Scores:
        """``lenient.answered``, ``valid``, ``mae`` and ``src``: any one number in range is an answer."""
        if row not in self.lenient:
            return {}
        answered, read = self.answered_leniently[row], self.lenient[row]
        of: Scores = {"answered": answered, "valid": answered / len(self.y), "mae": None, "src": None}
        if answered >= self.least:
            values = metrics.score(self.y[~np.isnan(read)], read[~np.isnan(read)])
            of |= {name: values[name] for name in SHOWN}
        return {f"lenient.{name}": value for name, value in of.items()}

    def _coverage(self, row: Row) -> Scores:
        """Share of the records whose score lies within the 10-90 % range, and its mean width."""
        if row not in self.ranges:
            return {}
        lower, upper = self.ranges[row].T
        inside = (self.y >= lower) & (self.y <= upper)
        known = ~np.isnan(lower) & ~np.isnan(upper)
        return {"coverage": float(inside[known].mean()), "width": float((upper - lower)[known].mean())}

    def _clusters(self, chosen: np.ndarray) -> Clusters | None:
        part = self.test.filter(pl.Series(chosen)).with_columns(posted_at=pl.lit(None, pl.Datetime("us", "UTC")))
        return clusters_of(part, "target")

    def _draws(
        self, chosen: np.ndarray, clusters: Clusters, rows: list[Row], resamples: int, seed: int
    ) -> dict[Row, Draws]:
        """Bootstrap draws of ``rows`` on the ``chosen`` records, the same resamples for all; computed once."""
        drawn = self._drawn.setdefault(chosen.tobytes(), {})
        missing = {row: self.columns[row][chosen] for row in rows if row not in drawn}
        if missing:
            drawn |= bootstrap(self.y[chosen], missing, clusters.codes, resamples, seed)
        return drawn

    def _paired(self, row: Row, rival: Row, section: Evaluation, seed: int) -> Scores:
        """``vs_<rival>.difference``, ``low``, ``high``, ``p`` of the MAE, on the records that both answer."""
        if rival not in self.usable or not section.bootstrap:
            return {}
        both = self.mask(row) & self.mask(rival)
        if both.sum() < LEAST_ANSWERS:
            return {}
        own, other = (float(np.abs(self.columns[r] - self.y)[both].mean()) for r in (row, rival))
        clusters, found = self._clusters(both), None
        if clusters is not None:
            draws = self._draws(both, clusters, [row, rival], section.bootstrap, seed)
            found = paired_difference(draws[row]["mae"], draws[rival]["mae"], section.confidence)
        names = ("difference", "low", "high", "p", "n")
        values = (own - other, *(found or (None,) * 3), int(both.sum()))
        return {f"vs_{rival[0]}.{name}": value for name, value in zip(names, values, strict=True)}


def _floats(column: pl.Series) -> np.ndarray:
    return column.cast(pl.Float64).fill_null(float("nan")).to_numpy()


def systems_of(
    task: Task, llm: Llm, rows: dict[str, FeatureRow], shared: dict[str, dict[str, Any]]
) -> dict[str, dict[str, Any]]:
    """What each system of a task is, references first: ``kind``, ``what`` (in words), ``records``, ``method`` ...

    shared: the section ``llm`` of params.yaml. ``full``: the system that the track is about, tuned and then aligned by
    IDPOP for all shots; ``ablation``: one of its ablations.
    """
    found: dict[str, dict[str, Any]] = {}
    for name, row in rows.items():
        plain = row.model in ("median", "history_mean", "last_score", "history_ridge")
        filling = "0 for missing features" if row.zero_fill else "missing features stay null"
        found[name] = {"kind": "reference" if plain else "features", "model": row.model, "records": row.records}
        found[name]["what"] = "reference" if plain else f"{row.model}, {filling}"
    found["base"] = {"kind": "base", "what": "untuned", "ablation": True}
    found |= {name: {"kind": "rival", "what": rival.said, "ablation": True} for name, rival in task.rivals.items()}
    for name, run in llm.sft.items():
        method = run.set.get("method", shared.get("sft", {}).get("method", "lora"))
        found[name] = {"kind": "sft", "method": method, "records": run.records, "what": f"SFT only ({method})"}
        found[name]["ablation"] = name == llm.preferences.start
    for name, run in llm.align.items():
        loss = run.set.get("loss", shared.get("align", {}).get("loss", "idpop"))
        whole = set(task.shots) <= set(run.shots)
        after = f"{loss.upper()} without SFT" if run.start == "base" else f"SFT + {loss.upper()}"
        found[name] = {"kind": "align", "loss": loss, "start": run.start, "what": after, "ablation": whole}
        found[name]["full"] = whole and loss == "idpop" and run.start == llm.preferences.start
    return found


def main_row(scores: Scores, stem: str, system: str) -> str | None:
    """The decoding that stands for a system in ``<set>.<shots>`` (``stem``): expected, else greedy, point, samples.

    One without enough valid answers comes after all that have them; None where the system answers nothing there.
    """
    there = [d for d in ("expected", "greedy", "point", "samples") if f"{stem}.{system}.{d}.n" in scores]
    return min(there, key=lambda d: scores[f"{stem}.{system}.{d}.mae"] is None, default=None)

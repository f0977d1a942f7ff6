"""What the stage ``llm_predict`` does: every system of a language model answers the test records of a few-shot task.

A system is the untuned base, or what ``sft`` or ``align`` made of it; it answers the records with as many shots as it
was tuned for (the base: all). Answers of one system and number of shots are a piece that survives a kill.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import orjson
import polars as pl

from popcast.core import paths, tables
from popcast.core.errors import BadInput
from popcast.core.plan_file import Plan
from popcast.core.scratch import Scratch
from popcast.fewshot import score_prompts, served_answers
from popcast.fewshot.params import Llm, Task
from popcast.lm import backbone, decoding
from popcast.models.contract.stopping import threads

BASE = "base"
COLUMNS = list(tables.ANSWERS.columns)
SAID = {"answer": pl.String(), **dict.fromkeys(("prediction", "lenient", "median", "lower", "upper"), pl.Float64())}
"""What a decoding says about each record."""
READINGS = (decoding.parse, decoding.lenient)
"""How a written answer becomes a score: as the records have it, and as any reader would."""


@dataclass(frozen=True)
class Checkpoint:
    """One model to ask: system, number of shots and the folder of its weights."""

    system: str
    shots: int
    folder: Path


def checkpoints(llm: Llm, source: str, shots: list[int], systems: list[str] | None = None) -> list[Checkpoint]:
    """Every system of ``llms.<source>`` with each of ``shots`` that it has, those of one folder together.

    systems: only these; None: all of them.
    """
    found = [Checkpoint(BASE, number, paths.base_model(source)) for number in shots]
    for runs, folder in ((llm.sft, paths.sft), (llm.align, paths.aligned)):
        for name, run in runs.items():
            found += [Checkpoint(name, number, folder(source, name, number)) for number in run.shots if number in shots]
    return [checkpoint for checkpoint in found if systems is None or checkpoint.system in systems]


@dataclass(frozen=True)
class Questions:
    """Test records with their prompts."""

    records: pl.DataFrame
    prompts: list[str]

    def of(self, shots: int) -> Questions:
        """Those with this number of shots."""
        rows = [row for row, number in enumerate(self.records["shots"]) if number == shots]
        return Questions(self.records[rows], [self.prompts[i] for i in rows])


def questions(task: Task, writer: score_prompts.PromptWriter) -> Questions:
    """The test records of all draws of a task, in the order of their ids."""
    records = tables.read(paths.records(task.dataset), tables.RECORDS)
    records = records.filter(pl.col("role") == "test").sort("record_id")
    missing = set(task.shots) - set(records["shots"])
    if missing:
        raise BadInput(f"{paths.records(task.dataset)}: no test record with {min(missing)} shots: run `dvc repro`")
    posts = tables.read(paths.posts(task.dataset), tables.POSTS)
    return Questions(records, score_prompts.record_prompts(records, posts, writer, task))


class Answering:
    """Asks models; what one of them answers is a table ANSWERS and a line about it.

    tokenizer, scores: of the language model's base. seed: of the sampled answers.
    """

    def __init__(self, tokenizer, scores: tuple[float, float], settings: decoding.Params, seed: int) -> None:
        self.tokenizer, self.scores, self.settings, self.seed = tokenizer, scores, settings, seed
        self.tree = settings.tree(tokenizer, *scores) if "expected" in settings.decodings else None

    def ask(self, model, system: str, asked: Questions) -> tuple[pl.DataFrame, str]:
        """Answers of ``model`` by each decoding, and what share of them are scores."""
        by = {"greedy": self._greedy, "samples": self._samples, "expected": self._expected}
        if {"greedy", "expected"} <= set(self.settings.decodings):  # every prompt is read once for both
            args = (model, self.tokenizer, asked.prompts, self.tree, self.settings)
            written, found = decoding.greedy_and_expected(*args)
            by |= {"greedy": lambda *_: self._written(written), "expected": lambda *_: self._believed(found)}
        parts, said, ids = [], [], asked.records["record_id"]
        for name in self.settings.decodings:
            columns, remark = by[name](model, asked)
            parts.append(_table(columns, ids, system, name))
            said.append(f"{name} {remark}")
        return pl.concat(parts), ", ".join(said)

    def read(self, answers: list[str], system: str, asked: Questions) -> tuple[pl.DataFrame, str]:
        """The same of answers that somebody else has written, one per question."""
        columns, remark = self._written(answers)
        return _table(columns, asked.records["record_id"], system, "greedy"), f"greedy {remark}"

    def _greedy(self, model, asked: Questions) -> tuple[dict, str]:
        return self._written(decoding.greedy(model, self.tokenizer, asked.prompts, self.settings))

    def _written(self, answers: list[str]) -> tuple[dict, str]:
        found, lenient = ([read(answer, *self.scores) for answer in answers] for read in READINGS)
        return _columns(answers, found, lenient), valid_share(found, lenient)

    def _samples(self, model, asked: Questions) -> tuple[dict, str]:
        count, keys = self.settings.samples, asked.records["record_id"].to_list()
        drawn = decoding.sample(model, self.tokenizer, asked.prompts, keys, count, self.settings, self.seed)
        parsed = [[[read(answer, *self.scores) for answer in answers] for answers in drawn] for read in READINGS]
        means = [[_mean(scores) for scores in rows] for rows in parsed]
        texts = [orjson.dumps(answers).decode() for answers in drawn]
        return _columns(texts, *means), valid_share(*([score for row in rows for score in row] for rows in parsed))

    def _expected(self, model, asked: Questions) -> tuple[dict, str]:
        return self._believed(decoding.expected(model, self.tokenizer, asked.prompts, self.tree, self.settings))

    def _believed(self, found: decoding.Distribution) -> tuple[dict, str]:
        none = [None] * len(found.mean)
        columns = {
            "answer": none,
            "prediction": found.mean if self.settings.point == "mean" else found.median,
            "lenient": none,
            "median": found.median,
            "lower": found.lower,
            "upper": found.upper,
        }
        return columns, f"mass {found.mass.mean():.4f}"


def _table(columns: dict, ids: pl.Series, system: str, name: str) -> pl.DataFrame:
    part = pl.DataFrame(columns, schema=SAID)
    return part.with_columns(record_id=ids, system=pl.lit(system), decoding=pl.lit(name)).select(COLUMNS)


def _columns(answers: list[str], scores: list[float | None], lenient: list[float | None]) -> dict:
    """An answer that is no score has no prediction; what stands in for it is the scorer's decision."""
    empty = [None] * len(answers)
    said = {"answer": answers, "prediction": scores, "lenient": lenient}
    return {**said, "median": empty, "lower": empty, "upper": empty}


def _mean(scores: list[float | None]) -> float | None:
    valid = [score for score in scores if score is not None]
    return float(np.mean(valid)) if valid else None


def valid_share(scores: list[float | None], lenient: list[float | None]) -> str:
    """How many answers are scores, and how many more are where any one number will do.

    >>> valid_share([7.5, None, None], [7.5, 7.0, None])
    '33.3 % valid (1 of 3; 2 read leniently)'
    """
    valid, more = (sum(score is not None for score in read) for read in (scores, lenient))
    also = f"; {more} read leniently" if more > valid else ""
    return f"{valid / max(len(scores), 1):.1%} valid ({valid} of {len(scores)}{also})".replace("%", " %")


def scratch_of(plan: Plan, task: Task, chosen: list[Checkpoint]) -> Scratch:
    """Pieces are reused as long as plan, records, posts and all weights are the same."""
    folders = {paths.base_model(task.source), *(checkpoint.folder for checkpoint in chosen)}
    files = [path for folder in sorted(folders) for path in sorted(folder.rglob("*")) if path.is_file()]
    inputs = [paths.posts(task.dataset), paths.records(task.dataset), *files]
    missing = [path for path in inputs[:2] if not path.exists()]
    if missing:
        raise BadInput(f"{missing[0]}: no such table: run `dvc repro` first")
    return Scratch(plan, inputs)


def predict(plan: Plan, say: Callable[[str], None]) -> pl.DataFrame:
    """Answers of all systems, a table ANSWERS. say: gets one line per system and number of shots.

    Every model is loaded once, and not at all if an earlier start of the stage finished its answers.
    """
    import torch

    torch.set_num_threads(threads())
    task, settings = plan.section("task", Task), plan.section("decoding", decoding.Params)
    chosen = [Checkpoint(one["system"], one["shots"], Path(one["folder"])) for one in plan["asked"]]
    tokenizer = backbone.load_tokenizer(paths.base_model(task.source))
    prompts, scores = plan.section("prompts", score_prompts.Params), tuple(plan["scores"])
    writer = score_prompts.PromptWriter(tokenizer, prompts, task.template)
    with scratch_of(plan, task, chosen) as scratch:
        asked = questions(task, writer)
        score_prompts.check_boundary(tokenizer, asked.prompts[0])
        own = pieces(scratch, chosen, Answering(tokenizer, scores, settings, plan["seed"]), asked)
        others = rivals(scratch, task, prompts, scores, settings, plan["seed"])
        parts = []
        for checkpoint, part, said in itertools.chain(own, others):
            say(f"{task.dataset}: {checkpoint.system}, {checkpoint.shots} shots: {said}")
            parts.append(part)
        return pl.concat(parts)


Piece = tuple[Checkpoint, pl.DataFrame, str]


def pieces(scratch: Scratch, chosen: list[Checkpoint], answering: Answering, asked: Questions) -> Iterator[Piece]:
    """Each checkpoint's answers and the line about them, from scratch where they are finished."""
    loaded, model = None, None

    def ask(checkpoint: Checkpoint) -> tuple[pl.DataFrame, str]:
        nonlocal loaded, model
        if loaded != checkpoint.folder:
            model = None  # before the next one takes its place
            model, _ = backbone.load(checkpoint.folder, device=answering.settings.device)
            loaded = checkpoint.folder
        return answering.ask(model, checkpoint.system, asked.of(checkpoint.shots))

    yield from kept(scratch, chosen, ask)


def kept(
    scratch: Scratch, chosen: list[Checkpoint], ask: Callable[[Checkpoint], tuple[pl.DataFrame, str]]
) -> Iterator[Piece]:
    """What ``ask`` says of each checkpoint, asked once however often the stage is started."""
    for checkpoint in chosen:
        path = scratch.folder / f"{checkpoint.system}-{checkpoint.shots}.parquet"
        note = path.with_suffix(".json")
        if not note.exists():
            table, said = ask(checkpoint)
            tables.write(table, path, tables.ANSWERS, tables.ANSWERS_KEY)
            tables.write_json({"said": said}, note)
        yield checkpoint, tables.read(path, tables.ANSWERS), orjson.loads(note.read_bytes())["said"]


def rivals(
    scratch: Scratch,
    task: Task,
    prompts: score_prompts.Params,
    scores: tuple[float, float],
    settings: decoding.Params,
    seed: int,
) -> Iterator[Piece]:
    """The same of the task's rivals: each in its own chat template and tokens, or on its server."""
    for name, rival in task.rivals.items():
        folder = scratch.folder / f"rival-{name}"
        chosen = [Checkpoint(name, shots, folder) for shots in task.shots]
        if rival.server is not None:
            asked = questions(task, served_answers.writer_for(prompts, task.template))
            yield from kept(scratch, chosen, _served(task, name, asked, scores, settings, seed))
            continue
        pretrained = backbone.Pretrained(model=rival.model, revision=rival.revision, dtype=rival.dtype)
        backbone.write_pointer(folder, pretrained, scores)
        tokenizer = backbone.load_tokenizer(folder)
        asked = questions(task, score_prompts.PromptWriter(tokenizer, prompts, task.template))
        score_prompts.check_boundary(tokenizer, asked.prompts[0])
        yield from pieces(scratch, chosen, Answering(tokenizer, scores, settings, seed), asked)


def _served(
    task: Task, name: str, asked: Questions, scores: tuple[float, float], settings: decoding.Params, seed: int
) -> Callable[[Checkpoint], tuple[pl.DataFrame, str]]:
    """What asks a rival's server. A server says nothing of how probable another answer was: greedy alone."""
    reading = Answering(None, scores, settings.model_copy(update={"decodings": ["greedy"]}), seed)
    where = f"tasks.{task.dataset}.rivals.{name}.server"

    def ask(checkpoint: Checkpoint) -> tuple[pl.DataFrame, str]:
        of = asked.of(checkpoint.shots)
        server = task.rivals[name].server
        return reading.read(served_answers.answers(server, where, of.prompts, settings.max_new_tokens, seed), name, of)

    return ask

"""The stage ``response_train``: a base that learns to write or a note of a pretrained one, and every tuned system.

Finished models wait in scratch folders until all are done, as in ``popcast.lm.tuned_systems``.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import polars as pl

from popcast.core import paths, tables
from popcast.core.errors import BadInput
from popcast.core.params import parse
from popcast.core.plan_file import Plan
from popcast.core.pretrained.model_notes import TUNED, base_note, tuned_note
from popcast.core.safety.whole_files import whole_folder
from popcast.core.scratch import Scratch
from popcast.lm import backbone
from popcast.lm.backbone import load_tokenizer
from popcast.lm.pac import routed_tuning
from popcast.lm.training_frame import is_main, wait_for_everyone
from popcast.lm.tuned_systems import Trained, curves_of, draw_losses, files_of, title
from popcast.response.writing import model_card, stand_in_base
from popcast.response.writing.askings import ResponseData, askings, drawn, prompts_of
from popcast.response.writing.response_prompts import Prompts, ResponsePrompts
from popcast.scoring import plots

EXAMPLES = 200
"""Prompts whose words become tokens of the stand-in."""


def run(plan: Plan, data: ResponseData, inputs: list[Path], say: Callable[[str], None]) -> None:
    """Base and systems of the set ``plan.key``, placed below ``models/responses``."""
    cases = data.cases.filter(pl.col("split") == "train", pl.col("target_text").is_not_null())
    cases = drawn(cases, plan["learned"], plan["seed"], "learned")
    if cases.is_empty():
        raise BadInput(f"responses.{plan.key}: no training case with a text: nothing to learn from")
    with ExitStack() as stack:
        own = Scratch(plan, inputs, part="base", free=("systems", "learned"))
        base = _base(plan, data, stack.enter_context(own), say)
        done = []
        for name, system in plan["systems"].items():
            if system["method"] == "base":
                continue
            scratch = stack.enter_context(
                Scratch(plan, [*inputs, *files_of(base)], part=name, free=("systems",), extra=system)
            )
            trained = Trained(name, None, scratch)
            params = parse(routed_tuning.RoutedParams, system["params"], f"response.systems.{name}")
            found = examples(plan, data, cases, base, system["variant"])
            names = [f"case {case}" for case in cases["case_id"]]
            tune = partial(
                routed_tuning.tune, base, found, params, plan["seed"], names=names, label=f"{plan.key}-{name}"
            )
            trained.finish(tune)
            done.append(trained)
            say(f"{plan.key}/{name}: {len(found)} cases")
        _place(plan, base, done, cases.height)


def _base(plan: Plan, data: ResponseData, scratch: Scratch, say: Callable[[str], None]) -> Path:
    section = plan.section("base", stand_in_base.ResponseBase)
    folder = scratch.folder / "base"
    if not folder.exists() and is_main():
        if section.pretrained is not None:
            name = section.pretrained.model
            backbone.write_pointer(folder, section.pretrained, None, files=plan.folders.get(name))
            say(f"{plan.key}: a note of {name}")
        else:
            documents, asked = documents_of(data), example_prompts(data, plan.section("prompts", Prompts))
            facts = stand_in_base.make(folder, documents, asked, section.made, plan["seed"], scratch.folder / "work")
            say(f"{plan.key}: a stand-in that learned {facts['documents']} texts, loss {facts['loss']}")
    wait_for_everyone()
    return folder


def documents_of(data: ResponseData) -> list[str]:
    """What the stand-in learns: news of the training part, what users wrote, and training responses behind their news.

    Only posts that a training case shows count: nothing that was written about later news.
    """
    train = data.cases.filter(pl.col("split") == "train", pl.col("target_text").is_not_null()).sort("case_id")
    news = dict(
        data.topics.filter(pl.col("split") == "train").sort("topic_id").select("topic_id", "news_text").iter_rows()
    )
    shown = data.history.filter(pl.col("post_id").is_in(train["history"].explode().unique().drop_nulls().implode()))
    pairs = train.select("topic_id", "target_text").iter_rows()
    return [
        *news.values(),
        *shown.sort("post_id")["text"],
        *(f"{news[topic][:100]}\n{text}" for topic, text in pairs if topic in news),
    ]


def example_prompts(data: ResponseData, settings: Prompts) -> list[str]:
    """Instructions of the first training cases: their words become tokens."""
    train = data.cases.filter(pl.col("split") == "train").sort("case_id").head(EXAMPLES)
    writer = ResponsePrompts(None, settings)
    return [writer.instruction(one) for one in askings(data, train)]


def examples(
    plan: Plan, data: ResponseData, cases: pl.DataFrame, base: Path, variant: str
) -> list[routed_tuning.RoutedExample]:
    """Prompts with regions, and answers, of training cases."""
    writer = ResponsePrompts(load_tokenizer(base), plan.section("prompts", Prompts), variant)
    found = []
    asked = prompts_of(data, cases, writer)
    for one, case, text in zip(asked, cases["case_id"], cases["target_text"], strict=True):
        answer = writer.answer(one, text, f"case {case}")
        found.append(routed_tuning.RoutedExample(one.ids, one.regions, answer))
    return found


def _place(plan: Plan, base: Path, done: list[Trained], cases: int) -> None:
    """Models below ``models/responses`` with a card, their notes with the place where the base lies for good."""
    root, place = paths.response_model(plan.key), paths.response_model(plan.key, "base")
    if is_main():
        with whole_folder(root) as fresh:
            shutil.copytree(base, fresh / "base")
            for one in done:
                folder = fresh / one.system
                shutil.copytree(one.model, folder)
                tables.write_json(tuned_note(folder) | {"base": place.as_posix()}, folder / TUNED)
            said = model_card.card(plan.key, plan["generated"], base_note(base) or {}, plan["systems"], cases)
            (fresh / model_card.CARD).write_text(said, encoding="utf-8")
        table = {"loss": curves_of(done, loss=pl.col("loss"))} if done else {}

        def own_curves(folder: Path) -> None:
            for one in done:
                shutil.copyfile(one.curve, folder / f"{one.name}.csv")

        name = title(plan.key, plan["generated"], place)
        plots.write(table, paths.response_curves(plan.key), name, {"loss": draw_losses}, own_curves)
    wait_for_everyone()

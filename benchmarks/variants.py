"""What single settings of a run are worth: each variant is fitted on the training part and scored on the valid part.

    python -m benchmarks.variants facebook_pages-lightgbm_text text.marks=false text.besides=[]
    python -m benchmarks.variants facebook_pages-lightgbm_text text.levels=false,learning_rate=0.08

In a project that has run the recipe: the run's plan and feature tables are read as they are. Each word is a variant,
NAME=VALUE of the run's own parameters (dots go into sections, commas join several), and is compared with the run as it
is: mean absolute error of all posts, of authors that the training part knows and of others, and the paired difference
with a 95 % interval over authors (1,000 resamples; the test part and later posts are never read).
"""

from __future__ import annotations

import copy
import re
import time
from typing import Any

import click
import numpy as np
import polars as pl
import yaml

from popcast.core.plan_file import Plan
from popcast.models.contract.finished import Inputs
from popcast.models.contract.fitting import Design, make_design, predictor_maker
from popcast.models.params import PlannedRun
from popcast.scoring.bootstrap import bootstrap, clusters_of, paired_difference


def changed(params: dict[str, Any], words: str) -> dict[str, Any]:
    """``params`` with NAME=VALUE, ... laid over.

    >>> changed({"loss": "mae", "text": {"marks": True}}, "text.marks=false,text.fields=[title, tags],rounds=3")
    {'loss': 'mae', 'text': {'marks': False, 'fields': ['title', 'tags']}, 'rounds': 3}
    """
    params = copy.deepcopy(params)
    for word in re.split(r",(?![^\[]*\])", words):  # commas within brackets belong to a list
        name, _, value = word.partition("=")
        *sections, last = name.split(".")
        place = params
        for section in sections:
            place = place.setdefault(section, {})
        place[last] = yaml.safe_load(value)
    return params


def predictions(run: PlannedRun, design: Design, seed: int, asked: np.ndarray) -> np.ndarray:
    """Of the posts ``asked``, by a model of the training part."""
    learn = np.flatnonzero((design.rows["split"] == "train").to_numpy())
    folds = design.rows[learn]["fold"].cast(pl.Int64).fill_null(-1).to_numpy()
    model = predictor_maker(run, seed)().fit(*design.part(learn), design.target[learn], folds)
    return model.predict(*design.part(asked))


def row(name: str, y: np.ndarray, found: np.ndarray, first: np.ndarray, known: np.ndarray, codes: np.ndarray) -> str:
    error = np.abs(y - found)
    draws = bootstrap(y, {"found": found, "first": first}, codes, 1000, 0)
    low, high, _ = paired_difference(draws["found"]["mae"], draws["first"]["mae"], 0.95)
    others = f"{error[~known].mean():.4f}" if (~known).any() else "-"
    gain = error.mean() - np.abs(y - first).mean()
    scores = f"{error.mean():.4f} | {error[known].mean():.4f} | {others}"
    return f"| {name} | {scores} | {gain:+.4f} ({low:+.4f} to {high:+.4f})"


@click.command(help=__doc__)
@click.argument("run")
@click.argument("variants", nargs=-1)
def main(run: str, variants: tuple[str, ...]) -> None:
    plan = Plan("train", run)
    [planned] = plan.sections("runs", PlannedRun).values()
    inputs = Inputs(plan["dataset"])
    design = make_design(inputs.posts, inputs.blocks(planned.blocks), planned.allow_posthoc)
    split = design.rows["split"].to_numpy()
    asked = np.flatnonzero(split == "valid")
    authors, y = design.posts["user_id"].fill_null("").to_numpy(), design.target[asked]
    known = np.isin(authors[asked], authors[split == "train"])
    codes = clusters_of(inputs.posts.filter(split="valid").sort("posted_at", "post_id", nulls_last=True)).codes
    print("| variant | MAE | known authors | others | difference | s |\n|---|---|---|---|---|---|")
    first = None
    for variant in ("", *variants):
        started = time.perf_counter()
        params = changed(planned.params, variant) if variant else planned.params
        found = predictions(planned.model_copy(update={"params": params}), design, plan["seed"], asked)
        first = found if first is None else first
        said = row(variant or "as it is", y, found, first, known, codes)
        print(f"{said} | {time.perf_counter() - started:.0f} |", flush=True)


if __name__ == "__main__":
    main()

"""Fit one rival on handed-over posts and predict: the half of ``run.py`` that runs in the rivals' own environment.

    benchmarks/peers/.venv/bin/python -m benchmarks.peers.fitting FOLDER --rival catboost

The test part is predicted by a model that learned from the training part, with the valid part to stop and choose on,
as popcast's are (where those learn again from both, so does the rival); posts without a label by one that learned from
all labelled posts, where the recipe's final fit does.
Seconds are those of the processor, all threads and children together.
"""

from __future__ import annotations

import json
import resource
import time
from pathlib import Path

import click
import numpy as np
import polars as pl

from benchmarks.peers.older_posts import columns_of
from benchmarks.peers.rivals import RIVALS, Fit

ROLES = {"test": (("train",), ("valid",)), "unlabelled": (("train",), ("valid", "test"))}
"""Part to predict -> parts that a rival learns from, and parts that it stops and chooses on."""


def processor_seconds() -> float:
    """Of this process and its ended children."""
    used = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(one.ru_utime + one.ru_stime for one in used)


def parts_of(final_fit: str, counts: dict[str, int]) -> dict[str, list[str]]:
    """Role -> parts that its model predicts; a role without posts to predict is left out.

    >>> parts_of("labelled", {"train": 9, "test": 3, "unlabelled": 2})
    {'test': ['test'], 'unlabelled': ['unlabelled']}
    >>> parts_of("train", {"train": 9, "test": 3, "unlabelled": 2})
    {'test': ['test', 'unlabelled']}
    """
    asked = [part for part in ("test", "unlabelled") if counts.get(part)]
    return {part: [part] for part in asked} if final_fit == "labelled" else {"test": asked}


def fit_of(
    posts: pl.DataFrame, role: str, asked: list[str], columns: str, test_fit: str = "train", **settings
) -> tuple[Fit, np.ndarray]:
    """What a rival is given for a role, and the rows of ``posts`` that it must predict.

    The unlabelled posts' model is fitted again on what it was stopped on: ``refit``; so is that of the test part with
    ``test_fit`` ``train+valid``. Its history knows the labels of all parts that it learns from at last; without refit
    that of the test part's model knows the training part alone.
    """
    learn, tune = ROLES[role]
    refit = role == "unlabelled" or test_fit == "train+valid"
    x = columns_of(posts, columns, (*learn, *tune) if refit else learn)
    split = posts["split"].to_numpy()
    rows = {name: np.flatnonzero(np.isin(split, parts)) for name, parts in
            (("learn", learn), ("tune", tune), ("ask", asked))}  # fmt: skip
    y = posts["popularity"].to_numpy()
    return Fit(x=x, y=y, refit=refit, **rows, **settings), rows["ask"]


@click.command()
@click.argument("folder", type=click.Path(path_type=Path, exists=True))
@click.option("--rival", type=click.Choice(sorted(RIVALS)), required=True)
@click.option("--columns", type=click.Choice(["raw", "history"]), default="raw", show_default=True)
@click.option("--minutes", default=10.0, show_default=True, help="of the processor, for each model")
@click.option("--threads", default=1, show_default=True)
@click.option("--seed", default=0, show_default=True)
@click.option("--final/--no-final", default=True, show_default=True, help="predict posts without a label too")
def main(folder: Path, rival: str, columns: str, minutes: float, threads: int, seed: int, final: bool) -> None:
    """Write FOLDER/RIVAL-COLUMNS.parquet (post_id, split, prediction) and a .json with what it took."""
    posts = pl.read_parquet(folder / "posts.parquet")
    task = json.loads((folder / "task.json").read_text())
    name, found, took = f"{rival}-{columns}", [], {}
    for role, asked in parts_of(task["final_fit"], task["posts"]).items():
        if role == "unlabelled" and not final:
            continue
        scratch = folder / "models" / f"{name}-{role}"
        settings = {"seconds": 60 * minutes, "threads": threads, "seed": seed, "folder": scratch}
        start, clock = processor_seconds(), time.perf_counter()
        fit, rows = fit_of(posts, role, asked, columns, task["test_fit"], metric=task["metric"], **settings)
        predictions = np.asarray(RIVALS[rival](fit), dtype=np.float64)
        took[role] = {
            "processor_seconds": round(processor_seconds() - start, 1),
            "clock_seconds": round(time.perf_counter() - clock, 1),
        }
        if predictions.shape != rows.shape or not np.isfinite(predictions).all():
            raise click.ClickException(f"{name}: predictions {predictions.shape} of {len(rows)} posts, or not finite")
        found.append(posts[rows].select("post_id", "split", prediction=pl.Series(predictions)))
        print(f"{name}: {', '.join(asked)} predicted, {took[role]}", flush=True)
        # after each model, so that a run that is ended early leaves what it has
        facts = {"rival": rival, "columns": columns, "minutes": minutes, "threads": threads, "seed": seed, "took": took}
        pl.concat(found).sort("post_id").write_parquet(folder / f"{name}.parquet")
        (folder / f"{name}.json").write_text(json.dumps(facts, indent=2) + "\n")


if __name__ == "__main__":
    main()

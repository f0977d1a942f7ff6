"""Rivals and popcast on the test part of one recipe, as a Markdown table.

    python -m benchmarks.peers.score tiktok-creators
    python -m benchmarks.peers.score tiktok-creators --rivals SAVED --project ../clone    # what ran elsewhere

Scores are those of the project's scorer. Differences are popcast minus rival over the same resamples of authors (of
whatever popcast.scoring.bootstrap draws), with a 95 % interval: below 0 popcast is better, for SRC above 0.
"""

from __future__ import annotations

from pathlib import Path

import click
import orjson
import polars as pl

from benchmarks.peers.handover import POSTS, ROOT, TASK
from popcast.core import paths
from popcast.core.errors import bad_input
from popcast.core.stage import one_line_errors
from popcast.scoring.bootstrap import bootstrap, clusters_of, paired_difference
from popcast.scoring.metrics import score
from popcast.scoring.params import Evaluation

OURS = "popcast"
SEED = 42

TIMES = Path(".scratch/repro-times.json")
"""Where a project's runs write what each stage took."""

STAGES = ("posts", "splits", "features", "derive", "train", "blend")
"""Stages of a data set behind its blend."""


def aligned(test: pl.DataFrame, table: pl.DataFrame, name: str) -> pl.Series:
    """Predictions of ``table`` for the posts ``test``, in their order. Raises BadInput where one is missing."""
    found = test.join(table.select("post_id", "prediction"), on="post_id", how="left", maintain_order="left")
    missing = found.filter(pl.col("prediction").is_null())
    if missing.height:
        raise bad_input(
            f"{missing.height} of {test.height} test posts have no prediction", file=name, field="prediction",
            row=missing["post_id"][0], expected="a prediction of every post of the test part",
        )  # fmt: skip
    return found["prediction"]


def scored(
    posts: pl.DataFrame, tables: dict[str, pl.DataFrame], metric: str, section: Evaluation | None = None
) -> list[dict[str, object]]:
    """A row per system: ``name``, the metrics, and its paired differences ``vs_<metric>`` to popcast.

    posts: handed-over posts. tables: system -> prediction table, popcast's as ``popcast``. Rows best first by
    ``metric``. A difference is (value, low, high, p); None for popcast itself and where there are too few posts.
    """
    section = section or Evaluation()
    test = posts.filter((pl.col("split") == "test") & pl.col("popularity").is_not_null()).sort("post_id")
    y = test["popularity"].to_numpy()
    predictions = {name: aligned(test, table, name).to_numpy() for name, table in tables.items()}
    scores = {name: score(y, p) for name, p in predictions.items()}
    clusters = clusters_of(test)
    draws = None if clusters is None else bootstrap(y, predictions, clusters.codes, section.bootstrap, SEED, "full")
    rows = []
    for name, of in scores.items():
        row = {"name": name, "drawn": None if clusters is None else clusters.unit} | of
        for one in dict.fromkeys((metric, "mae", "src")):
            row[f"vs_{one}"] = None
            if name != OURS and draws is not None and None not in (of[one], scores[OURS][one]):
                found = paired_difference(draws[OURS][one], draws[name][one], section.confidence)
                row[f"vs_{one}"] = found and (scores[OURS][one] - of[one], *found)
        rows.append(row)
    return sorted(rows, key=lambda row: (row[metric] is None, row[metric], row["name"]))


def markdown(rows: list[dict[str, object]], metric: str, took: dict[str, float | None]) -> str:
    """The table. took: system -> processor seconds of the model that predicts the test part, popcast's of all it does.

    >>> rows = [{"name": "popcast", "mae": 1.0, "src": 0.9, "vs_mae": None},
    ...         {"name": "skrub-raw", "mae": 1.25, "src": 0.5, "vs_mae": (-0.25, -0.375, -0.125, 0.002)}]
    >>> print(markdown(rows, "mae", {"skrub-raw": 12.4}))
    | system | MAE | SRC | popcast minus rival, MAE (95 %) | p | processor, s |
    |---|---:|---:|---:|---:|---:|
    | **popcast** | 1.000 | 0.900 | – | – | – |
    | skrub-raw | 1.250 | 0.500 | −0.250 (−0.375 to −0.125) | 0.002 | 12 |
    """
    shown = list(dict.fromkeys((metric, "mae", "src")))
    places = 4 if metric == "mape" else 3
    names = {"mae": "MAE", "src": "SRC", "mape": "MAPE", "nmse": "nMSE", "rmse": "RMSE"}
    heads = [names[one] for one in shown] + [f"popcast minus rival, {names[metric]} (95 %)", "p", "processor, s"]
    lines = [f"| system | {' | '.join(heads)} |", "|---" + "|---:" * len(heads) + "|"]
    for row in rows:
        name = f"**{row['name']}**" if row["name"] == OURS else str(row["name"])
        cells = [_number(row[one], places if one == metric else 3) for one in shown]
        difference = row[f"vs_{metric}"]
        if difference is None:
            cells += ["–", "–"]
        else:
            value, low, high, p = difference
            cells += [f"{_number(value, places)} ({_number(low, places)} to {_number(high, places)})", f"{p:.3f}"]
        seconds = took.get(row["name"])
        lines.append(f"| {' | '.join([name, *cells, '–' if seconds is None else f'{seconds:.0f}'])} |")
    return "\n".join(lines)


def _number(value: float | None, places: int) -> str:
    """With a minus sign of its own width; a dash where a metric is not defined."""
    return "–" if value is None else f"{value:.{places}f}".replace("-", "−")


def read_rivals(folder: Path) -> tuple[dict[str, pl.DataFrame], dict[str, float]]:
    """Prediction tables of all rivals that have run, and the processor seconds of each."""
    tables, took = {}, {}
    for facts in sorted(folder.glob("*-*.json")):
        tables[facts.stem] = pl.read_parquet(facts.with_suffix(".parquet"))
        took[facts.stem] = orjson.loads(facts.read_bytes())["took"]["test"]["processor_seconds"]
    if not tables:
        raise bad_input("no rival has run", file=folder, expected="python -m benchmarks.peers.run")
    return tables, took


def read_project(project: Path, dataset: str, posts: pl.DataFrame) -> tuple[pl.DataFrame, float | None]:
    """Blend of a project folder that has run the recipe, and the processor seconds of the stages behind it.

    Seconds are those of each stage's last run there, None where none is written down. Raises BadInput where the
    project has other test posts than ``posts``: its models may have learned from those that rivals predict.
    """
    file = project / paths.predictions(dataset, "blend")
    if not file.is_file():
        raise bad_input("no such file", file=file, expected="a project folder that has run the recipe")
    table = pl.read_parquet(file)
    theirs, ours = ({*one.filter(pl.col("split") == "test")["post_id"]} for one in (table, posts))
    if theirs != ours:
        raise bad_input(
            f"{len(theirs)} test posts, {len(theirs & ours)} of them among the rivals' {len(ours)}", file=file,
            field="split", expected="the split that was handed over: run the rivals again",
        )  # fmt: skip
    times = project / TIMES
    stages = orjson.loads(times.read_bytes()) if times.is_file() else {}
    used = [of["cpu"] for name, of in stages.items() if belongs(name, dataset)]
    return table, round(sum(used), 1) if used else None


def belongs(stage: str, dataset: str) -> bool:
    """Whether a stage stands behind the blend of a data set.

    >>> [belongs(name, "smpd") for name in ("posts@smpd", "train@smpd-ridge", "train@smpd_video-ridge", "bundle@smpd")]
    [True, True, False, False]
    """
    kind, _, of = stage.partition("@")
    return kind in STAGES and (of == dataset or of.startswith(f"{dataset}-"))


def read_ours(
    folder: Path, file: Path | None, project: Path | None, dataset: str, posts: pl.DataFrame
) -> tuple[pl.DataFrame, float | None]:
    """Popcast's predictions and processor seconds: of a file, of a project, or as run.py left them in ``folder``."""
    if project is not None:
        return read_project(project, dataset, posts)
    made = folder / f"{OURS}.parquet"
    if not (file or made).is_file():
        raise bad_input("no such file", file=file or made, expected="python -m benchmarks.peers.run --rival popcast")
    if file is not None:
        return pl.read_parquet(file), None
    facts = orjson.loads(made.with_suffix(".json").read_bytes())
    return pl.read_parquet(made), facts["took"]["all"]["processor_seconds"]


@click.command()
@click.argument("recipe")
@click.option("--rivals", "folder", type=click.Path(path_type=Path), help="what run.py left  [.scratch/peers/RECIPE]")
@click.option("--project", type=click.Path(path_type=Path), help="folder that has run the recipe: popcast's blend")
@click.option("--popcast", "file", type=click.Path(path_type=Path), help="popcast's predictions, a file of them")
@click.option("--out", type=click.Path(path_type=Path), help="write the table there too")
@one_line_errors
def main(recipe: str, folder: Path | None, project: Path | None, file: Path | None, out: Path | None) -> None:
    """Score all rivals of RECIPE that have run against popcast's predictions."""
    folder = folder or ROOT / ".scratch" / "peers" / recipe
    if project is not None and file is not None:
        raise bad_input("--project and --popcast", expected="one of them")
    for name in (POSTS, TASK):
        if not (folder / name).is_file():
            raise bad_input("no such file", file=folder / name, expected="python -m benchmarks.peers.run")
    posts, task = pl.read_parquet(folder / POSTS), orjson.loads((folder / TASK).read_bytes())
    tables, took = read_rivals(folder)
    tables[OURS], took[OURS] = read_ours(folder, file, project, task["dataset"], posts)
    rows = scored(posts, tables, task["metric"])
    lines = f"{task['dataset']}, {rows[0]['posts']} posts of the test part; {rows[0]['drawn'] or 'nothing'} drawn\n\n"
    lines += markdown(rows, task["metric"], took) + "\n"
    click.echo(lines)
    if out is not None:
        out.write_text(lines, encoding="utf-8")


if __name__ == "__main__":
    main()

"""Score all systems of a few-shot task and draw the pictures: ``python -m stages.tracks --task smpd --source smpd``."""

from pathlib import Path

import click
import orjson
import polars as pl

from popcast.core import params, paths, tables
from popcast.core.errors import bad_input
from popcast.core.stage import stage
from popcast.fewshot import track_plots, track_scores
from popcast.scoring import plots
from popcast.scoring.evaluation import is_generated, rounded

FACTS = ("loss", "method", "pairs", "chosen_logp_before", "chosen_logp_after")
"""What the report tells of an aligned model."""


@click.command()
@click.option("--task", required=True, help="key in tasks of params.yaml")
@click.option("--source", required=True, help="key in llms: whose systems answer")
@stage
def main(task: str, source: str) -> None:
    base, data, asked, llm = params.read("base", f"datasets.{task}", f"tasks.{task}", f"llms.{source}")
    rows, shared, section = params.read("feature_rows", "llm", "evaluation")
    if asked.source != source:
        raise bad_input(
            f"tasks.{task}.source is {asked.source!r}, but the stage was given {source!r}", file=paths.PARAMS
        )
    records = tables.read(paths.records(task), tables.RECORDS)
    answers = pl.concat([tables.read(paths.answers(task, who), tables.ANSWERS) for who in ("features", "llm")])
    tuned = llm.preferences.start
    filled = shared.get("decoding", {}).get("invalid", "exclude") == "history_mean"
    scores = rounded(track_scores.score_task(records, answers, section, base.seed, tuned, filled))
    systems = track_scores.systems_of(asked, llm, rows, shared, answers)
    learned = records.filter((pl.col("role") == "train") & (pl.col("shots") == max(asked.shots)))
    about = {
        "task": task,
        "track": asked.track,
        "source": source,
        "generated": is_generated(task, data.raw),
        "base": noted(paths.base_model(source) / "base.json", ("kind", "stand_in")),
        "tuned": tuned,
        "filled": filled,
        "shots": asked.shots,
        "sets": list(track_scores.test_sets(records)),
        "confidence": section.confidence,
        "resamples": section.bootstrap,
        "records": records.filter(role="test").height,
        "trained_on": dict(learned["draw"].value_counts().sort("draw").iter_rows()),
        "order": list(systems),
        "systems": systems,
        "alignment": {
            f"{name}_{shots}": noted(paths.aligned(source, name, shots) / "tuned.json", FACTS)
            for name, run in llm.align.items()
            for shots in run.shots
        },
    }
    tables.write_json({"about": about, **scores}, paths.track_metrics(task))
    pictured = track_plots.tables_of(scores, systems, asked.shots, records, answers, about["trained_on"])
    kind = [
        text
        for text, on in (("generated data", about["generated"]), ("stand-in model", about["base"].get("stand_in")))
        if on
    ]
    name = f"{task}, {asked.track}" + (f" ({', '.join(kind)})" if kind else "")
    plots.write(pictured, paths.track_plots(task), name, track_plots.DRAW)
    click.echo(f"{task}: {len(systems)} systems on {about['records']} test records")


def noted(path: Path, wanted: tuple[str, ...]) -> dict[str, object]:
    """Facts that lie beside a model, those of them that it has."""
    if not path.exists():
        raise bad_input("no such file", file=path, expected="the out of an earlier stage: run `dvc repro` first")
    content = orjson.loads(path.read_bytes())
    return {name: content[name] for name in wanted if name in content}


if __name__ == "__main__":
    main()

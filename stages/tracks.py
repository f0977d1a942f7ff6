"""Score all systems of a few-shot task and draw the pictures: ``python -m stages.tracks smpd``.

References and feature models answer the same records here, beside what the language model said.
"""

from pathlib import Path

import orjson
import polars as pl

from popcast.core import paths, tables
from popcast.core.errors import bad_input
from popcast.core.plan_file import Plan
from popcast.core.stage import stage
from popcast.fewshot import track_plots, track_scores
from popcast.fewshot.feature_rows import answer_table, read_asked
from popcast.fewshot.params import FeatureRow, Task
from popcast.scoring import plots
from popcast.scoring.evaluation import rounded
from popcast.scoring.params import Evaluation

FACTS = ("loss", "method", "pairs", "chosen_logp_before", "chosen_logp_after")
"""What the report tells of an aligned model."""


@stage
def main(plan: Plan) -> None:
    """Answers of feature rows, scores and pictures of the task KEY, in tasks of params.yaml."""
    key, task, section = plan.key, plan.section("task", Task), plan.section("evaluation", Evaluation)
    records = tables.read(paths.records(key), tables.RECORDS)
    answers = pl.concat([answered_by_rows(plan, task), tables.read(paths.answers(key, "llm"), tables.ANSWERS)])
    tuned, filled = plan["tuned"], plan["filled"]
    scores = rounded(track_scores.score_task(records, answers, section, plan["seed"], tuned, filled))
    names = set(answers["system"])
    systems = {name: of for name, of in plan["systems"].items() if name in names}
    about = told(plan, task, section, records) | {"order": list(systems), "systems": systems}
    tables.write_json({"about": about, **scores}, paths.track_metrics(key))
    pictured = track_plots.tables_of(scores, systems, task.shots, records, answers, about["trained_on"])
    kinds = {"generated data": about["generated"], "stand-in model": about["base"].get("stand_in")}
    kind = ", ".join([*(text for text, on in kinds.items() if on), *filter(None, [about["base"].get("weights")])])
    plots.write(pictured, paths.track_plots(key), f"{key}, {task.track}" + (f" ({kind})" if kind else ""),
                track_plots.DRAW)  # fmt: skip
    print(f"{key}: {len(systems)} systems on {about['records']} test records")


def answered_by_rows(plan: Plan, task: Task) -> pl.DataFrame:
    """Answers of references and feature models, which the stage also writes."""
    rows, blocks = plan.sections("rows", FeatureRow), plan["blocks"]
    train, test = read_asked(task.source, "train", blocks[task.source]), read_asked(plan.key, "test", blocks[plan.key])
    answers, left_out = answer_table(rows, train, test, plan["seed"], plan.key == task.source)
    tables.write(answers, paths.answers(plan.key, "features"), tables.ANSWERS, tables.ANSWERS_KEY)
    said = f"; without training records: {', '.join(left_out)}" if left_out else ""
    print(f"{plan.key}: {len(rows) - len(left_out)} rows, {test.records.height} test records{said}")
    return tables.read(paths.answers(plan.key, "features"), tables.ANSWERS)


def told(plan: Plan, task: Task, section: Evaluation, records: pl.DataFrame) -> dict[str, object]:
    """What the report says of the task, its models and its test records."""
    learned = records.filter((pl.col("role") == "train") & (pl.col("shots") == max(task.shots)))
    return {
        "task": plan.key,
        "track": task.track,
        "source": task.source,
        "generated": plan["generated"],
        "base": noted(paths.base_model(task.source) / "base.json", ("kind", "stand_in", "weights")),
        "tuned": plan["tuned"],
        "filled": plan["filled"],
        "shots": task.shots,
        "sets": list(track_scores.test_sets(records)),
        "confidence": section.confidence,
        "resamples": section.bootstrap,
        "records": records.filter(role="test").height,
        "trained_on": dict(learned["draw"].value_counts().sort("draw").iter_rows()),
        "alignment": {
            f"{name}_{shots}": noted(paths.aligned(task.source, name, shots) / "tuned.json", FACTS)
            for name, all_shots in plan["aligned"].items()
            for shots in all_shots
        },
    }


def noted(path: Path, wanted: tuple[str, ...]) -> dict[str, object]:
    """Facts that lie beside a model, those of them that it has."""
    if not path.exists():
        raise bad_input("no such file", file=path, expected="the out of an earlier stage: run `dvc repro` first")
    content = orjson.loads(path.read_bytes())
    return {name: content[name] for name in wanted if name in content}


if __name__ == "__main__":
    main()

"""References and feature models on the records of a few-shot task.

python -m stages.feature_rows --task tpic2017 --source smpd
"""

import click
import polars as pl

from popcast.core import params, paths, tables
from popcast.core.errors import bad_input
from popcast.core.stage import stage
from popcast.fewshot.feature_rows import Asked, answer_table, asked


def asked_of(task: str, role: str, blocks: list[str]) -> Asked:
    """Records of a role with the features of the posts asked about. blocks: those that the pipeline makes for it."""
    posts = tables.read(paths.posts(task), tables.POSTS)
    records = tables.read(paths.records(task), tables.RECORDS).filter(pl.col("role") == role)
    targets = records["target"].implode()
    found = {}
    for block in blocks:
        table = tables.read(paths.features(task, block), tables.FEATURES)
        found[block] = table.filter(pl.col("post_id").is_in(targets))
    return asked(records, posts, found)


@click.command()
@click.option("--task", required=True, help="key in tasks of params.yaml: whose records are answered")
@click.option("--source", required=True, help="key in tasks: whose training records are learned from")
@stage
def main(task: str, source: str) -> None:
    base, answered, learned, rows = params.read("base", f"tasks.{task}", f"tasks.{source}", "feature_rows")
    if answered.source != source or learned.track != "coldstart":
        raise bad_input(
            f"tasks.{task}.source is {answered.source!r}, but the stage was given {source!r}", file=paths.PARAMS
        )
    made = [run for group in params.read("blocks", "media", "derived") for run in group.values()]
    wanted = sorted({block for row in rows.values() for block in row.blocks})
    of = {name: [b for b in wanted if any(r.dataset == name and r.block == b for r in made)] for name in (task, source)}
    for name, row in rows.items():
        for block in row.blocks:
            if block not in of[source]:
                raise bad_input(f"no stage makes block {block!r} of {source}", file=paths.PARAMS,
                                field=f"feature_rows.{name}.blocks")  # fmt: skip
    train, test = asked_of(source, "train", of[source]), asked_of(task, "test", of[task])
    answers, left_out = answer_table(rows, train, test, base.seed, task == source)
    tables.write(answers, paths.answers(task, "features"), tables.ANSWERS, tables.ANSWERS_KEY)
    said = f"; without training records: {', '.join(left_out)}" if left_out else ""
    click.echo(f"{task}: {len(rows) - len(left_out)} rows, {test.records.height} test records{said}")


if __name__ == "__main__":
    main()

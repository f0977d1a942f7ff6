"""Stage ``instructions``: draw the authors of a few-shot task and list its records.

python -m stages.instructions --task smpd
"""

import click

from popcast.core import params, paths, tables
from popcast.core.stage import stage
from popcast.fewshot.draws import draw_users, make_records, usable_posts


@click.command()
@click.option("--task", required=True, help="key in tasks of params.yaml")
@stage
def main(task: str) -> None:
    base, section = params.read("base", f"tasks.{task}")
    posts = tables.read(paths.posts(section.dataset), tables.POSTS)
    splits = tables.read(paths.splits(section.dataset), tables.SPLIT_TABLE)
    tables.labelled(posts, splits)  # both hold the same posts
    posts = usable_posts(posts, splits)
    draws = draw_users(posts, section, base.seed, section.dataset)
    records = make_records(posts, draws, section, base.seed)
    tables.write(draws, paths.draws(task), tables.DRAWS, key="user_id")
    tables.write(records, paths.records(task), tables.RECORDS, key="record_id")
    counts = records.group_by("draw", "role", "shots").len().sort("draw", "role", "shots")
    said = ", ".join(f"{draw} {role} {shots}-shot {count}" for draw, role, shots, count in counts.iter_rows())
    click.echo(f"instructions {task}: {draws.height} authors; {said}")


if __name__ == "__main__":
    main()

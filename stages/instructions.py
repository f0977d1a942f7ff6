"""Stage ``instructions``: draw the authors of a few-shot task and list its records.

python -m stages.instructions smpd
"""

from popcast.core import paths, tables
from popcast.core.plan_file import Plan
from popcast.core.safety.whole_files import whole_folder
from popcast.core.stage import stage
from popcast.fewshot.draws import draw_users, make_records, usable_posts
from popcast.fewshot.params import Task


@stage
def main(plan: Plan) -> None:
    """Draws and records of the task KEY, in tasks of params.yaml."""
    key, task = plan.key, plan.section("task", Task)
    posts = tables.read(paths.posts(task.dataset), tables.POSTS)
    splits = tables.read(paths.splits(task.dataset), tables.SPLIT_TABLE)
    tables.labelled(posts, splits)  # both hold the same posts
    posts = usable_posts(posts, splits)
    draws = draw_users(posts, task, plan["seed"], task.dataset)
    records = make_records(posts, draws, task, plan["seed"])
    with whole_folder(paths.instructions(key)) as folder:
        tables.write(draws, folder / paths.draws(key).name, tables.DRAWS, key="user_id")
        tables.write(records, folder / paths.records(key).name, tables.RECORDS, key="record_id")
    counts = records.group_by("draw", "role", "shots").len().sort("draw", "role", "shots")
    said = ", ".join(f"{draw} {role} {shots}-shot {count}" for draw, role, shots, count in counts.iter_rows())
    print(f"instructions {key}: {draws.height} authors; {said}")


if __name__ == "__main__":
    main()

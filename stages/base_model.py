"""Stage ``base_model``: the base of a language model, made from training posts or a note that names a pretrained one.

python -m stages.base_model smpd

A made base learns from training posts of authors that no draw of the task names. It is a stand-in.
"""

from pathlib import Path

from popcast.core import paths, tables
from popcast.core.plan_file import Plan
from popcast.core.safety.whole_files import copy_whole
from popcast.core.scratch import Scratch
from popcast.core.stage import stage
from popcast.fewshot import corpus, made_base, score_prompts
from popcast.fewshot.params import Task
from popcast.fewshot.templates import post_texts
from popcast.lm import backbone


@stage
def main(plan: Plan) -> None:
    """The base model of KEY, in llms and tasks of params.yaml."""
    llm, base, task = plan.key, plan.section("base", backbone.Params), plan.section("task", Task)
    files = [paths.posts(task.dataset), paths.splits(task.dataset), paths.draws(llm)]
    with Scratch(plan, files) as scratch:
        if base.pretrained is not None:
            backbone.write_pointer(
                scratch.folder / "base",
                base.pretrained,
                tuple(plan["scores"]),
                files=plan.folders.get(base.pretrained.model),
            )
            said = f"a note of {base.pretrained.model}"
        else:
            facts = make(plan, task, base.made, scratch.folder)
            said = f"a stand-in made from {facts['posts']} posts of {facts['authors']} authors"
        copy_whole(scratch.folder / "base", paths.base_model(llm))
    print(f"{llm}: {said}")


def make(plan: Plan, task: Task, made: backbone.Made, folder: Path) -> dict[str, object]:
    """Make the base model of a task below ``folder``; returns what ``base.json`` says."""
    posts = tables.labelled(
        tables.read(paths.posts(task.dataset), tables.POSTS),
        tables.read(paths.splits(task.dataset), tables.SPLIT_TABLE),
    )
    scores = tuple(plan["scores"])
    drawn = tables.read(paths.draws(task.dataset), tables.DRAWS)["user_id"].to_list()
    learned = corpus.learned_posts(posts, drawn, made.before_fold)
    texts = post_texts(learned, task.template, task.fields, task.caption)
    before = corpus.first_unlearned(posts, made.before_fold)
    return made_base.make(
        folder / "base",
        corpus.by_author(learned, texts, scores),
        made,
        plan.section("prompts", score_prompts.Params),
        task.template,
        scores,
        plan["seed"],
        learned_before=None if before is None else before.isoformat(),
        work=folder / "work",
    )


if __name__ == "__main__":
    main()

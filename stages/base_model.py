"""Stage ``base_model``: the base of a language model, made from training posts or a note that names a pretrained one.

python -m stages.base_model --llm smpd

A made base learns from training posts of authors that no draw of the task names. It is a stand-in.
"""

import shutil

import click

from popcast.core import params, paths, tables
from popcast.core.scratch import Scratch
from popcast.core.stage import stage
from popcast.fewshot import corpus, made_base, score_prompts
from popcast.fewshot.params import Task
from popcast.fewshot.templates import post_texts
from popcast.lm import backbone


@click.command()
@click.option("--llm", required=True, help="key in llms and tasks")
@stage
def main(llm: str) -> None:
    base, section, scores = params.read("base", f"llms.{llm}.base", f"llms.{llm}.scores")
    task, words = params.read(f"tasks.{llm}", "llm.prompts")
    settings = params.parse(backbone.Params, section, f"llms.{llm}.base")
    words = params.parse(score_prompts.Params, words, "llm.prompts")
    files = [paths.posts(task.dataset), paths.splits(task.dataset), paths.draws(llm)]
    dumped = [base.seed, settings.model_dump(), scores, task.model_dump(), words.model_dump()]
    with Scratch("base_model", llm, dumped, files) as scratch:
        if settings.pretrained is not None:
            backbone.write_pointer(scratch.folder / "base", settings.pretrained, scores)
            said = f"a note of {settings.pretrained.model}"
        else:
            facts = make(task, settings.made, words, scores, base.seed, scratch)
            said = f"a stand-in made from {facts['posts']} posts of {facts['authors']} authors"
        shutil.rmtree(paths.base_model(llm), ignore_errors=True)
        shutil.copytree(scratch.folder / "base", paths.base_model(llm))
    print(f"{llm}: {said}")


def make(
    task: Task,
    made: backbone.Made,
    words: score_prompts.Params,
    scores: tuple[float, float],
    seed: int,
    scratch: Scratch,
) -> dict[str, object]:
    """Make the base model of a task in the scratch folder; returns what ``base.json`` says."""
    posts = tables.labelled(
        tables.read(paths.posts(task.dataset), tables.POSTS),
        tables.read(paths.splits(task.dataset), tables.SPLIT_TABLE),
    )
    drawn = tables.read(paths.draws(task.dataset), tables.DRAWS)["user_id"].to_list()
    learned = corpus.learned_posts(posts, drawn, made.before_fold)
    texts = post_texts(learned, task.template, task.fields, task.caption)
    authors = corpus.by_author(learned, texts, scores)
    before = corpus.first_unlearned(posts, made.before_fold)
    return made_base.make(
        scratch.folder / "base",
        authors,
        made,
        words,
        task.template,
        scores,
        seed,
        learned_before=None if before is None else before.isoformat(),
        work=scratch.folder / "work",
    )


if __name__ == "__main__":
    main()

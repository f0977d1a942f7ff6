"""Stage ``llm_predict``: every system of a language model answers the test records of a few-shot task.

python -m stages.llm_predict --task smpd --source smpd
"""

import click

from popcast.core import params, paths, tables
from popcast.core.errors import BadInput
from popcast.core.stage import stage
from popcast.fewshot import answering


@click.command()
@click.option("--task", required=True)
@click.option("--source", required=True, help="key in llms: whose language model answers")
@stage
def main(task: str, source: str) -> None:
    base, section, llm = params.read("base", f"tasks.{task}", f"llms.{source}")
    writing, settings = params.read("llm.prompts", "llm.decoding")
    if section.source != source:
        raise BadInput(f"params.yaml: tasks.{task}.source: is {section.source!r}, but the stage was given {source!r}")
    answers = answering.predict(section, llm, answering.sections_of(writing, settings), base.seed, print)
    tables.write(answers, paths.answers(task, "llm"), tables.ANSWERS, tables.ANSWERS_KEY)
    print(f"{task}: {answers.height} answers of {answers['system'].n_unique()} systems")


if __name__ == "__main__":
    main()

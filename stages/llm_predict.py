"""Stage ``llm_predict``: every system of a language model answers the test records of a few-shot task.

python -m stages.llm_predict smpd
"""

from popcast.core import paths, tables
from popcast.core.plan_file import Plan
from popcast.core.stage import stage
from popcast.fewshot import answering


@stage
def main(plan: Plan) -> None:
    """Answers to the questions of the task KEY, in tasks of params.yaml."""
    answers = answering.predict(plan, print)
    tables.write(answers, paths.answers(plan.key, "llm"), tables.ANSWERS, tables.ANSWERS_KEY)
    print(f"{plan.key}: {answers.height} answers of {answers['system'].n_unique()} systems")


if __name__ == "__main__":
    main()

"""Score written responses: texts and sentiments of single users, the mix of the public, beside reference rows.

python -m stages.response_score weibo
"""

from popcast.core import paths
from popcast.core.plan_file import Plan
from popcast.core.stage import stage
from popcast.response.judging import scoring_run


@stage
def main(plan: Plan) -> None:
    """Figures, pictures and the cases of the page for the responses KEY, in responses of params.yaml."""
    print(scoring_run.run(plan, paths.response_metrics(plan.key), paths.response_plots(plan.key)))


if __name__ == "__main__":
    main()

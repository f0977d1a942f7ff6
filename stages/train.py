"""Stage ``train``: fit one predictor on one dataset and predict every post of it.

python -m stages.train smpd-hyfea
"""

from popcast.core.plan_file import Plan
from popcast.core.stage import stage
from popcast.models.contract.finished import Inputs, fit_alone
from popcast.models.params import PlannedRun


@stage
def main(plan: Plan) -> None:
    """Fit the run KEY, <dataset>-<name> in runs of params.yaml."""
    [run] = plan.sections("runs", PlannedRun).values()
    print(fit_alone(plan, run, Inputs(plan["dataset"])))


if __name__ == "__main__":
    main()

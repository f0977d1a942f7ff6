"""Stage ``train_llm``: like ``train``, for a predictor that tunes the base of a language model.

python -m stages.train_llm smpd-multismpllm
"""

from popcast.core import paths
from popcast.core.plan_file import Plan
from popcast.core.stage import stage
from popcast.fewshot.multismpllm.predictor import check_unseen
from popcast.models.contract.finished import Inputs, fit_alone
from popcast.models.params import PlannedRun


@stage
def main(plan: Plan) -> None:
    """Fit the run KEY, <dataset>-<name> in llm_runs of params.yaml."""
    [run] = plan.sections("runs", PlannedRun).values()
    inputs = Inputs(plan["dataset"])
    if run.base == run.dataset:
        check_unseen(paths.base_model(run.base), inputs.posts, run.cross_fit_from, f"llm_runs.{plan.key}")
    print(fit_alone(plan, run, inputs))


if __name__ == "__main__":
    main()

"""Stage ``suite``: several runs of one dataset, one after the other; each is a row of its own in every table.

A suite that was killed goes on with its first unfinished run: python -m stages.suite smpd-simple
"""

from contextlib import ExitStack

from popcast.core import paths
from popcast.core.plan_file import Plan
from popcast.core.safety.whole_files import whole_folder
from popcast.core.stage import stage
from popcast.models.contract.finished import Inputs, finish, place, scratch_of
from popcast.models.params import PlannedRun


@stage
def main(plan: Plan) -> None:
    """Fit all runs of the suite KEY, <dataset>-<suite> in suites of params.yaml."""
    dataset, runs = plan["dataset"], list(plan.sections("runs", PlannedRun).values())
    inputs = Inputs(dataset)
    with ExitStack() as stack:
        done = []
        for run in runs:
            scratch = stack.enter_context(scratch_of(plan, run, inputs))
            print(finish(run, plan, inputs, scratch), flush=True)
            done.append((run, scratch))
        members, models = paths.members(dataset, runs[0].suite), paths.models(dataset, runs[0].suite)
        with whole_folder(members) as predicted, whole_folder(models) as saved:
            for run, scratch in done:
                place(scratch, saved / run.name, predicted / f"{run.name}.parquet")


if __name__ == "__main__":
    main()

"""Stage ``suite``: several runs of one dataset, one after the other; each is a row of its own in every table.

A suite that was killed goes on with its first unfinished run: python -m stages.suite --dataset smpd --suite simple
"""

import shutil
from contextlib import ExitStack

import click

from popcast.core import params, paths
from popcast.core.stage import stage
from popcast.models.contract.finished import Inputs, Setting, finish, place, scratch_of


@click.command()
@click.option("--dataset", required=True)
@click.option("--suite", required=True, help="name of the suite in params.yaml")
@stage
def main(dataset: str, suite: str) -> None:
    base, section, sections = params.read("base", f"suites.{dataset}-{suite}", "models")
    metric, final_fit = params.read(f"datasets.{dataset}.metric", f"splits.{dataset}.final_fit")
    setting = Setting(base.seed, metric, final_fit, params.read("features.allow_posthoc"))
    inputs = Inputs(dataset)
    with ExitStack() as stack:
        done = []
        for run in section.members():
            values = sections[run.model]
            scratch = stack.enter_context(scratch_of("suite", run, values, setting, inputs))
            print(finish(run, values, setting, inputs, scratch), flush=True)
            done.append((run, scratch))
        for folder in (paths.members(dataset, suite), paths.models(dataset, suite)):
            shutil.rmtree(folder, ignore_errors=True)
        for run, scratch in done:
            place(run, scratch)


if __name__ == "__main__":
    main()

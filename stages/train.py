"""Stage ``train``: fit one predictor on one dataset and predict every post of it.

python -m stages.train --dataset smpd --name hyfea --model hyfea
"""

import click

from popcast.core import params
from popcast.core.errors import BadInput
from popcast.core.stage import stage
from popcast.models.contract.finished import Inputs, Setting, finish, place, scratch_of


@click.command()
@click.option("--dataset", required=True)
@click.option("--name", required=True, help="run in params.yaml: the row of every table and report")
@click.option("--model", required=True, help="file in src/popcast/models that the run names")
@stage
def main(dataset: str, name: str, model: str) -> None:
    base, run = params.read("base", f"runs.{dataset}-{name}")
    metric, final_fit = params.read(f"datasets.{dataset}.metric", f"splits.{dataset}.final_fit")
    section, allow_posthoc = params.read(f"models.{model}", "features.allow_posthoc")
    if run.model != model:
        raise BadInput(f"params.yaml: runs.{dataset}-{name}.model: is {run.model!r}, but the stage was given {model!r}")
    setting = Setting(base.seed, metric, final_fit, allow_posthoc)
    inputs = Inputs(dataset)
    with scratch_of("train", run, section, setting, inputs) as scratch:
        said = finish(run, section, setting, inputs, scratch)
        place(run, scratch)
    print(said)


if __name__ == "__main__":
    main()

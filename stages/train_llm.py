"""Stage ``train_llm``: like ``train``, for a predictor that tunes the base of a language model.

python -m stages.train_llm --dataset smpd --name multismpllm --model multismpllm --base smpd
"""

import click

from popcast.core import params, paths
from popcast.core.errors import BadInput
from popcast.core.stage import stage
from popcast.fewshot.multismpllm.predictor import check_unseen
from popcast.models.contract.finished import Inputs, Setting, finish, place, scratch_of


@click.command()
@click.option("--dataset", required=True)
@click.option("--name", required=True, help="run in llm_runs of params.yaml: the row of every table and report")
@click.option("--model", required=True, help="file in src/popcast/models that the run names")
@click.option("--base", "llm", required=True, help="key in llms whose base model the run tunes")
@stage
def main(dataset: str, name: str, model: str, llm: str) -> None:
    base, run = params.read("base", f"llm_runs.{dataset}-{name}")
    metric, final_fit = params.read(f"datasets.{dataset}.metric", f"splits.{dataset}.final_fit")
    section, allow_posthoc = params.read(f"models.{model}", "features.allow_posthoc")
    for key, given in (("model", model), ("base", llm)):
        if getattr(run, key) != given:
            raise BadInput(
                f"params.yaml: llm_runs.{dataset}-{name}.{key}: is {getattr(run, key)!r}, "
                f"but the stage was given {given!r}"
            )
    setting = Setting(base.seed, metric, final_fit, allow_posthoc)
    inputs = Inputs(dataset)
    if dataset == llm:
        check_unseen(paths.base_model(llm), inputs.posts, run.cross_fit_from, f"llm_runs.{dataset}-{name}")
    with scratch_of("train_llm", run, section, setting, inputs) as scratch:
        said = finish(run, section, setting, inputs, scratch)
        place(run, scratch)
    print(said)


if __name__ == "__main__":
    main()

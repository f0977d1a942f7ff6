"""Stage ``train``: fit one predictor on one dataset and predict every post of it.

python -m stages.train --dataset smpd --name hyfea --model hyfea
"""

import click

from popcast import params, paths, tables
from popcast.errors import BadInput
from popcast.models.run import make_design, move_models, predict_all, predictor_maker
from popcast.scratch import Scratch
from popcast.stage import stage


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
    if run.allow_posthoc is not None:
        allow_posthoc = run.allow_posthoc
    make = predictor_maker(run, section, metric, base.seed)

    inputs = [paths.posts(dataset), paths.splits(dataset), *(paths.features(dataset, block) for block in run.blocks)]
    posts = tables.labelled(tables.read(inputs[0], tables.POSTS), tables.read(inputs[1], tables.SPLIT_TABLE))
    blocks = {block: tables.read(file, tables.FEATURES) for block, file in zip(run.blocks, inputs[2:], strict=True)}
    design = make_design(posts, blocks, allow_posthoc)

    settings = [base.model_dump(), run.model_dump(), section, metric, final_fit, allow_posthoc]
    with Scratch("train", f"{dataset}-{name}", settings, inputs) as scratch:
        predictions, models = predict_all(make, design, final_fit, scratch, run.cross_fit_from, run.test_fit)
        folder = paths.model(dataset, name)
        importances = models["evaluation"].importances()
        tables.write(predictions, paths.predictions(dataset, name), tables.PREDICTIONS)
        move_models(scratch, models, folder)
        tables.write_json(importances, folder / "importances.json")
    print(f"{dataset}/{name}: {predictions.height} predictions, {len(models)} models, {design.features.width} columns")


if __name__ == "__main__":
    main()

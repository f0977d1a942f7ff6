"""Weigh the single models of a dataset into one prediction: ``python -m stages.blend --dataset smpd``."""

import click
import polars as pl

from popcast.blend import blending
from popcast.core import params, paths, tables
from popcast.core.stage import stage
from popcast.models.params import runs_of


@click.command()
@click.option("--dataset", required=True, help="key in datasets of params.yaml")
@stage
def main(dataset: str) -> None:
    metric, final_fit, section = params.read(f"datasets.{dataset}.metric", f"splits.{dataset}.final_fit", "blend")
    allow_posthoc, runs, llm_runs, suites = params.read("features.allow_posthoc", "runs", "llm_runs", "suites")
    runs = runs_of(runs | llm_runs, suites, dataset)
    members = blending.entering(runs, section, allow_posthoc, dataset)
    posts = tables.labelled(
        tables.read(paths.posts(dataset), tables.POSTS), tables.read(paths.splits(dataset), tables.SPLIT_TABLE)
    )
    files = {run.name: paths.predictions(dataset, run.name, run.suite) for run in runs}
    predictions = {name: tables.read(files[name], tables.PREDICTIONS) for name in members}
    blended, fitted = blending.blend(posts, predictions, section, metric, allow_posthoc, final_fit)
    tables.write(blended, paths.predictions(dataset, "blend"), tables.PREDICTIONS)
    fitted.save(paths.model(dataset, "blend"))
    shown = sorted(zip(fitted.weights["all"], fitted.members, strict=True), key=lambda pair: (-pair[0], pair[1]))
    weights = ", ".join(f"{name} {weight:.3f}" for weight, name in shown if weight > 0)
    unlabelled = blended.filter(pl.col("split") == "unlabelled").height
    click.echo(f"{dataset}: {fitted.method} of {weights}; {blended.height} posts, {unlabelled} of them unlabelled")


if __name__ == "__main__":
    main()

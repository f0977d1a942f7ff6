"""Score every model of a dataset and draw the pictures: ``python -m stages.evaluate --dataset smpd``."""

import shutil

import click

from popcast import blending, evaluation, params, paths, plot_data, plots, tables
from popcast.stage import stage


@click.command()
@click.option("--dataset", required=True, help="key in datasets of params.yaml")
@stage
def main(dataset: str) -> None:
    base, data, section, allow_posthoc, runs = params.read(
        "base", f"datasets.{dataset}", "evaluation", "features.allow_posthoc", "runs"
    )
    runs = {run.name: run for run in runs.values() if run.dataset == dataset}
    posts = tables.labelled(
        tables.read(paths.posts(dataset), tables.POSTS), tables.read(paths.splits(dataset), tables.SPLIT_TABLE)
    )
    posts = evaluation.scored_posts(posts, data.zone)
    predictions = {name: tables.read(paths.predictions(dataset, name), tables.PREDICTIONS) for name in (*runs, "blend")}
    posthoc = {name: blending.uses_posthoc(run, allow_posthoc) for name, run in runs.items()}
    singles = [name for name in runs if allow_posthoc or not posthoc[name]] or list(runs)
    blend = blending.Blend.load(paths.model(dataset, "blend"))
    posthoc["blend"] = any(posthoc[name] for name in blend.members)
    scores = evaluation.evaluate(posts, predictions, data.metric, section, base.seed, singles)
    generated = evaluation.is_generated(dataset, data.raw)
    shutil.rmtree(paths.metrics(dataset), ignore_errors=True)  # no rows of models that params no longer name
    for name, of in scores.items():
        learned = [runs[member].test_fit for member in (blend.members if name == "blend" else [name])]
        flags = {"flags.posthoc": posthoc[name], "flags.generated": generated}
        flags["flags.learned_valid"] = "train+valid" in learned
        tables.write_json(evaluation.rounded(of | flags), paths.metrics(dataset, name))
    best = evaluation.best_single(scores, data.metric, singles)
    shown = ["blend", best, *(name for name in section.baselines if name in runs and name != best)]
    importances = plot_data.read_importances({name: paths.model(dataset, name) for name in runs})
    pictured = plot_data.tables_of(posts, predictions, shown, blend, importances, base.seed)
    plots.write(pictured, paths.plots(dataset), f"{dataset} (generated data)" if generated else dataset)
    main_metric = f"test.{data.metric}"
    shown = f"blend {scores['blend'][main_metric]:.4f}, best single {best} {scores[best][main_metric]:.4f}"
    click.echo(f"{dataset}: {main_metric} of {shown}")


if __name__ == "__main__":
    main()

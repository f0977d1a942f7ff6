"""Score every model of a dataset and draw the pictures: ``python -m stages.evaluate --dataset smpd``."""

import shutil

import click

from popcast.blend import blending
from popcast.core import params, paths, tables
from popcast.core.stage import stage
from popcast.models.params import runs_of
from popcast.scoring import evaluation, plot_data, plots
from popcast.scoring.contributions import contributions
from popcast.simulation.params import MEAN_FIELD, SIMULATION, settings


@click.command()
@click.option("--dataset", required=True, help="key in datasets of params.yaml")
@stage
def main(dataset: str) -> None:
    base, data, section, blend_section = params.read("base", f"datasets.{dataset}", "evaluation", "blend")
    final_fit = params.read(f"splits.{dataset}.final_fit")
    allow_posthoc, runs, llm_runs, suites = params.read("features.allow_posthoc", "runs", "llm_runs", "suites")
    simulation, simulations = params.read("simulation", "simulations")
    audience = dataset in simulations and settings(simulations[dataset].simulate, simulation).policy.kind
    runs = {run.name: run for run in runs_of(runs | llm_runs, suites, dataset)}
    simulated = [name for name, run in runs.items() if {SIMULATION, MEAN_FIELD} & set(run.blocks)]
    folders = {name: paths.model(dataset, name, run.suite) for name, run in runs.items()}
    everything = tables.labelled(
        tables.read(paths.posts(dataset), tables.POSTS), tables.read(paths.splits(dataset), tables.SPLIT_TABLE)
    )
    posts = evaluation.scored_posts(everything, data.zone)
    files = {name: paths.predictions(dataset, name, run.suite) for name, run in runs.items()}
    files["blend"] = paths.predictions(dataset, "blend")
    predictions = {name: tables.read(file, tables.PREDICTIONS) for name, file in files.items()}
    posthoc = {name: blending.uses_posthoc(run, allow_posthoc) for name, run in runs.items()}
    fair = [name for name, run in runs.items() if run.test_fit != "stop_on_valid"]
    singles = [name for name in fair if allow_posthoc or not posthoc[name]] or list(runs)
    blend = blending.Blend.load(paths.model(dataset, "blend"))
    scores = evaluation.evaluate(posts, predictions, data.metric, section, base.seed, singles)
    generated = evaluation.is_generated(dataset, data.raw)
    shutil.rmtree(paths.metrics(dataset), ignore_errors=True)  # no rows of models that params no longer name
    for name, of in scores.items():
        behind = blend.members if name == "blend" else [name]
        flags = {
            "flags.generated": generated,
            "flags.posthoc": any(posthoc[member] for member in behind),
            "flags.learned_valid": any(runs[member].test_fit == "train+valid" for member in behind),
            "flags.stopped_on_valid": any(runs[member].test_fit == "stop_on_valid" for member in behind),
            "flags.pseudo_labels": any(runs[member].pseudo_labels != "none" for member in behind),
            "flags.simulated": any(member in simulated for member in behind),
            "flags.rule_audience": audience == "persona" and any(member in simulated for member in behind),
            "flags.stand_in": any(evaluation.stands_in(folders[member]) for member in behind),
        }
        tables.write_json(evaluation.rounded(of | flags), paths.metrics(dataset, name))
    best = evaluation.best_single(scores, data.metric, singles)
    shown = ["blend", best, *(name for name in section.baselines if name in runs and name != best)]
    importances = plot_data.read_importances(folders)
    histories = plot_data.read_histories(folders)
    pictured = plot_data.tables_of(posts, predictions, shown, blend, importances, base.seed, histories)
    groups = {suite.suite: list(suite.runs) for suite in suites.values() if suite.dataset == dataset}
    members = {name: predictions[name] for name in blend.members}
    gains = contributions(everything, members, groups, blend_section, section, data.metric, base.seed, final_fit)
    if gains:
        pictured["contributions"] = plot_data.contribution_table(gains)
    plots.write(pictured, paths.plots(dataset), f"{dataset} (generated data)" if generated else dataset)
    main_metric = f"test.{data.metric}"
    mode = "" if section.metric_mode == "full" else f" ({section.metric_mode})"
    shown = f"blend {scores['blend'][main_metric]:.4f}, best single {best} {scores[best][main_metric]:.4f}"
    click.echo(f"{dataset}: {main_metric}{mode} of {shown}")


if __name__ == "__main__":
    main()

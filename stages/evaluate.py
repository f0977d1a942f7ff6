"""Score every model of a dataset and draw the pictures: ``python -m stages.evaluate smpd``."""

from popcast.blend import blending
from popcast.blend.params import Blend
from popcast.core import paths, tables
from popcast.core.plan_file import Plan
from popcast.core.safety.whole_files import whole_folder
from popcast.core.stage import stage
from popcast.scoring import evaluation, plot_data, plots
from popcast.scoring.contributions import contributions
from popcast.scoring.interval_scoring import OneWidth
from popcast.scoring.params import Evaluation, ScoredRun


@stage
def main(plan: Plan) -> None:
    """Metrics and pictures of the dataset KEY."""
    dataset, metric, section = plan.key, plan["metric"], plan.section("evaluation", Evaluation)
    runs = plan.sections("runs", ScoredRun)
    folders = {name: paths.model(dataset, name, run.suite) for name, run in runs.items()}
    everything = tables.labelled(
        tables.read(paths.posts(dataset), tables.POSTS), tables.read(paths.splits(dataset), tables.SPLIT_TABLE)
    )
    posts = evaluation.scored_posts(everything, plan["zone"])
    files = {name: paths.predictions(dataset, name, run.suite) for name, run in runs.items()}
    files["blend"] = paths.predictions(dataset, "blend")
    predictions = {name: tables.read(file, tables.PREDICTIONS) for name, file in files.items()}
    singles = evaluation.singles_of(runs, plan["allow_posthoc"])
    blend = blending.Blend.load(paths.model(dataset, "blend"))
    one_width = OneWidth(blend.nominal, blend.half_width)
    scores = evaluation.evaluate(posts, predictions, metric, section, plan["seed"], singles, one_width)
    with whole_folder(paths.metrics(dataset)) as folder:  # no rows of models that params no longer name
        for name, of in scores.items():
            behind = {member: runs[member] for member in (blend.members if name == "blend" else [name])}
            facts = [evaluation.facts_beside(folders[member]) for member in behind]
            flags = evaluation.flags(behind.values(), plan["generated"], plan["rule_audience"], facts)
            tables.write_json(evaluation.rounded(of | flags), folder / f"{name}.json")
    best = evaluation.best_single(scores, metric, singles)
    shown = ["blend", best, *(name for name in section.baselines if name in runs and name != best)]
    importances = plot_data.read_importances(folders)
    histories = plot_data.read_histories(folders)
    pictured = plot_data.tables_of(posts, predictions, shown, blend, importances, plan["seed"], histories)
    members = {name: predictions[name] for name in blend.members}
    gains = contributions(
        everything, members, plan["suites"], plan.section("blend", Blend), section, metric, plan["seed"],
        plan["final_fit"], plan["allow_posthoc"],
    )  # fmt: skip
    if gains:
        pictured["contributions"] = plot_data.contribution_table(gains)
    plots.write(pictured, paths.plots(dataset), f"{dataset} (generated data)" if plan["generated"] else dataset)
    mode = "" if section.metric_mode == "full" else f" ({section.metric_mode})"
    shown = f"blend {scores['blend'][f'test.{metric}']:.4f}, best single {best} {scores[best][f'test.{metric}']:.4f}"
    print(f"{dataset}: test.{metric}{mode} of {shown}")


if __name__ == "__main__":
    main()

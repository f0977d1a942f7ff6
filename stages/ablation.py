"""What a simulated audience adds: ``python -m stages.ablation --dataset smpd --population default``."""

import click

from popcast.core import params, paths, tables
from popcast.core.errors import bad_input
from popcast.core.stage import stage
from popcast.features.common.contract import Context
from popcast.scoring import plots
from popcast.scoring.evaluation import is_generated, rounded
from popcast.simulation.ablation import ablation_plots, variants
from popcast.simulation.ablation.sensitivity import COLUMNS, sensitivity
from popcast.simulation.audience.population import load
from popcast.simulation.fields import epochs_of
from popcast.simulation.params import Rules
from popcast.simulation.running import reaction_tables


@click.command()
@click.option("--dataset", required=True, help="key in simulations of params.yaml")
@click.option("--population", required=True, help="key in populations: who reacted")
@stage
def main(dataset: str, population: str) -> None:
    base, raw, evaluation = params.read("base", f"datasets.{dataset}.raw", "evaluation")
    section, fields = params.read(f"simulations.{dataset}.ablation", f"simulations.{dataset}.fields")
    posts = tables.labelled(
        tables.read(paths.posts(dataset), tables.POSTS), tables.read(paths.splits(dataset), tables.SPLIT_TABLE)
    )
    history_file = paths.features(dataset, "history")
    if section.history and not history_file.exists():
        raise bad_input("no such table", file=history_file,
                        expected=f"simulations.{dataset}.ablation.history false where there is none")  # fmt: skip
    text = tables.read(paths.features(dataset, "text"), tables.FEATURES)
    history = tables.read(history_file, tables.FEATURES) if section.history else None
    triggers, states, manifest = (
        read(dataset)
        for read in (reaction_tables.read_triggers, reaction_tables.read_states, reaction_tables.read_manifest)
    )
    design = variants.make_design(posts, triggers, text, history, section, dataset)
    predictions = variants.predict_all(design, states, section, fields, Context(dataset, base.seed))
    scores = variants.score(design, predictions, evaluation, base.seed)
    rules = Rules.model_validate_json(manifest["rules"])
    neighbours = load(paths.population(population)).neighbours
    scores |= sensitivity(reaction_tables.read_reactions(dataset, COLUMNS), design.triggers, neighbours, rules)
    epochs, generated = epochs_of(states), is_generated(dataset, raw)
    about = variants.about(design, epochs, section, evaluation)
    about |= {"dataset": dataset, "generated": generated, "stand_in": manifest["stand_in"] == "true"}
    tables.write_json({"about": about, **rounded(scores)}, paths.ablation_metrics(dataset))
    who = "rules, a stand-in" if about["stand_in"] else "a language model"
    name = f"{dataset}{' (generated data)' if generated else ''}, personas answered by {who}"
    plots.write(ablation_plots.tables_of(scores, epochs), paths.ablation_plots(dataset), name, ablation_plots.DRAW)
    last = {learner: scores[f"{learner}.both.{epochs}.vs_none.difference"] for learner in about["learners"]}
    changes = ", ".join(f"{change:+.4f} ({learner})" for learner, change in last.items())
    click.echo(f"{dataset}: words and attitudes change the MAE by {changes}; {design.runs} runs")


if __name__ == "__main__":
    main()

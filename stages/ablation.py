"""What a simulated audience adds: ``python -m stages.ablation smpd``."""

from popcast.core import paths, tables
from popcast.core.errors import bad_input
from popcast.core.plan_file import Plan
from popcast.core.stage import stage
from popcast.features.common.contract import Context
from popcast.scoring import plots
from popcast.scoring.evaluation import rounded
from popcast.scoring.params import Evaluation
from popcast.simulation.ablation import ablation_plots, variants
from popcast.simulation.ablation.sensitivity import COLUMNS, sensitivity
from popcast.simulation.audience.population import load
from popcast.simulation.fields import epochs_of
from popcast.simulation.params import Ablation, FieldFeatures, Rules
from popcast.simulation.running import reaction_tables as tables_of


@stage
def main(plan: Plan) -> None:
    """Ablation of the simulation KEY, in simulations of params.yaml."""
    dataset, section = plan.key, plan.section("ablation", Ablation)
    fields, evaluation = plan.section("fields", FieldFeatures), plan.section("evaluation", Evaluation)
    posts = tables.labelled(
        tables.read(paths.posts(dataset), tables.POSTS), tables.read(paths.splits(dataset), tables.SPLIT_TABLE)
    )
    history_file = paths.features(dataset, "history")
    if section.history and not history_file.exists():
        raise bad_input("no such table", file=history_file,
                        expected=f"simulations.{dataset}.ablation.history false where there is none")  # fmt: skip
    text = tables.read_features(paths.features(dataset, "text"))
    history = tables.read_features(history_file) if section.history else None
    triggers, states = tables_of.read_triggers(dataset), tables_of.read_states(dataset)
    manifest = tables_of.read_manifest(dataset)
    design = variants.make_design(posts, triggers, text, history, section, dataset)
    predictions = variants.predict_all(design, states, section, fields, Context(dataset, plan["seed"]))
    scores = variants.score(design, predictions, evaluation, plan["seed"])
    rules = Rules.model_validate_json(manifest["rules"])
    neighbours = load(paths.population(plan["population"])).neighbours
    scores |= sensitivity(tables_of.read_reactions(dataset, COLUMNS), design.triggers, neighbours, rules)
    epochs, about = epochs_of(states), variants.about(design, epochs_of(states), section, evaluation)
    about |= {"dataset": dataset, "generated": plan["generated"], "stand_in": manifest["stand_in"] == "true"}
    tables.write_json({"about": about, **rounded(scores)}, paths.ablation_metrics(dataset))
    who = "rules, a stand-in" if about["stand_in"] else "a language model"
    name = f"{dataset}{' (generated data)' if plan['generated'] else ''}, personas answered by {who}"
    plots.write(ablation_plots.tables_of(scores, epochs), paths.ablation_plots(dataset), name, ablation_plots.DRAW)
    last = {learner: scores[f"{learner}.both.{epochs}.vs_none.difference"] for learner in about["learners"]}
    changes = ", ".join(f"{change:+.4f} ({learner})" for learner, change in last.items())
    print(f"{dataset}: words and attitudes change the MAE by {changes}; {design.runs} runs")


if __name__ == "__main__":
    main()

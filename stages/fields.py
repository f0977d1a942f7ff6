"""Mean fields of simulated posts as feature blocks: ``python -m stages.fields smpd``."""

import shutil
from functools import partial

from popcast.core import paths, tables
from popcast.core.plan_file import Plan
from popcast.core.safety.whole_files import move_whole, whole_folder
from popcast.core.scratch import Scratch
from popcast.core.stage import stage
from popcast.features.common.contract import Context
from popcast.simulation.audience.population import load
from popcast.simulation.fields import FieldBlocks, epochs_of
from popcast.simulation.params import MEAN_FIELD, SIMULATION, FieldFeatures
from popcast.simulation.running import reaction_tables
from popcast.simulation.showing import episodes, pictures


@stage
def main(plan: Plan) -> None:
    """Feature blocks and pictures of the simulation KEY, in simulations of params.yaml."""
    dataset, population = plan.key, paths.population(plan["population"])
    posts = tables.read(paths.posts(dataset), tables.POSTS).drop("popularity")
    posts = tables.labelled(posts, tables.read(paths.splits(dataset), tables.SPLIT_TABLE)).sort("post_id")
    triggers, states = reaction_tables.read_triggers(dataset), reaction_tables.read_states(dataset)
    manifest, audience = reaction_tables.read_manifest(dataset), load(population)
    inputs = [paths.splits(dataset), paths.simulation(dataset, "triggers"), paths.simulation(dataset, "manifest")]
    with Scratch(plan, inputs) as scratch:
        context = Context(dataset, plan["seed"], scratch=scratch.folder)
        blocks = FieldBlocks(plan.section("fields", FieldFeatures), epochs_of(states), context)
        rows = posts.select("post_id", "split")
        simulation, mean_field = blocks.fit(rows, triggers, states).transform(rows, triggers, states)
        finished = scratch.folder / "model"
        with whole_folder(finished) as part:
            blocks.save(part, manifest)
            shutil.copyfile(population, part / "population.json")
        reactions = reaction_tables.read_reactions(dataset)
        drawn = paths.simulation_plots(dataset)
        title = pictures.title(dataset, plan["generated"], manifest["stand_in"] == "true")
        beside = partial(episodes.write, dataset, states, reactions, triggers, audience, manifest)
        pictures.draw(title, states, reactions, triggers, audience, drawn, beside)
        tables.write(simulation, paths.features(dataset, SIMULATION), tables.FEATURES)
        tables.write(mean_field, paths.features(dataset, MEAN_FIELD), tables.FEATURES)
        move_whole(finished, paths.feature_model(dataset, SIMULATION))
    print(f"{dataset}: fields of {triggers.height} of {posts.height} posts after epoch {blocks.epoch}")


if __name__ == "__main__":
    main()

"""Mean fields of simulated posts as feature blocks: ``python -m stages.fields smpd``."""

import os
import shutil

from popcast.core import paths, tables
from popcast.core.plan_file import Plan
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
        shutil.rmtree(finished, ignore_errors=True)
        blocks.save(finished, manifest)
        shutil.copyfile(population, finished / "population.json")
        reactions = reaction_tables.read_reactions(dataset)
        drawn = paths.simulation_plots(dataset)
        title = pictures.title(dataset, plan["generated"], manifest["stand_in"] == "true")
        pictures.draw(title, states, reactions, triggers, audience, drawn)
        episodes.write(dataset, states, reactions, triggers, audience, manifest, drawn)
        tables.write(simulation, paths.features(dataset, SIMULATION), tables.FEATURES)
        tables.write(mean_field, paths.features(dataset, MEAN_FIELD), tables.FEATURES)
        target = paths.feature_model(dataset, SIMULATION)
        shutil.rmtree(target, ignore_errors=True)
        target.parent.mkdir(parents=True, exist_ok=True)
        os.replace(finished, target)
    print(f"{dataset}: fields of {triggers.height} of {posts.height} posts after epoch {blocks.epoch}")


if __name__ == "__main__":
    main()

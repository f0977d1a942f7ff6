"""Mean fields of simulated posts as feature blocks: ``python -m stages.fields --dataset smpd --population default``."""

import os
import shutil

import click

from popcast.core import params, paths, tables
from popcast.core.scratch import Scratch
from popcast.core.stage import stage
from popcast.features.common.contract import Context
from popcast.scoring.evaluation import is_generated
from popcast.simulation.audience.population import load
from popcast.simulation.fields import FieldBlocks, epochs_of
from popcast.simulation.params import MEAN_FIELD, SIMULATION
from popcast.simulation.running import reaction_tables
from popcast.simulation.showing import episodes, pictures


@click.command()
@click.option("--dataset", required=True, help="key in simulations of params.yaml")
@click.option("--population", required=True, help="key in populations: who reacted")
@stage
def main(dataset: str, population: str) -> None:
    base, raw, section = params.read("base", f"datasets.{dataset}.raw", f"simulations.{dataset}.fields")
    posts = tables.read(paths.posts(dataset), tables.POSTS).drop("popularity")
    posts = tables.labelled(posts, tables.read(paths.splits(dataset), tables.SPLIT_TABLE)).sort("post_id")
    triggers, states = reaction_tables.read_triggers(dataset), reaction_tables.read_states(dataset)
    manifest, audience = reaction_tables.read_manifest(dataset), load(paths.population(population))
    inputs = [paths.splits(dataset), paths.simulation(dataset, "triggers"), paths.simulation(dataset, "manifest")]
    settings = [base.model_dump(), section.model_dump()]
    with Scratch("fields", dataset, settings, inputs) as scratch:
        context = Context(dataset, base.seed, scratch=scratch.folder)
        blocks = FieldBlocks(section, epochs_of(states), context)
        rows = posts.select("post_id", "split")
        simulation, mean_field = blocks.fit(rows, triggers, states).transform(rows, triggers, states)
        finished = scratch.folder / "model"
        shutil.rmtree(finished, ignore_errors=True)
        blocks.save(finished, manifest)
        shutil.copyfile(paths.population(population), finished / "population.json")
        reactions = reaction_tables.read_reactions(dataset)
        drawn = paths.simulation_plots(dataset)
        title = pictures.title(dataset, is_generated(dataset, raw), manifest["stand_in"] == "true")
        pictures.draw(title, states, reactions, triggers, audience, drawn)
        episodes.write(dataset, states, reactions, triggers, audience, manifest, drawn)
        tables.write(simulation, paths.features(dataset, SIMULATION), tables.FEATURES)
        tables.write(mean_field, paths.features(dataset, MEAN_FIELD), tables.FEATURES)
        target = paths.feature_model(dataset, SIMULATION)
        shutil.rmtree(target, ignore_errors=True)
        target.parent.mkdir(parents=True, exist_ok=True)
        os.replace(finished, target)
    click.echo(f"{dataset}: fields of {triggers.height} of {posts.height} posts after epoch {blocks.epoch}")


if __name__ == "__main__":
    main()

"""Personas and who follows whom, generated or from the user's own table -> data/populations/<population>.json.

python -m stages.population --population default
"""

import click

from popcast.core import params, paths, tables
from popcast.core.stage import stage
from popcast.simulation.audience import population as audience
from popcast.simulation.audience.audience_graph import statistics


@click.command()
@click.option("--population", required=True, help="key in params.yaml: populations")
@stage
def main(population: str) -> None:
    """Make the audience POPULATION and write it with its statistics."""
    base, source = params.read("base", f"populations.{population}")
    people, origin = audience.make(source, base.seed)
    facts = statistics(people)
    audience.save(people, paths.population(population), origin)
    tables.write_json(facts, paths.population_metrics(population))
    parts = "" if facts["components"] == 1 else f", in {facts['components']:.0f} parts that do not know each other"
    print(
        f"{population}: {facts['agents']:.0f} personas ({source.kind}), {facts['edges']:.0f} relations,"
        f" {facts['degree_min']:.0f} to {facts['degree_max']:.0f} each{parts}; hash {people.hash[:12]}"
    )


if __name__ == "__main__":
    main()

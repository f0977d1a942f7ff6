"""Personas and who follows whom, generated or from the user's own table -> data/populations/<population>.json.

python -m stages.population default
"""

from popcast.core import paths, tables
from popcast.core.plan_file import Plan
from popcast.core.stage import stage
from popcast.simulation.audience import population as audience
from popcast.simulation.audience.audience_graph import statistics
from popcast.simulation.params import PopulationSource


@stage
def main(plan: Plan) -> None:
    """Make the audience KEY, in populations of params.yaml, and write it with its statistics."""
    source = plan.section("population", PopulationSource)
    people, origin = audience.make(source, plan["seed"])
    facts = statistics(people)
    audience.save(people, paths.population(plan.key), origin)
    tables.write_json(facts, paths.population_metrics(plan.key))
    parts = "" if facts["components"] == 1 else f", in {facts['components']:.0f} parts that do not know each other"
    print(
        f"{plan.key}: {facts['agents']:.0f} personas ({source.kind}), {facts['edges']:.0f} relations,"
        f" {facts['degree_min']:.0f} to {facts['degree_max']:.0f} each{parts}; hash {people.hash[:12]}"
    )


if __name__ == "__main__":
    main()

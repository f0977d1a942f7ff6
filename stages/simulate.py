"""Stage ``simulate``: an audience of personas reacts to posts, epoch by epoch (popsim.md).

A killed stage goes on where it was, post by post: python -m stages.simulate smpd
On a Ray cluster: POPCAST_ENGINE=ray python -m stages.simulate smpd
"""

import polars as pl

from popcast.core import paths, tables
from popcast.core.plan_file import Plan
from popcast.core.stage import stage
from popcast.simulation.audience.population import load
from popcast.simulation.params import Simulated, Work
from popcast.simulation.running.whole_run import Inputs, simulate


@stage
def main(plan: Plan) -> None:
    """Show the posts of KEY, in simulations of params.yaml, to its audience."""
    dataset, population = plan.key, plan["population"]
    # what an audience could not know when the post appeared goes before anything looks at it
    posts = tables.read(paths.posts(dataset), tables.POSTS).select(pl.exclude("popularity", "user_id", "^posthoc_.*$"))
    splits = tables.read(paths.splits(dataset), tables.SPLIT_TABLE)
    inputs = Inputs(dataset, posts, splits, population, load(paths.population(population)))
    settings = Simulated.model_validate({name: plan[name] for name in ("rules", "policy", "runner")})
    print(simulate(inputs, plan.section("work", Work), settings, plan))


if __name__ == "__main__":
    main()

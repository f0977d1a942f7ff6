"""Numeric field of many posts at once against the Mesa model post by post: ``python -m benchmarks.sweep``.

One epoch of generated posts: ten random personas of the default population with random scores, the others at random
attitudes. Both forms start from the same attitudes and end in the same ones, which is checked. Prints seconds of each
and their ratio, for both orders of update.
"""

from __future__ import annotations

import time
from pathlib import Path

import click
import numpy as np

WORDS = Path(__file__).resolve().parent.parent / "src/popcast/simulation/audience/persona_lists.json"
ASKED = 10


@click.command()
@click.option("--posts", default=4096, show_default=True)
def main(posts: int) -> None:
    from popcast.simulation.audience.population import generate
    from popcast.simulation.model import AudienceModel
    from popcast.simulation.numeric_field import sweep
    from popcast.simulation.params import Rules
    from popcast.simulation.records import Reaction, Trigger

    population = generate(WORDS, 100, 2, 42)
    rng = np.random.default_rng(0)
    count = len(population.people)
    before, similarities = rng.uniform(0, 10, (posts, count)), np.zeros(count)
    chosen = np.sort(np.argsort(rng.random((posts, count)), axis=1)[:, :ASKED], axis=1)
    scores = np.full((posts, count), np.nan)
    np.put_along_axis(scores, chosen, rng.integers(0, 11, chosen.shape).astype(float), axis=1)
    for update in ("reference", "simultaneous"):
        rules = Rules(update=update)
        start = time.perf_counter()
        together = sweep(before, scores, population.neighbours, rules)
        vectorised = time.perf_counter() - start
        model, one_by_one, seconds = AudienceModel(population, rules), np.empty_like(before), 0.0
        for post in range(posts):
            model.start(Trigger("Post: a benchmark"), 0, 0, similarities)
            for persona, attitude in zip(model.personas, before[post].tolist(), strict=True):
                persona.attitude = attitude
            model.asked = tuple(chosen[post].tolist())
            reactions = [Reaction(row, True, 1, "like", int(scores[post, row])) for row in model.asked]
            start = time.perf_counter()
            state = model.step(reactions, None)
            seconds += time.perf_counter() - start
            one_by_one[post] = state.attitudes
        model.close()
        if not np.array_equal(together, one_by_one):
            raise click.ClickException("the two forms differ")
        print(f"{update}: {posts} posts together {vectorised:.3f} s, one by one on Mesa {seconds:.2f} s (with memories "
              f"and counts of the epoch), ratio {seconds / vectorised:.0f}")  # fmt: skip


if __name__ == "__main__":
    main()

"""Exact neighbours against loops over queries: ``python -m benchmarks.retrieval --queries 19738 --bank 17764``.

Generated vectors of width 1024, every bank row also a query, 20 neighbours each. popcast searches for all queries; the
two loops answer a sample of them, and their time for all is extrapolated:

- pairs: for each query a Python loop over the bank, one cosine at a time, then a sort (as in the published code);
- rows: for each query one product of the bank with the query, then a partial sort.

The neighbours must be the same. Prints seconds for all queries and the ratios to popcast.
"""

from __future__ import annotations

import time

import click
import numpy as np
import polars as pl

from popcast.features.common.nearest import unit_rows
from popcast.models.inputs.learned_posts import Bank

K = 20


def generated(queries: int, bank: int, width: int, seed: int) -> tuple[pl.DataFrame, np.ndarray]:
    """Posts and float32 [queries, width]; the vectors lie around 500 centres, as those of titles do."""
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(500, width)).astype(np.float32)
    vectors = centres[rng.integers(0, 500, queries)] + rng.standard_normal((queries, width), np.float32)
    ids = [f"{i:06d}" for i in rng.permutation(queries)]
    posts = pl.DataFrame({"post_id": ids, "posted_at": None, "title": None})
    return posts.cast({"posted_at": pl.Datetime("us", "UTC"), "title": pl.String}), vectors


def by_pairs(query: int, vectors: np.ndarray, ids: list[str], bank: int) -> list[int]:
    """Rows of the K nearest, one pair at a time."""
    found = []
    for row in range(bank):
        if row != query:
            a, b = vectors[query], vectors[row]
            similarity = float(np.dot(a, b) / (np.linalg.norm(a) * np.linalg.norm(b)))
            found.append((-round(similarity, 6), ids[row], row))
    return [row for _, _, row in sorted(found)[:K]]


def by_rows(query: int, unit: np.ndarray, rank: np.ndarray, bank: int) -> list[int]:
    """Rows of the K nearest, one product per query."""
    similarity = unit[:bank] @ unit[query]
    if query < bank:
        similarity[query] = -np.inf
    nearest = np.argpartition(-similarity, 2 * K)[: 2 * K]
    order = np.lexsort((rank[nearest], -similarity[nearest].astype(np.float64).round(6)))
    return nearest[order][:K].tolist()


@click.command()
@click.option("--queries", default=19_738, show_default=True)
@click.option("--bank", default=17_764, show_default=True)
@click.option("--width", default=1024, show_default=True)
@click.option("--sample", default=40, show_default=True, help="queries that the loop over rows answers")
@click.option("--pairs", default=4, show_default=True, help="queries that the loop over pairs answers")
def main(queries: int, bank: int, width: int, sample: int, pairs: int) -> None:
    posts, vectors = generated(queries, bank, width, 0)
    start = time.perf_counter()
    unit = unit_rows(vectors)
    made = Bank(posts[:bank], unit[:bank], np.ones(bank, bool), "train", False)
    index, _ = made.neighbours(posts, unit, K, "fit")
    ours = time.perf_counter() - start
    print(f"{queries} queries, bank of {bank}, width {width}, {K} neighbours")
    print(f"popcast    {ours:10.1f} s for all")
    ids, rank = posts["post_id"].to_list(), posts["post_id"].rank("ordinal").to_numpy()
    asked = np.random.default_rng(1).choice(queries, size=max(sample, pairs), replace=False).tolist()
    loops = {
        "rows": (asked[:sample], lambda query: by_rows(query, unit, rank, bank)),
        "pairs": (asked[:pairs], lambda query: by_pairs(query, vectors, ids, bank)),
    }
    for name, (some, search) in loops.items():
        start = time.perf_counter()
        found = [search(query) for query in some]
        seconds = (time.perf_counter() - start) / len(some) * queries
        same = np.mean([np.array_equal(found[i], index[query]) for i, query in enumerate(some)])
        overlap = np.mean([len(set(found[i]) & set(index[query].tolist())) / K for i, query in enumerate(some)])
        print(
            f"loop over {name:<6}{seconds:8.0f} s for all, from {len(some)} queries; ratio {seconds / ours:6.0f}; "
            f"same neighbours in the same order for {same:.0%} of them, the same set for {overlap:.1%}"
        )


if __name__ == "__main__":
    main()

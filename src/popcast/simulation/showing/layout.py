"""Places of the personas in pictures of their network: the same graph gets the same picture."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np

SEED = 7
ITERATIONS = 300
MOST = 400
"""Personas that a picture shows; of more, those that must be there and then those with most friends."""


def shown_rows(neighbours: Sequence[Sequence[int]], wanted: Collection[int] = ()) -> list[int]:
    """Rows that are drawn, ascending: everybody up to :data:`MOST`; all ``wanted`` in any case."""
    if len(neighbours) <= MOST:
        return list(range(len(neighbours)))
    first = sorted(range(len(neighbours)), key=lambda row: (row not in wanted, -len(neighbours[row]), row))
    return sorted(first[: max(MOST, len(wanted))])


def edges_between(rows: Sequence[int], neighbours: Sequence[Sequence[int]]) -> list[tuple[int, int]]:
    """Friendships of which both ends are in ``rows``, each once, as places in ``rows``."""
    place = {row: at for at, row in enumerate(rows)}
    return [
        (place[row], place[friend]) for row in rows for friend in neighbours[row] if row < friend and friend in place
    ]


def positions(rows: Sequence[int], neighbours: Sequence[Sequence[int]]) -> np.ndarray:
    """Places [len(rows), 2] in the unit square, by forces along friendships (Fruchterman and Reingold), 3 decimals."""
    import networkx

    graph = networkx.Graph()
    graph.add_nodes_from(range(len(rows)))
    graph.add_edges_from(edges_between(rows, neighbours))
    placed = networkx.spring_layout(graph, k=3 / len(rows) ** 0.5, iterations=ITERATIONS, seed=SEED)
    points = np.array([placed[at] for at in range(len(rows))])
    low, high = points.min(0), points.max(0)
    places = (points - low) / np.where(high > low, high - low, 1)
    # Half the place, half its rank: pulls outliers in and the crowded middle apart.
    ranks = places.argsort(0, kind="stable").argsort(0, kind="stable") / max(len(rows) - 1, 1)
    return (0.5 * (places + ranks)).round(3)

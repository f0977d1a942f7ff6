"""Facts about a population and its graph (the table of popsim.md 2.3)."""

from __future__ import annotations

import numpy as np

from popcast.simulation.audience.population import Population

CHUNK = 512
"""Personas whose distances to all others are in memory at a time."""


def statistics(population: Population) -> dict[str, float]:
    """Flat facts, rounded to 6 places; one that is not defined is left out (the ages of personas without ages).

    A disconnected audience is reported, never refused: ``components`` is above 1, and ``diameter`` and ``mean_path``
    (in steps) are of the largest component, which holds the share ``largest_component`` of the personas.
    """
    facts = {**_graph(population), **_people(population)}
    return {name: round(float(value), 6) for name, value in facts.items()}


def _graph(population: Population) -> dict[str, float]:
    import networkx as nx

    n = len(population.people)
    degrees = np.array([len(rows) for rows in population.neighbours])
    edges = int(degrees.sum()) // 2
    graph = nx.Graph()
    graph.add_nodes_from(range(n))
    graph.add_edges_from((row, other) for row, others in enumerate(population.neighbours) for other in others)
    facts = {
        "agents": n,
        "edges": edges,
        "degree_min": degrees.min(),
        "degree_median": np.median(degrees),
        "degree_mean": degrees.mean(),
        "degree_max": degrees.max(),
        "clustering": nx.average_clustering(graph),
        "transitivity": nx.transitivity(graph),
        **_paths(population),
    }
    if n > 1:
        facts["density"] = 2 * edges / (n * (n - 1))
    ends = np.array([(degrees[row], degrees[other]) for row, other in graph.edges]).reshape(-1, 2)
    both = np.concatenate([ends, ends[:, ::-1]])
    if len(ends) and both[:, 0].std() > 0:
        facts["assortativity"] = np.corrcoef(both.T)[0, 1]
    return facts


def _paths(population: Population) -> dict[str, float]:
    """Number of components, and lengths of shortest paths in the largest (the first of several)."""
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import connected_components, dijkstra

    n = len(population.people)
    starts = np.cumsum([0, *(len(rows) for rows in population.neighbours)])
    ends = np.array([other for rows in population.neighbours for other in rows], dtype=np.int32)
    matrix = csr_array((np.ones(len(ends)), ends, starts), shape=(n, n))
    number, component = connected_components(matrix, directed=False)
    sizes = np.bincount(component)
    rows = np.flatnonzero(component == sizes.argmax())
    facts = {"components": number, "largest_component": len(rows) / n}
    total = longest = 0.0
    for start in range(0, len(rows), CHUNK):
        steps = dijkstra(matrix, unweighted=True, indices=rows[start : start + CHUNK])[:, rows]
        total += steps.sum()
        longest = max(longest, steps.max())
    if len(rows) > 1:
        facts |= {"diameter": longest, "mean_path": total / (len(rows) * (len(rows) - 1))}
    return facts


def _people(population: Population) -> dict[str, float]:
    people = population.people
    facts: dict[str, float] = {
        "role_length_min": min(len(person.role) for person in people),
        "role_length_mean": np.mean([len(person.role) for person in people]),
        "role_length_max": max(len(person.role) for person in people),
        "occupations": len({person.occupation for person in people} - {None}),
        "traits": len({trait for person in people for trait in person.traits}),
        "interests": len({interest for person in people for interest in person.interests}),
    }
    ages = [person.age for person in people if person.age is not None]
    if ages:
        facts |= {"age_min": min(ages), "age_mean": np.mean(ages), "age_median": np.median(ages), "age_max": max(ages)}
    genders = [person.gender for person in people if person.gender is not None]
    if genders:
        facts |= {gender: genders.count(gender) / len(genders) for gender in ("female", "male")}
    return facts

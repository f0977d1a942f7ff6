"""Draw the pipeline of dvc.yaml, one box per stage name with the number of its expanded stages: docs/dag.png.

Layers and routes come from the layout that `dvc dag` uses too (grandalf, Sugiyama's method).

python scripts/draw_dag.py
"""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from pathlib import Path

import click

INK, PAPER, FILL, LINE = "#1f2933", "#ffffff", "#e3f0f6", "#3c7a99"
HEIGHT, LETTER, PADDING = 0.5, 0.1, 0.2
"""Size of a box in inches: its height, what a letter takes of its width, and what is left beside the letters."""
BETWEEN_LAYERS, BETWEEN_BOXES = 0.42, 0.14


class Box:
    """What the layout wants to know of a box. It lays layers from top to bottom, so width and height are swapped."""

    def __init__(self, name: str) -> None:
        self.width = LETTER * len(name) + PADDING
        self.w, self.h = HEIGHT, self.width
        self.xy = (0.0, 0.0)


def families() -> tuple[Counter, set[tuple[str, str]]]:
    """Number of expanded stages per stage name, and the edges (from, to) between names."""
    from dvc.repo import Repo

    def name(stage) -> str:
        return stage.name.split("@")[0]

    index = Repo().index
    edges = {(name(b), name(a)) for a, b in index.graph.edges if name(a) != name(b)}
    return Counter(name(stage) for stage in index.stages), edges


def shown(edges: set[tuple[str, str]]) -> list[tuple[str, str]]:
    """Edges that no longer way implies: posts feed every stage, and drawing that would hide the order."""
    import networkx as nx

    return sorted(nx.transitive_reduction(nx.DiGraph(sorted(edges))).edges)


def layout(names: list[str], arrows: list[tuple[str, str]]) -> tuple[dict[str, Box], dict[tuple[str, str], list]]:
    """Boxes with their middles, and the points that each arrow passes, x to the right."""
    from grandalf.graphs import Edge, Graph, Vertex
    from grandalf.layouts import SugiyamaLayout
    from grandalf.routing import EdgeViewer

    vertices = {name: Vertex(name) for name in names}
    for name, vertex in vertices.items():
        vertex.view = Box(name)
    edges = [Edge(vertices[start], vertices[end]) for start, end in arrows]
    for edge in edges:
        edge.view = EdgeViewer()
    graph = Graph(list(vertices.values()), edges)
    if len(graph.C) != 1:
        raise click.ClickException(f"the pipeline has {len(graph.C)} parts that do not hang together")
    drawing = SugiyamaLayout(graph.C[0])
    drawing.yspace, drawing.xspace = BETWEEN_LAYERS, BETWEEN_BOXES
    drawing.init_all(optimize=True)
    drawing.draw(40)
    points = {(edge.v[0].data, edge.v[1].data): [(y, x) for x, y in edge.view._pts] for edge in edges}
    boxes = {name: vertex.view for name, vertex in vertices.items()}
    for box in boxes.values():
        box.xy = box.xy[::-1]
    return boxes, points


def curve(start: Box, end: Box, between: list[tuple[float, float]]):
    """From the right side of ``start`` through the points to the left side of ``end``, level at each."""
    from matplotlib.path import Path as Line

    stops = [(start.xy[0] + start.width / 2, start.xy[1]), *between, (end.xy[0] - end.width / 2, end.xy[1])]
    points, codes = [stops[0]], [Line.MOVETO]
    for (x, y), (to_x, to_y) in pairwise(stops):
        middle = (x + to_x) / 2
        points += [(middle, y), (middle, to_y), (to_x, to_y)]
        codes += [Line.CURVE4] * 3
    return Line(points, codes)


@click.command()
@click.option("--out", default="docs/dag.png", show_default=True)
def main(out: str) -> None:
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt
    from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

    counts, edges = families()
    boxes, arrows = layout(sorted(counts), shown(edges))
    x, y = ([box.xy[side] for box in boxes.values()] for side in (0, 1))
    y += [height for points in arrows.values() for _, height in points]  # arrows may pass outside of all boxes
    figure = plt.figure(figsize=(max(x) - min(x) + 1.6, max(y) - min(y) + 1.0), dpi=130, facecolor=PAPER)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_xlim(min(x) - 0.8, max(x) + 0.8)
    axes.set_ylim(max(y) + 0.5, min(y) - 0.5)
    axes.axis("off")
    for (start, end), points in arrows.items():
        path = curve(boxes[start], boxes[end], points[1:-1])
        arrow = FancyArrowPatch(path=path, arrowstyle="-|>", mutation_scale=9, color=LINE, lw=1.2, shrinkA=0, shrinkB=0)
        axes.add_patch(arrow)
    for name, box in boxes.items():
        corner = (box.xy[0] - box.width / 2 + 0.05, box.xy[1] - HEIGHT / 2 + 0.05)
        axes.add_patch(
            FancyBboxPatch(corner, box.width - 0.1, HEIGHT - 0.1, boxstyle="round,pad=0.05", fc=FILL, ec=LINE)
        )
        axes.text(*box.xy, f"{name}\n× {counts[name]}", ha="center", va="center", color=INK, fontsize=10.5)
    Path(out).parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(out, metadata={"Software": None})
    click.echo(f"{out}: {sum(counts.values())} stages of {len(counts)} names")


if __name__ == "__main__":
    main()

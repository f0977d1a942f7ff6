"""Draw the pipeline of dvc.yaml, one box per stage name with the number of its expanded stages: docs/dag.png.

python scripts/draw_dag.py
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import click

INK, PAPER, FILL, LINE = "#1f2933", "#ffffff", "#e3f0f6", "#3c7a99"


def families() -> tuple[Counter, set[tuple[str, str]]]:
    """Number of expanded stages per stage name, and the edges (from, to) between names."""
    from dvc.repo import Repo

    def name(stage) -> str:
        return stage.name.split("@")[0]

    index = Repo().index
    edges = {(name(b), name(a)) for a, b in index.graph.edges if name(a) != name(b)}
    return Counter(name(stage) for stage in index.stages), edges


def levels(names: list[str], edges: set[tuple[str, str]]) -> dict[str, int]:
    """Longest way from a source to each name."""
    depth = dict.fromkeys(names, 0)
    for _ in names:
        for start, end in edges:
            depth[end] = max(depth[end], depth[start] + 1)
    return depth


def shown(edges: set[tuple[str, str]], depth: dict[str, int]) -> list[tuple[str, str]]:
    """Edges that no longer way implies: posts feed every stage, and drawing that would hide the order."""
    import networkx as nx

    return sorted(nx.transitive_reduction(nx.DiGraph(sorted(edges))).edges, key=lambda edge: (depth[edge[0]], edge))


@click.command()
@click.option("--out", default="docs/dag.png", show_default=True)
def main(out: str) -> None:
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    counts, edges = families()
    depth = levels(sorted(counts), edges)
    columns: dict[int, list[str]] = {}
    for name in sorted(counts, key=lambda name: (depth[name], name)):
        columns.setdefault(depth[name], []).append(name)
    arrows = shown(edges, depth)
    place: dict[str, tuple[float, float]] = {}
    for level, column in columns.items():
        before = {name: [place[start][1] for start, end in arrows if end == name] for name in column}
        height = {
            name: sum(of) / len(of) if of else 0.0 for name, of in before.items()
        }  # level with what it comes from
        for row, name in enumerate(sorted(column, key=lambda name: (-height[name], name))):
            place[name] = (level, height[name] if len(column) == 1 else (len(column) - 1) / 2 - row)
    rows = max(len(column) for column in columns.values())
    figure, axes = plt.subplots(figsize=(1.55 * len(columns), 0.4 + 0.75 * rows), dpi=130, facecolor=PAPER)
    for start, end in arrows:
        axes.annotate(
            "",
            xy=(place[end][0] - 0.38, place[end][1]),
            xytext=(place[start][0] + 0.38, place[start][1]),
            arrowprops={"arrowstyle": "-|>", "color": LINE, "lw": 1.3, "shrinkA": 0, "shrinkB": 0},
        )
    for name, (x, y) in place.items():
        box = {"boxstyle": "round,pad=0.35", "facecolor": FILL, "edgecolor": LINE}
        axes.text(x, y, f"{name}\n× {counts[name]}", ha="center", va="center", color=INK, fontsize=9, bbox=box)
    axes.set_xlim(-0.6, len(columns) - 0.4)
    axes.set_ylim(-rows / 2 - 0.1, rows / 2 + 0.1)
    axes.axis("off")
    Path(out).parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(out, bbox_inches="tight", metadata={"Software": None})
    click.echo(f"{out}: {sum(counts.values())} stages of {len(counts)} names")


if __name__ == "__main__":
    main()

"""`dvc repro` with independent stages side by side: ``python scripts/repro_parallel.py --jobs 2``.

Stages are put into waves: a wave holds the stages whose inputs are all made by earlier waves. Each stage of a wave is
one `dvc --wait-for-lock repro --single-item`; DVC gives up its lock while a stage's command runs, so the commands
overlap and dvc.lock stays whole. Stages with ``meta: {cores: all}`` in dvc.yaml use every core themselves and run one
after the other. A call of DVC costs a second or two, so stages that are up to date are left out.
The outs are those of a sequential run: the stages are the same commands in the same order of dependence.
"""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import click
import networkx as nx
from dvc.exceptions import DvcException
from dvc.repo import Repo


def waves(graph: nx.DiGraph) -> list[list[str]]:
    """Names of the stages, wave by wave. An edge of ``graph`` leads from a stage to one that it needs."""
    return [sorted(wave) for wave in nx.topological_generations(graph.reverse(copy=False))]


def stale(graph: nx.DiGraph, changed: set[str]) -> set[str]:
    """Stages to look at: those that changed and all that need one of them, directly or not."""
    return changed.union(*(nx.ancestors(graph, name) for name in changed))


def stage_graph() -> tuple[nx.DiGraph, set[str], set[str]]:
    """Graph of stage names, names marked ``cores: all``, and names that `dvc status` calls changed."""
    with Repo() as repo:
        stages = list(repo.index.graph)
        names = {stage: stage.addressing for stage in stages}
        graph = nx.relabel_nodes(repo.index.graph, names)
        whole = {stage.addressing for stage in stages if (stage.meta or {}).get("cores") == "all"}
        return graph, whole, set(repo.status()) & set(graph)


def reproduce(names: list[str]) -> str | None:
    """Run stages one after the other in one call of DVC; None, or what failed."""
    command = [sys.executable, "-m", "dvc", "--wait-for-lock", "repro", "--single-item", *names]
    return None if subprocess.run(command, check=False).returncode == 0 else ", ".join(names)


def run_wave(names: list[str], whole: set[str], jobs: int) -> list[str]:
    """Run one wave; what failed. After a failure nothing new is started, what runs is waited for."""
    failed: list[str] = []

    def one(name: str) -> None:
        if not failed and (failure := reproduce([name])):
            failed.append(failure)

    with ThreadPoolExecutor(jobs) as pool:
        list(pool.map(one, [name for name in names if name not in whole]))
    alone = [name for name in names if name in whole]
    if alone and not failed and (failure := reproduce(alone)):
        failed.append(failure)
    return failed


@click.command()
@click.option("--jobs", type=click.IntRange(min=1), default=2, show_default=True, help="stages at a time")
def main(jobs: int) -> None:
    """Reproduce the pipeline of the current folder with several stages at a time."""
    try:
        graph, whole, changed = stage_graph()
    except DvcException as error:
        sys.exit(f"error: {error}")
    todo = stale(graph, changed)
    for wave in waves(graph):
        if names := [name for name in wave if name in todo]:
            failed = run_wave(names, whole, jobs)
            if failed:
                sys.exit(f"error: stage failed: {'; '.join(failed)}")
    print(f"{len(todo)} of {len(graph)} stages looked at, the others were up to date.")


if __name__ == "__main__":
    main()

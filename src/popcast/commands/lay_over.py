"""What ``popcast use`` and ``popcast run`` do with an overlay: params.yaml, the plots, and results that no longer
belong."""

from __future__ import annotations

from pathlib import Path

from popcast.core import paths
from popcast.core.errors import BadInput, one_line
from popcast.planning import plot_definitions, project_params
from popcast.planning.leftovers import foreign_results, remove
from popcast.planning.overlay import use_overlay


def lay_over(overlay: Path, raw: Path | None, before: project_params.Params | None = None) -> None:
    """Lay ``overlay`` over params.yaml, and say so. Raises BadInput; params.yaml stays as it was then.

    before: the params.yaml that results lie there of; None: as it is now.
    """
    before = before or readable()
    written = use_overlay(overlay, raw, checked)
    print(one_line(f"{paths.PARAMS}: {', '.join(written)} as in {overlay}"))
    plot_definitions.write(project_params.load())
    gone = foreign_results(before, project_params.load())
    for path in gone:
        remove(path)
    if gone:
        print(one_line(f"removed results of other datasets or runs: {', '.join(map(str, gone))}"))


def readable() -> project_params.Params | None:
    """params.yaml, or None where it is refused."""
    try:
        return project_params.load()
    except BadInput:
        return None


def checked(settings: project_params.Params) -> None:
    """All that a run needs of params.yaml: as ``popcast check``, and the plots. Raises BadInput."""
    from popcast.planning import plan

    plan.all_instances(settings)
    plot_definitions.definitions(settings)

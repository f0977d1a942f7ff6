"""Blocks whose vectors no run reads: made at every run of the pipeline, and without a word left out of every model.

A run reads a block's vectors when it takes the block and its settings name one of the block's columns, or when it has
no list of ``embeddings`` and so takes all. Vectors that only a derived block (``of``), the audience or a model of
shares asks for are read too.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from popcast.core import paths
from popcast.core.named import kind_of_block
from popcast.models.params import PlannedRun
from popcast.planning.instances import planned_runs
from popcast.planning.project_params import Params

VECTORS = ("text", "glove", "array", "windows")
"""Kinds of blocks that are made for their embeddings; image, video and ocr have numbers beside them that trees read."""


def unread_vectors(params: Params) -> list[str]:
    """One line per block of a dataset with runs whose vectors nothing reads; empty where all are read."""
    return [
        f"{paths.PARAMS}: block {block!r} of {dataset} makes vectors that no run reads: expected a column {block}.* in "
        "the embeddings of a run that has the block, or no such block"
        for dataset in params.datasets
        if params.runs_of(dataset)
        for block in params.blocks_of(dataset)
        if kind_of_block(block) in VECTORS and not _is_read(params, dataset, block)
    ]


def _is_read(params: Params, dataset: str, block: str) -> bool:
    if any((run.dataset, run.of) == (dataset, block) for run in params.derived.values()):
        return True
    others = [params.simulations.get(dataset), *params.reaction_shares.values(), *params.tasks.values()]
    others += params.feature_rows.values()
    if any(text == block or text.startswith(f"{block}.") for one in others if one for text in _texts(one.model_dump())):
        return True
    runs = planned_runs(params, params.runs_of(dataset))
    return any(block in run.blocks and _takes(run, block) for run in runs)


def _takes(run: PlannedRun, block: str) -> bool:
    """Whether a run that has the block gets any of its vectors."""
    settings = run.params
    if run.model == "on_top":  # the settings of the model inside are in ``set``; what is left out has its default
        settings = {"embeddings": None} | settings["set"]
    if "embeddings" in settings and settings["embeddings"] is None:
        return run.model != "svr" or block in ("text", "image", "video")
    return any(text.startswith(f"{block}.") for text in _texts(settings))


def _texts(value: Any) -> Iterator[str]:
    """Every text in nested settings."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list | tuple):
        for one in value.values() if isinstance(value, dict) else value:
            yield from _texts(one)

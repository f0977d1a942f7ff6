"""From a pipeline that ran in this process to a bundle, see ``popcast.serving.bundle_writing``."""

from __future__ import annotations

from pathlib import Path

from popcast.api.pipeline_in_process import Finished
from popcast.datasets.params import Dataset
from popcast.serving import bundle_writing
from popcast.serving.bundle_writing import Parts


def write_bundle(
    folder: Path, done: Finished, scratch: Path, name: str, dataset: Dataset, names: list[str], seed: int
) -> None:
    """Fill the empty ``folder``. name, dataset: of the posts. names: of the columns of their file. seed: of all that
    is random."""

    def model_folder(member: str) -> Path:
        models = scratch / "runs" / member
        return models / ("final" if (models / "final").is_dir() else "evaluation")

    parts = Parts(
        name=name,
        dataset=dataset,
        names=names,
        seed=seed,
        final_fit=done.settings["final_fit"],
        allow_posthoc=done.settings["allow_posthoc"],
        posts=done.posts,
        blocks=done.blocks,
        runs=done.runs,
        blend=done.blend,
        scores=done.scores,
        block_folder=lambda block: scratch / "blocks" / block,
        model_folder=model_folder,
    )
    bundle_writing.write_bundle(folder, parts)

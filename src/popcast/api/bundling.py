"""From a finished pipeline to a bundle: what forecasting new posts needs, and nothing else."""

from __future__ import annotations

import shutil
from importlib import metadata
from pathlib import Path
from typing import Any

import polars as pl

from popcast.api.pipeline_in_process import Finished, weighted
from popcast.blend.count_scale import transform_of
from popcast.core import tables
from popcast.core.safety.whole_files import write_whole
from popcast.datasets.params import Dataset
from popcast.serving import bundle, known_posts
from popcast.serving.bundle import BundledBlock, Contents, Member
from popcast.serving.bundle_card import card

LIBRARIES = ("polars", "numpy", "scikit-learn", "catboost", "lightgbm", "torch")
"""Whose versions a bundle names."""

FLAGS = {
    "flags.generated": "The posts are generated.",
    "flags.posthoc": "Some members were given what was measured after posting.",
    "flags.learned_valid": "Some members learned the valid part too before they predicted the test part.",
    "flags.pseudo_labels": "Some members learned from labels that they had predicted.",
    "flags.simulated": "Some members saw a simulated audience.",
    "flags.stand_in": "Some members work with a stand-in for a language model.",
}


def write_bundle(
    folder: Path, done: Finished, scratch: Path, name: str, dataset: Dataset, names: list[str], seed: int
) -> None:
    """Fill the empty ``folder``. name, dataset: of the posts. names: of the columns of their file. seed: of all that
    is random."""
    weights = weighted(done.blend)
    blocks = _needed(done, weights)
    contents = Contents(
        popcast=_version("popcast") or "0",
        dataset=name,
        seed=seed,
        zone=dataset.zone,
        final_fit=done.settings["final_fit"],
        metric=dataset.metric,
        transform=transform_of(dataset),
        snapshot=dataset.snapshot,
        allow_posthoc=done.settings["allow_posthoc"],
        columns=bundle.kinds_of(done.posts.drop("split", "fold")),
        table=dataset.table,
        names=names,
        blocks=[_block(settings) for settings in blocks],
        members={name: _member(done, name, weight) for name, weight in weights.items()},
        facts=_facts(done),
        versions={name: version for name in LIBRARIES if (version := _version(name))},
    )
    for one in contents.blocks:
        shutil.copytree(scratch / "blocks" / one.block, folder / bundle.BLOCKS / one.block)
    for name in contents.members:
        models = scratch / "runs" / name
        model = "final" if (models / "final").is_dir() else "evaluation"
        shutil.copytree(models / model, folder / bundle.MEMBERS / name)
    done.blend.save(folder)
    known = known_posts.known_posts(done.posts)
    known.write_parquet(folder / bundle.KNOWN, compression="zstd", statistics=False)
    tables.write_json(done.scores, folder / bundle.SCORES)
    write_whole(card(contents, done.scores).encode(), folder / bundle.CARD)
    contents.write(folder)


def _needed(done: Finished, members: dict[str, float]) -> list[dict[str, Any]]:
    """Settings of the blocks that members use, and of those that these are made of, in the order of making."""
    named = {block for name in members for block in done.runs[name].blocks}
    named |= set(done.blend.widths.blocks if done.blend.widths is not None else ())
    for settings in reversed(done.blocks):
        if settings["block"] in named and settings.get("of"):
            named.add(settings["of"])
    return [settings for settings in done.blocks if settings["block"] in named]


def _block(settings: dict[str, Any]) -> BundledBlock:
    told = {name: settings[name] for name in ("zone", "final_fit") if name in settings}
    return BundledBlock(block=settings["block"], of=settings.get("of"), media="raw" in settings, told=told)


def _member(done: Finished, name: str, weight: float) -> Member:
    run = done.runs[name]
    return Member(model=run.model, blocks=run.blocks, allow_posthoc=run.allow_posthoc, weight=weight)


def _facts(done: Finished) -> dict[str, Any]:
    posts = done.posts
    labelled = posts.filter(pl.col("popularity").is_not_null())
    moments = labelled["posted_at"].drop_nulls()
    counts = posts["split"].value_counts().sort("split")
    return {
        "posts": posts.height,
        "labelled": labelled.height,
        "authors": labelled["user_id"].drop_nulls().n_unique(),
        "from": moments.min().isoformat() if len(moments) else None,
        "to": moments.max().isoformat() if len(moments) else None,
        "parts": dict(counts.iter_rows()),
        "fitted_on": done.blend.rows,
        "flags": [said for flag, said in FLAGS.items() if done.scores["blend"].get(flag)],
    }


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None
